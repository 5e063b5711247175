//! The tokenizer: single lines, cut into pieces of every size.

use serde::de::IgnoredAny;

use super::*;

/// The tokens of a line, or what is wrong with it and where, fed in pieces of `size`.
fn tokens(line: &[u8], size: usize) -> Result<Vec<Token>, (usize, &'static str)> {
    let mut tokenizer = Tokenizer::new();
    let mut tokens = Vec::new();
    let mut before = 0;
    for piece in line.chunks(size) {
        let mut rest = piece;
        loop {
            match tokenizer.next(&mut rest, None) {
                Ok(None) => break,
                Ok(Some(Token::LineEnd)) => {
                    tokens.push(Token::LineEnd);
                    return Ok(tokens);
                }
                Ok(Some(token)) => tokens.push(token),
                Err(fault) => return Err((before + piece.len() - rest.len(), fault)),
            }
        }
        before += piece.len();
    }
    Ok(tokens)
}

/// Whether a line is JSON, which must not depend on how it is cut.
#[track_caller]
fn is_json(line: &[u8]) -> bool {
    let whole = tokens(line, line.len());
    for size in 1..line.len().min(16) {
        assert_eq!(tokens(line, size), whole, "{:?} in pieces of {size}", String::from_utf8_lossy(line));
    }
    whole.is_ok_and(|tokens| tokens.last() == Some(&Token::LineEnd))
}

#[test]
fn tokens_come_in_the_order_of_the_line() {
    use Token::*;
    assert_eq!(
        tokens(b" {\"a\" : [1, \"b\"], \"c\":null}\r\n", 3),
        Ok(vec![ObjectBegins, Key, ArrayBegins, Scalar, Comma, Text, Ends, Comma, Key, Null, Ends, LineEnd])
    );
}

#[test]
fn it_agrees_with_serde_json_on_what_is_json() {
    for line in [
        "{}",
        "[]",
        "0",
        "-0",
        "12",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1.5",
        "1.5.5",
        "1e5",
        "1E+05",
        "1e-5",
        "1e",
        "1e+",
        "0e0",
        "00",
        "0x1",
        "1 2",
        "true",
        "false",
        "null",
        "tru",
        "truee",
        "nul l",
        "True",
        "\"\"",
        "\"a",
        "\"\\u00e9\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u123\"",
        "\"\t\"",
        "\"é😀\"",
        "{\"a\":1}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"a\":}",
        "{a:1}",
        "{1:1}",
        "{\"a\":1 \"b\":2}",
        "{,}",
        "{\"a\"}",
        "[1,2]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[",
        "]",
        "{",
        "}",
        "[}",
        "{]",
        "[[]",
        "[]]",
        "{\"a\":[{}]}",
        "'a'",
        "\u{feff}{}",
        "\u{a0}1",
        "/**/1",
        "NaN",
        "[\"a\":1]",
        "{\"a\":1}}",
        "\"a\"\"b\"",
        "\u{b}1",
    ] {
        let json = serde_json::from_str::<IgnoredAny>(line).is_ok();
        assert_eq!(is_json(format!("{line}\n").as_bytes()), json, "{line}");
    }
}

#[test]
fn it_agrees_with_the_standard_library_on_what_is_utf8() {
    let sequences: [&[u8]; 20] = [
        b"\x7f",
        b"\x80",
        b"\xc1\xbf",
        b"\xc2\x80",
        b"\xdf\xbf",
        b"\xdf",
        b"\xe0\x9f\xbf",
        b"\xe0\xa0\x80",
        b"\xec\xbf\xbf",
        b"\xed\x9f\xbf",
        b"\xed\xa0\x80",
        b"\xee\x80\x80",
        b"\xf0\x8f\xbf\xbf",
        b"\xf0\x90\x80\x80",
        b"\xf4\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
        b"\xe2\x82\x41",
    ];
    for sequence in sequences {
        for (before, after) in [("", ""), ("é", "a"), ("a", "\\n")] {
            let text = [before.as_bytes(), sequence, after.as_bytes()].concat();
            let line = [b"\"", text.as_slice(), b"\"\n"].concat();
            assert_eq!(is_json(&line), str::from_utf8(&text).is_ok(), "{text:x?}");
        }
    }
    assert!(!is_json(b"[1,\xff]\n"));
}

#[test]
fn an_empty_line_has_no_tokens() {
    for line in [b"\n".as_slice(), b" \t\r\n"] {
        assert_eq!(tokens(line, 1), Ok(vec![Token::LineEnd]));
    }
}

#[test]
fn nesting_is_bounded() {
    let line = |depth: usize| format!("{}{}\n", "[".repeat(depth), "]".repeat(depth));
    assert!(is_json(line(128).as_bytes()));
    assert!(!is_json(line(129).as_bytes()));
}

#[test]
fn the_text_of_values_is_given_and_that_of_keys_is_not() {
    let line = br#"{"a key that is longer than a word":["a text","b \u00e9"],"c":"d"}"#;
    for size in 1..=line.len() {
        let (mut tokenizer, mut text) = (Tokenizer::new(), String::new());
        for mut piece in line.chunks(size) {
            while tokenizer
                .next(&mut piece, Some(&mut TextSink { text: &mut text, most: 100 }))
                .unwrap()
                .is_some()
            {}
        }
        assert_eq!(text, "a textb éd", "in pieces of {size}");
    }
}
