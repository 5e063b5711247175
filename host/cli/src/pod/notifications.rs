//! Notifications that were sent to the pod, kept for clients that connect later.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use super::outbox::OutLine;
use super::protocol::{Event, Level, Source};

/// How many notifications are kept; beyond that the oldest goes.
pub const MAX_KEPT: usize = 512;
/// How many bytes of them are kept; beyond that the oldest goes.
const MAX_KEPT_BYTES: usize = 16 << 20;
/// How long source and message of one may be together, in bytes.
const MAX_MESSAGE: usize = 1 << 20;

/// The newest notifications, as lines.
#[derive(Debug, Default)]
pub struct Notifications {
    lines: VecDeque<OutLine>,
    bytes: usize,
}

impl Notifications {
    /// Keeps a notification and gives its line. It says who sent it, `source: message`: the event's own
    /// `source` is a closed set in which every sender is the pod. Too long a one is refused.
    pub fn add(&mut self, source: &str, message: &str) -> Result<OutLine, String> {
        let length = source.len() + message.len();
        if length > MAX_MESSAGE {
            return Err(format!("a notification of {length} bytes; the most is {MAX_MESSAGE}"));
        }
        let message = if source.is_empty() { message.to_owned() } else { format!("{source}: {message}") };
        let line = line(&message);
        self.bytes += line.bytes().len();
        self.lines.push_back(line.clone());
        while self.lines.len() > MAX_KEPT || self.bytes > MAX_KEPT_BYTES {
            self.bytes -= self.lines.pop_front().map_or(0, |oldest| oldest.bytes().len());
        }
        Ok(line)
    }

    /// All that are kept, oldest first, as lines that the pod holds on to anyway.
    pub fn lines(&self) -> impl Iterator<Item = OutLine> {
        self.lines.iter().map(OutLine::as_shared)
    }
}

/// The line of a notification that is not kept.
pub fn line(message: &str) -> OutLine {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let timestamp_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    let event = Event::Notification { level: Level::Warn, source: Source::Pod, message, timestamp_ms };
    OutLine::streamed(event.encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut kept = Notifications::default();
        for number in 0..=MAX_KEPT {
            kept.add("n", &format!("<{number}>")).unwrap();
        }
        let lines: Vec<_> =
            kept.lines().map(|line| String::from_utf8(line.bytes().to_vec()).unwrap()).collect();
        assert_eq!(lines.len(), MAX_KEPT);
        assert!(lines[0].contains("n: <1>") && lines[MAX_KEPT - 1].contains("n: <512>"));
    }

    #[test]
    fn the_oldest_goes_when_they_are_too_large() {
        let mut kept = Notifications::default();
        let message = "x".repeat(MAX_MESSAGE);
        for _ in 0..20 {
            kept.add("", &message).unwrap();
        }
        assert!(kept.lines().map(|line| line.bytes().len()).sum::<usize>() <= MAX_KEPT_BYTES);
        assert!(kept.add("s", &message).unwrap_err().contains("1048576"));
    }
}
