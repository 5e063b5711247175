//! For programs that read JUnit XML: a suite a family, a test case a case; what is not supported or was not
//! run is skipped, with the reason.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::case::Family;
use crate::report::count;
use crate::run::{Outcome, Status};

/// The document.
pub fn document(outcomes: &[Outcome]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let totals = totals(outcomes);
    let root = writer.create_element("testsuites").with_attribute(("name", "pod-tools-conformance"));
    root.with_attributes(totals.iter().map(|(name, n)| (*name, n.as_str()))).write_inner_content(
        |writer| {
            for family in Family::ALL {
                let of_family: Vec<_> =
                    outcomes.iter().filter(|outcome| outcome.case.family == family).collect();
                if !of_family.is_empty() {
                    suite(writer, family, &of_family)?;
                }
            }
            Ok(())
        },
    )?;
    let mut document = writer.into_inner();
    document.push(b'\n');
    Ok(document)
}

fn suite(writer: &mut Writer<Vec<u8>>, family: Family, outcomes: &[&Outcome]) -> io::Result<()> {
    let totals = totals(outcomes.iter().copied());
    let suite = writer.create_element("testsuite").with_attribute(("name", family.word()));
    suite
        .with_attributes(totals.iter().map(|(name, n)| (*name, n.as_str())))
        .write_inner_content(|writer| outcomes.iter().try_for_each(|outcome| case(writer, outcome)))?;
    Ok(())
}

fn totals<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> [(&'static str, String); 4] {
    let outcomes: Vec<_> = outcomes.into_iter().collect();
    let count = |status| count(outcomes.iter().copied(), status);
    [
        ("tests", outcomes.len().to_string()),
        ("failures", count(Status::Failed).to_string()),
        ("errors", "0".to_owned()),
        ("skipped", (count(Status::NotSupported) + count(Status::NotRun)).to_string()),
    ]
}

fn case(writer: &mut Writer<Vec<u8>>, outcome: &Outcome) -> io::Result<()> {
    let time = format!("{:.3}", outcome.duration.as_secs_f64());
    let element = writer.create_element("testcase").with_attributes([
        ("classname", outcome.case.family.word()),
        ("name", outcome.case.id),
        ("time", &*time),
    ]);
    match (outcome.status, &outcome.failure) {
        (Status::Passed, _) => element.write_empty()?,
        (Status::Failed, failure) => element.write_inner_content(|writer| {
            let (message, text) = match failure {
                Some((failure, transcript)) => (failure.to_string(), transcript.to_string()),
                None => Default::default(),
            };
            let element = writer.create_element("failure").with_attribute(("message", &*plain(&message)));
            element.write_text_content(BytesText::new(&plain(&text)))?;
            Ok(())
        })?,
        (Status::NotSupported | Status::NotRun, _) => element.write_inner_content(|writer| {
            let why = format!("{}: {}", outcome.status.word(), outcome.reason.as_deref().unwrap_or_default());
            writer.create_element("skipped").with_attribute(("message", &*plain(&why))).write_empty()?;
            Ok(())
        })?,
    };
    Ok(())
}

/// What XML has no way to write at all is replaced; the rest is escaped by the writer.
fn plain(text: &str) -> String {
    let can_be_written = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if can_be_written(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;

    use super::*;
    use crate::report::tests::one_of_each;

    #[test]
    fn a_document_is_well_formed_and_keeps_what_was_said() {
        let document = String::from_utf8(document(&one_of_each()).unwrap()).unwrap();
        let mut reader = Reader::from_str(&document);
        let (mut messages, mut cases) = (Vec::new(), 0);
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => break,
                Event::Start(tag) | Event::Empty(tag) => {
                    cases += usize::from(tag.name().as_ref() == "testcase");
                    if let Some(message) = tag.try_get_attribute("message").unwrap() {
                        messages.push(quick_xml::escape::unescape(&message.value).unwrap().into_owned());
                    }
                }
                _ => {}
            }
        }
        assert_eq!(cases, 4);
        assert_eq!(
            messages,
            [
                "expected `a` < b; came \u{fffd}\u{fffd}&]]>",
                "not-supported: needs limits: <no fuel>",
                "not-run: needs strace: \"not\" here",
            ]
        );
        assert!(document.contains("tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"2\""), "{document}");
        assert!(!document.contains(|c: char| c < ' ' && c != '\n'), "{document}");
    }
}
