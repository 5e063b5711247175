//! Which turns of a history failed, and why: of the last turn, and of those before it that are read now.

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
}

/// The failures of the items that have passed.
#[derive(Debug, Default)]
pub(super) struct Failures {
    last: Option<(String, bool)>,
    /// The newest of those behind which the conversation went on.
    earlier: Option<String>,
}

impl Failures {
    /// Takes a complete item, and the failure that it tells of.
    pub(super) fn take(&mut self, kind: ItemKind, failure: Option<String>, is_new: bool) {
        match (kind, failure) {
            (ItemKind::Assistant | ItemKind::TurnFailed, Some(reason)) => {
                self.last = Some((reason, is_new));
            }
            (ItemKind::User | ItemKind::Assistant, _) => self.go_on(),
            _ => {}
        }
    }

    /// The conversation goes on behind what has passed.
    pub(super) fn go_on(&mut self) {
        if let Some((reason, true)) = self.last.take() {
            self.earlier = Some(reason);
        }
    }

    /// The failure of the last turn, or else the newest one of those before.
    pub(super) fn newest(self) -> Option<Failure> {
        match (self.last, self.earlier) {
            (Some((reason, is_new)), _) => Some(Failure { reason, is_last: true, is_new }),
            (None, Some(reason)) => Some(Failure { reason, is_last: false, is_new: true }),
            (None, None) => None,
        }
    }
}
