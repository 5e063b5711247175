//! The places of sessions, in all and of a caller, and the bytes that a caller has on the way: long frames, and messages
//! that pods have not been sent yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pod_tools_host::registry::Reader;
use pod_tools_host::{ErrorKind, ToolError};

/// Whose a place is; `None`: of the one caller who has no name.
pub type CallerName = Option<Reader>;

/// All places.
#[derive(Debug)]
pub struct Places {
    most: usize,
    most_of_caller: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    sessions: usize,
    /// Callers of whom there are sessions.
    of_callers: HashMap<CallerName, OfCaller>,
}

#[derive(Debug, Default)]
struct OfCaller {
    sessions: usize,
    /// Bytes of frames.
    held: usize,
    delivering: Arc<Delivering>,
}

/// Locked by the session of a caller that has staged a cursor, until it ends.
pub type Delivering = tokio::sync::Mutex<()>;

/// The place of one session. The last clone gives it back.
#[derive(Debug, Clone)]
pub struct SessionPlace(Arc<Place>);

#[derive(Debug)]
struct Place {
    places: Arc<Places>,
    caller: CallerName,
    /// Bytes that the caller's frames may have together.
    most_held: usize,
}

/// Bytes that are counted until it is dropped.
#[derive(Debug)]
pub struct Held {
    place: SessionPlace,
    bytes: usize,
}

/// Other frames of the caller have the room.
#[derive(Debug)]
pub struct NoRoom;

impl Places {
    /// So many in all, and so many of one caller.
    pub fn new(most: usize, most_of_caller: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_caller, taken: Mutex::default() })
    }

    /// A place for a session of that caller, whose frames may have so many bytes together.
    ///
    /// # Errors
    ///
    /// All are taken: those of the caller, or all that there are.
    pub fn enter(self: &Arc<Self>, caller: CallerName, most_held: usize) -> Result<SessionPlace, ToolError> {
        let full = |sessions: String, option: &str| {
            let message = format!(
                "{sessions} open already, which is the gateway's limit: try again when one has ended (raise it with \
                 {option})"
            );
            Err(ToolError::new(ErrorKind::Limit, None, message))
        };
        let mut taken = self.lock();
        let own = taken.of_callers.get(&caller).map_or(0, |own| own.sessions);
        if own >= self.most_of_caller {
            return full(format!("the caller has {own} session(s)"), "--max-caller-sessions");
        }
        if taken.sessions >= self.most {
            return full(format!("all callers together have {} session(s)", self.most), "--max-sessions");
        }
        taken.sessions += 1;
        taken.of_callers.entry(caller.clone()).or_default().sessions += 1;
        drop(taken);
        Ok(SessionPlace(Arc::new(Place { places: self.clone(), caller, most_held })))
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.sessions -= 1;
        if let Some(own) = taken.of_callers.get_mut(&self.caller) {
            own.sessions -= 1;
            if own.sessions == 0 {
                taken.of_callers.remove(&self.caller);
            }
        }
    }
}

impl SessionPlace {
    /// What the caller's sessions deliver one after the other.
    pub fn delivering(&self) -> Arc<Delivering> {
        self.0.places.lock().of_callers.entry(self.0.caller.clone()).or_default().delivering.clone()
    }

    /// Nothing yet.
    pub fn hold(&self) -> Held {
        Held { place: self.clone(), bytes: 0 }
    }
}

impl Held {
    /// Counts so many bytes in all, where that many are left.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let place = &self.place.0;
        let mut taken = place.places.lock();
        let own = taken.of_callers.entry(place.caller.clone()).or_default();
        let held = (own.held - self.bytes).saturating_add(bytes);
        if bytes > self.bytes && held > place.most_held {
            return Err(NoRoom);
        }
        own.held = held;
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut taken = self.place.0.places.lock();
        if let Some(own) = taken.of_callers.get_mut(&self.place.0.caller) {
            own.held -= self.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> CallerName {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_caller_takes_no_more_than_his_places_and_all_together_no_more_than_there_are() {
        let places = Places::new(3, 2);
        let enter = |caller| places.enter(caller, 0);
        let of_alice = [enter(name("alice")).unwrap(), enter(name("alice")).unwrap()];
        let refused = enter(name("alice")).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Limit);
        assert!(refused.message.contains("--max-caller-sessions"), "{refused}");
        let _of_none = enter(None).unwrap();
        let refused = enter(name("bob")).unwrap_err();
        assert!(refused.message.contains("--max-sessions"), "{refused}");
        drop(of_alice);
        enter(name("bob")).unwrap();
        assert_eq!(places.lock().of_callers.len(), 1, "who has left is forgotten");
    }

    #[test]
    fn bytes_are_counted_over_all_sessions_of_a_caller_and_given_back() {
        let places = Places::new(9, 9);
        let [one, two] = [(); 2].map(|()| places.enter(name("alice"), 100).unwrap());
        let bob = places.enter(name("bob"), 100).unwrap();
        let mut first = one.hold();
        first.grow_to(40).unwrap();
        first.grow_to(80).unwrap();
        let mut second = two.hold();
        second.grow_to(21).unwrap_err();
        second.grow_to(20).unwrap();
        bob.hold().grow_to(100).unwrap();
        drop(first);
        second.grow_to(100).unwrap();
        second.grow_to(101).unwrap_err();
    }
}
