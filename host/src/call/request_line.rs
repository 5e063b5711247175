//! The lines of the pod protocol that ask for something: the only bytes that this host ever sends to a pod.

/// The line that asks for `method`, with `input` as its parameter if there is one, if the line has at most `max` bytes.
/// One line, whatever the text holds: JSON escapes every line break.
///
/// `method` is a word of the [table of operations](crate::authority::operation), and needs no escapes.
pub(super) fn encode(method: &'static str, input: Option<&str>, max: usize) -> Option<Vec<u8>> {
    let Some(input) = input else {
        let line = format!("{{\"method\":\"{method}\"}}\n").into_bytes();
        return (line.len() <= max).then_some(line);
    };
    let before = [r#"{"method":""#, method, r#"","params":{"input":""#];
    const BEHIND: &[u8] = b"\"}}\n";
    let fixed: usize = before.iter().map(|part| part.len()).sum::<usize>() + BEHIND.len();
    let mut line = Vec::with_capacity(fixed + input.len() + input.len() / 8);
    for part in before {
        line.extend_from_slice(part.as_bytes());
    }
    escape(input, &mut line, max)?;
    line.extend_from_slice(BEHIND);
    (line.len() <= max).then_some(line)
}

/// Appends the text as it stands between the quotes of a JSON string; gives up where that makes more than `max`
/// bytes, as a text of control characters is six times as long then.
///
/// Blocks are copied as they are, and cut where the first byte lies that must not stand for itself.
fn escape(text: &str, line: &mut Vec<u8>, max: usize) -> Option<()> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        if line.len() > max {
            return None;
        }
        // Behind the end lies what is no part of it, and has to be escaped.
        let mut block = [0; BLOCK];
        match rest.first_chunk() {
            Some(whole) => block = *whole,
            None => block[..rest.len()].copy_from_slice(rest),
        }
        let plain = plain_in_block(block);
        line.extend_from_slice(&block);
        line.truncate(line.len() - BLOCK + plain);
        rest = &rest[plain..];
        if plain < BLOCK
            && let Some((&byte, behind)) = rest.split_first()
        {
            rest = behind;
            match byte {
                b'"' => line.extend_from_slice(br#"\""#),
                b'\\' => line.extend_from_slice(br"\\"),
                b'\n' => line.extend_from_slice(br"\n"),
                b'\r' => line.extend_from_slice(br"\r"),
                b'\t' => line.extend_from_slice(br"\t"),
                8 => line.extend_from_slice(br"\b"),
                12 => line.extend_from_slice(br"\f"),
                control => line.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
            }
        }
    }
    Some(())
}

const BLOCK: usize = 16;

/// How many bytes lie before the first quote, backslash or control character.
fn plain_in_block(block: [u8; BLOCK]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let both = u128::from_le_bytes(block);
    #[expect(clippy::cast_possible_truncation, reason = "the lower half, and the upper one")]
    let [low, high] = [both as u64, (both >> 64) as u64].map(|bytes| {
        let quote = bytes ^ (ONES * u64::from(b'"'));
        let backslash = bytes ^ (ONES * u64::from(b'\\'));
        // A byte that is zero, or less than 0x20, borrows from its highest bit. A borrow runs upwards only, so
        // that the lowest mark is right, and no other is looked at.
        let marks = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (bytes.wrapping_sub(ONES * 0x20) & !bytes);
        (marks & HIGH).trailing_zeros() as usize / 8
    });
    if low < 8 { low } else { 8 + high }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::operation::Operation;

    #[test]
    fn methods_are_encoded_as_the_protocol_has_them() {
        let line = |operation: Operation, input| {
            String::from_utf8(encode(operation.method().unwrap(), input, 1000).unwrap()).unwrap()
        };
        assert_eq!(line(Operation::ReadOutput, None), "{\"method\":\"get_history\"}\n");
        assert_eq!(line(Operation::StopPod, None), "{\"method\":\"shutdown\"}\n");
        assert_eq!(
            line(Operation::SendMessage, Some("hi")),
            "{\"method\":\"run\",\"params\":{\"input\":\"hi\"}}\n"
        );
    }

    #[test]
    fn a_message_cannot_hold_a_second_method() {
        let forged = "x\"}}\n{\"method\":\"shutdown\"}\r\n\0\u{2028}";
        let line = encode("run", Some(forged), 1000).unwrap();
        assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
        assert_eq!(line.last(), Some(&b'\n'));
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["params"]["input"], forged);
    }

    #[test]
    fn every_text_is_encoded_as_serde_does() {
        let check = |text: &str| {
            let expected =
                serde_json::json!({ "method": "run", "params": { "input": text } }).to_string() + "\n";
            let line = encode("run", Some(text), usize::MAX).unwrap();
            assert_eq!(String::from_utf8(line).unwrap(), expected);
        };
        for character in (0..0x100).chain([0x7ff, 0x2028, 0xffff, 0x1f600]).filter_map(char::from_u32) {
            for before in 0..2 * BLOCK {
                for filler in ["x", "\u{80}", "\u{7f}", "!", "#", "\u{ff}"] {
                    check(&format!("{}{character}", filler.repeat(before)));
                    check(&format!("{}{character}{character}behind it, and enough", filler.repeat(before)));
                }
            }
        }
    }

    #[test]
    fn a_line_is_as_long_as_it_may_be_and_no_longer() {
        let input = "\u{1}".repeat(1000);
        let encode = |max| encode("run", Some(&input), max);
        let length = encode(usize::MAX).unwrap().len();
        assert!(length > 6000);
        assert_eq!(encode(length).unwrap().len(), length);
        assert_eq!(encode(length - 1), None);
    }
}
