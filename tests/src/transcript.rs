//! What went over the wires of one case, in the order in which it happened: between the kit and its host
//! processes, and between the host and the fake pods. A failure shows it, so that nobody has to guess.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// How many entries are kept from the start of a case; the last [`TAIL`] are kept as well.
const HEAD: usize = 200;
/// How many entries are kept from the end of a case.
const TAIL: usize = 100;
/// How many bytes of what was sent are kept of each entry.
const EXCERPT: usize = 400;

/// A record that host processes and fake pods write into, and that can be shared among threads.
#[derive(Debug, Clone)]
pub struct Transcript(Arc<Mutex<Log>>);

#[derive(Debug)]
struct Log {
    start: Instant,
    entries: Vec<Entry>,
    left_out: usize,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When, in microseconds from the start of the case.
    pub at_us: u64,
    /// Which end of which wire: `host`, `host 2`, or `pod NAME #CONNECTION`.
    pub who: String,
    /// What it did: `receives`, `sends`, `connected`, `closed`, `stderr`, and the like.
    pub what: &'static str,
    /// What was sent, shortened to a few hundred bytes, control characters escaped.
    pub text: String,
}

impl Default for Transcript {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Log { start: Instant::now(), entries: Vec::new(), left_out: 0 })))
    }
}

impl Transcript {
    /// Adds an entry.
    pub fn add(&self, who: &str, what: &'static str, bytes: impl AsRef<[u8]>) {
        let mut log = self.lock();
        let at_us = u64::try_from(log.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        if log.entries.len() == HEAD + TAIL {
            log.entries.remove(HEAD);
            log.left_out += 1;
        }
        log.entries.push(Entry { at_us, who: who.to_owned(), what, text: excerpt(bytes.as_ref()) });
    }

    /// What has happened so far, the middle left out where it is long.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.lock();
        for (index, entry) in log.entries.iter().enumerate() {
            if index == HEAD && log.left_out > 0 {
                writeln!(f, "           … {} more …", log.left_out)?;
            }
            writeln!(f, "{entry}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Duration::from_micros(self.at_us).as_secs_f64();
        write!(f, "{at:9.4}  {} {} {}", self.who, self.what, self.text)
    }
}

/// The beginning of `bytes`, fit for one line of a report.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(&bytes[..bytes.len().min(EXCERPT)]).chars() {
        match c {
            '\n' => text.push_str("\\n"),
            c if c.is_control() => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
    if bytes.len() > EXCERPT {
        let _ = write!(text, "… ({} bytes)", bytes.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_transcript_keeps_its_beginning_and_its_end() {
        let transcript = Transcript::default();
        for n in 0..1000 {
            transcript.add("host", "sends", n.to_string());
        }
        let entries = transcript.entries();
        assert_eq!(entries.len(), HEAD + TAIL);
        assert_eq!(entries[0].text, "0");
        assert_eq!(entries[HEAD].text, "900");
        assert_eq!(entries[HEAD + TAIL - 1].text, "999");
        assert!(transcript.to_string().contains("… 700 more …"));
    }

    #[test]
    fn an_excerpt_is_one_line_and_says_how_long_the_whole_was() {
        assert_eq!(excerpt(b"{}\n\x1b"), "{}\\n\\u{1b}");
        assert!(excerpt(&[b'x'; 5000]).ends_with("x… (5000 bytes)"));
    }
}
