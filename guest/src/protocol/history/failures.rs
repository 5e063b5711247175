//! Which turns of a history failed, and why: of the last turn, and of those before it that are read now.

use alloc::string::String;

use crate::protocol::history::item::ItemKind;

/// A turn that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// As the pod gives it.
    pub(crate) reason: String,
    /// No message of the user, and no answer, came behind it.
    pub(crate) is_last: bool,
    /// It was not read before.
    pub(crate) is_new: bool,
    /// The pod says so, and it is not concluded from an incomplete message.
    pub(crate) is_certain: bool,
}

/// The failures of the items that have passed.
#[derive(Debug, Default)]
pub(super) struct Failures {
    last: Option<Failure>,
    /// The newest of those behind which the conversation went on.
    earlier: Option<Failure>,
}

impl Failures {
    /// Takes a complete item, and the failure that it tells of.
    pub(super) fn take(&mut self, kind: ItemKind, failure: Option<String>, is_new: bool) {
        match (kind, failure) {
            (ItemKind::TurnFailed, Some(reason)) => {
                self.last = Some(Failure { reason, is_last: true, is_new, is_certain: true });
            }
            (ItemKind::Assistant, Some(reason)) => {
                self.go_on();
                self.last = Some(Failure { reason, is_last: true, is_new, is_certain: false });
            }
            (ItemKind::User | ItemKind::Assistant, _) => self.go_on(),
            _ => {}
        }
    }

    /// The conversation goes on behind what has passed. An incomplete message behind which others follow may be a
    /// part of an answer.
    pub(super) fn go_on(&mut self) {
        if let Some(failure) = self.last.take().filter(|failure| failure.is_new && failure.is_certain) {
            self.earlier = Some(Failure { is_last: false, ..failure });
        }
    }

    /// The failure of the last turn, or else the newest one of those before.
    pub(super) fn newest(self) -> Option<Failure> {
        self.last.or(self.earlier)
    }
}
