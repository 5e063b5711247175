//! How much of a pod's text one answer to a model holds.

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use serde_json::{Value, json};

use crate::client::{Piped, request};

/// A pod that has said something of 150,000 bytes.
fn verbose(place: &Place) -> FakePod {
    let line = Step::line(history(&[assistant(&"0123456789".repeat(15_000))]));
    FakePod::start(place, "child", Script::new().on("get_history", [line])).unwrap()
}

/// Bytes of text in one answer after the other, and whether each breaks off.
fn parts(client: &mut Piped) -> Vec<(usize, bool)> {
    let mut parts = Vec::new();
    loop {
        let id = u64::try_from(parts.len()).unwrap() + 1;
        let answer = client.ask(id, "ReadPodOutput", json!({ "name": "child" }));
        let structure: &Value = &answer["result"]["structuredContent"];
        let is_cut = structure["cut"] == true;
        parts.push((structure["text"].as_str().unwrap().len(), is_cut));
        if !is_cut {
            return parts;
        }
    }
}

#[test]
fn an_answer_holds_64_kib_where_nothing_else_is_said() {
    let place = Place::new().unwrap();
    let _pod = verbose(&place);
    let mut client = Piped::start(&place, &[]);
    client.send(&request(0, "resources/read", json!({ "uri": "pod://child/transcript" })));
    let answer = client.answer(0);
    let transcript = answer["result"]["contents"][0]["text"].as_str().unwrap();
    assert!(transcript.starts_with("assistant (cut, 150000 bytes in all):\n    0123456789"));
    assert!(transcript.len() <= (64 << 10) + 40, "{}", transcript.len());
    assert_eq!(parts(&mut client), [(65_536, true), (65_536, true), (18_928, false)]);
}

#[test]
fn the_option_and_the_grants_file_say_otherwise() {
    let file = |limit: &str| {
        let place = Place::new().unwrap();
        let path = place.root().join("grants.toml");
        std::fs::write(&path, format!("grants = [\"read\"]\nlimits = {{ max-output = {limit} }}\n")).unwrap();
        (place, path.to_str().unwrap().to_owned())
    };
    for (in_file, option, expected) in [
        (None, Some("none"), vec![(150_000, false)]),
        (None, Some("100000"), vec![(100_000, true), (50_000, false)]),
        (Some("\"none\""), None, vec![(150_000, false)]),
        (Some("0"), None, vec![(150_000, false)]),
        (Some("140000"), None, vec![(140_000, true), (10_000, false)]),
        (Some("\"none\""), Some("140000"), vec![(140_000, true), (10_000, false)]),
    ] {
        let (place, path) = file(in_file.unwrap_or("1"));
        let _pod = verbose(&place);
        let mut options = Vec::new();
        if in_file.is_some() {
            options.extend(["--grants", &path]);
        }
        if let Some(option) = option {
            options.extend(["--max-output", option]);
        }
        assert_eq!(parts(&mut Piped::start(&place, &options)), expected, "{in_file:?} {option:?}");
    }
}
