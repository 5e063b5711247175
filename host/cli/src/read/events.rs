//! The events of a pod that matter to who watches it.

use serde::Deserialize;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum Event {
    TurnStart {},
    TextDelta {
        text: String,
    },
    RunEnd {},
    Error {
        code: String,
        #[serde(default)]
        message: String,
    },
    Watching {
        /// `None`: no run goes on.
        #[serde(default)]
        text: Option<String>,
        bytes: usize,
    },
    Notification {
        message: String,
    },
    Shutdown,
    #[serde(other)]
    Other,
}

impl Event {
    /// What cannot be understood is of no concern: the history has all that counts.
    pub fn parse(line: &[u8]) -> Event {
        serde_json::from_slice(line).unwrap_or(Event::Other)
    }

    /// Whether with this event a run is over. One that a model's failure or a person ends has no `run_end`.
    pub fn ends_run(&self) -> bool {
        match self {
            Event::RunEnd {} => true,
            Event::Error { code, message } => {
                code == "provider_error" || code == "internal" && message == "Cancelled"
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_any_pod_are_told_apart() {
        assert_eq!(Event::parse(br#"{"event":"turn_start","data":{"turn":0}}"#), Event::TurnStart {});
        assert_eq!(
            Event::parse(br#"{"data":{"text":"a"},"event":"text_delta"}"#),
            Event::TextDelta { text: "a".to_owned() }
        );
        assert_eq!(Event::parse(br#"{"event":"shutdown"}"#), Event::Shutdown);
        for line in [
            &b"{\"event\":\"usage\",\"data\":{\"input_tokens\":1}}"[..],
            b"{\"event\":\"text_delta\"}",
            b"[]",
            b"\xff",
        ] {
            assert_eq!(Event::parse(line), Event::Other);
        }
        let ends = |line: &str| Event::parse(line.as_bytes()).ends_run();
        assert!(ends(r#"{"event":"run_end","data":{"result":"finished"}}"#));
        assert!(ends(r#"{"event":"error","data":{"code":"provider_error","message":"m"}}"#));
        assert!(ends(r#"{"event":"error","data":{"code":"internal","message":"Cancelled"}}"#));
        assert!(!ends(r#"{"event":"error","data":{"code":"already_running","message":"m"}}"#));
        assert!(!ends(r#"{"event":"error","data":{"code":"internal","message":"invalid method: x"}}"#));
    }
}
