//! The names under which clients read: each has read cursors of its own, and goes on where it was when it
//! comes again.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use percent_encoding::percent_decode_str;
use pod_tools_host::registry::Reader;

/// Of a longer name so much is kept, in bytes; the rest is told apart by its hash.
const KEPT: usize = Reader::MAX_BYTES - 17;
/// Where a client says no name.
const NAMELESS: &str = "a client";

/// Who reads over this server.
#[derive(Debug)]
pub enum Readers {
    /// The operator has said it, for all clients.
    Given,
    /// A client on a pipe, which works in that directory: the same name there is the same reader.
    In(PathBuf),
    /// Clients over HTTP, whose directories are not known: the same name is the same reader, unless more than
    /// one session has it at a time.
    OverHttp(InUse),
}

/// The places that sessions have taken, by the names of their clients.
#[derive(Debug, Clone, Default)]
pub struct InUse(Arc<Mutex<HashMap<String, Vec<usize>>>>);

/// A session's reader. Dropped, its place is free for the next session of that name.
#[derive(Debug)]
pub struct SessionReader {
    reader: Option<Reader>,
    taken: Option<(InUse, String, usize)>,
}

impl Readers {
    /// The reader of a session with the client of that name.
    pub fn of_session(&self, client: Option<&str>) -> SessionReader {
        let Self::OverHttp(in_use) = self else {
            return SessionReader { reader: self.of_request(client), taken: None };
        };
        let client = client.unwrap_or(NAMELESS).to_owned();
        let place = in_use.take(&client);
        let reader = match place {
            1 => over_http(&client),
            _ => named(&format!("{client} over HTTP ({place})")),
        };
        SessionReader { reader: Some(reader), taken: Some((in_use.clone(), client, place)) }
    }

    /// The reader that a client over HTTP names in its URL, `?reader=NAME`: its configuration is all that tells it from
    /// others of its kind. `None`: it names none, or the operator has.
    pub fn of_query(&self, query: &str) -> Option<Reader> {
        if !matches!(self, Self::OverHttp(_)) {
            return None;
        }
        let value = query.split('&').find_map(|pair| pair.strip_prefix("reader="))?;
        let name = value.replace('+', " ");
        let name = percent_decode_str(&name).decode_utf8_lossy();
        (!name.is_empty()).then(|| over_http(&name))
    }

    /// The reader of a request without a session. `None`: the operator has named one.
    pub fn of_request(&self, client: Option<&str>) -> Option<Reader> {
        let client = client.unwrap_or(NAMELESS);
        match self {
            Self::Given => None,
            Self::In(directory) => Some(named(&format!("{client} at {}", directory.display()))),
            Self::OverHttp(_) => Some(over_http(client)),
        }
    }
}

impl SessionReader {
    /// `None`: the operator has named one.
    pub fn reader(&self) -> Option<&Reader> {
        self.reader.as_ref()
    }
}

impl Drop for SessionReader {
    fn drop(&mut self) {
        if let Some((in_use, client, place)) = self.taken.take() {
            in_use.free(&client, place);
        }
    }
}

impl InUse {
    /// The lowest place that is free, from 1.
    fn take(&self, client: &str) -> usize {
        let mut all = self.lock();
        let taken = all.entry(client.to_owned()).or_default();
        let free = (1..).find(|place| !taken.contains(place)).unwrap_or(usize::MAX);
        taken.push(free);
        free
    }

    fn free(&self, client: &str, place: usize) {
        let mut all = self.lock();
        if let Some(taken) = all.get_mut(client) {
            taken.retain(|other| *other != place);
            if taken.is_empty() {
                all.remove(client);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<usize>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn over_http(client: &str) -> Reader {
    named(&format!("{client} over HTTP"))
}

/// A reader of that name, or of one that stands for it where it is none.
fn named(name: &str) -> Reader {
    name.parse().unwrap_or_else(|_| {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let mut kept = name.replace(char::is_control, " ");
        kept.truncate(kept.floor_char_boundary(KEPT));
        let stand_in = format!("{kept} {:016x}", hasher.finish());
        stand_in.parse().unwrap_or_else(|_| unreachable!("{stand_in:?} is a name"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(reader: Option<&Reader>) -> &str {
        reader.map_or("none", Reader::as_str)
    }

    #[test]
    fn on_a_pipe_a_client_is_known_by_its_name_and_directory() {
        let readers = Readers::In("/home/me".into());
        assert_eq!(name(readers.of_session(Some("codex")).reader()), "codex at /home/me");
        assert_eq!(name(readers.of_request(Some("codex")).as_ref()), "codex at /home/me");
        assert_eq!(name(readers.of_session(None).reader()), "a client at /home/me");
        assert_eq!(name(Readers::Given.of_session(Some("codex")).reader()), "none");
    }

    #[test]
    fn over_http_a_client_is_known_by_its_name_and_sessions_at_once_are_told_apart() {
        let readers = Readers::OverHttp(InUse::default());
        let one = readers.of_session(Some("codex"));
        let other = readers.of_session(Some("codex"));
        assert_eq!([name(one.reader()), name(other.reader())], ["codex over HTTP", "codex over HTTP (2)"]);
        assert_eq!(name(readers.of_request(Some("codex")).as_ref()), "codex over HTTP");
        drop(one);
        // A session that begins again goes on where it was.
        let again = readers.of_session(Some("codex"));
        assert_eq!(name(again.reader()), "codex over HTTP");
        drop((again, other));
        let Readers::OverHttp(in_use) = readers else { unreachable!() };
        assert!(in_use.lock().is_empty());
    }

    #[test]
    fn over_http_the_url_may_name_the_reader() {
        let over_http = Readers::OverHttp(InUse::default());
        for (query, expected) in [
            ("reader=a", "a over HTTP"),
            ("x=y&reader=the%20one+or%2Bother&reader=z", "the one or+other over HTTP"),
            ("reader=", "none"),
            ("areader=a", "none"),
            ("", "none"),
        ] {
            assert_eq!(name(over_http.of_query(query).as_ref()), expected, "{query}");
        }
        // It stays among those over HTTP, and the operator's word counts.
        assert_eq!(name(Readers::Given.of_query("reader=a").as_ref()), "none");
    }

    #[test]
    fn whatever_a_client_calls_itself_is_bounded_and_told_apart() {
        let long = |end: char| named(&format!("{}{end}", "é".repeat(4000)));
        assert!(long('a') != long('b') && long('a') == long('a'));
        assert!(named("a\nb") != named("a b") && named("a\nb") != named("a\tb"));
        assert_ne!(named(""), named(" "));
    }
}
