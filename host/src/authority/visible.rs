//! What a listing shows of the registry: kept for as long as neither the registry nor the grants change, so that a listing
//! takes as long as what it shows, and not as what it does not.

use std::sync::{Arc, Mutex, PoisonError};

use super::grant::Verb;
use super::grants::Grants;
use crate::registry::{Record, Records};

/// The records that `list` grants cover.
#[derive(Debug)]
pub(crate) struct Visible {
    /// In the registry's order.
    pub(crate) pods: Vec<Arc<Record>>,
    /// How many more there are that cannot be read.
    pub(crate) unreadable: usize,
    /// What it was made of.
    of: Arc<Records>,
    held_to: Option<Arc<Grants>>,
}

/// What was shown last.
#[derive(Debug, Default)]
pub(super) struct LastVisible(Mutex<Option<Arc<Visible>>>);

impl Visible {
    fn is_of(&self, records: &Arc<Records>, successor: Option<&Arc<Grants>>) -> bool {
        let same_grants = match (&self.held_to, successor) {
            (None, None) => true,
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        };
        same_grants && Arc::ptr_eq(&self.of, records)
    }
}

impl LastVisible {
    /// What there is to see of `records` by `grants` and, where they were replaced since, by their successor too.
    pub(super) fn of(
        &self,
        records: Arc<Records>,
        grants: &Grants,
        successor: Option<Arc<Grants>>,
    ) -> Arc<Visible> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(visible) = last.as_ref().filter(|last| last.is_of(&records, successor.as_ref())) {
            return visible.clone();
        }
        let may_see = |name: &str| grants.allow_with(successor.as_deref(), Verb::List, name);
        let visible = Arc::new(Visible {
            pods: records.records.iter().filter(|record| may_see(&record.pod_name)).cloned().collect(),
            unreadable: records
                .unreadable
                .iter()
                .filter(|bad| bad.name.as_deref().is_none_or(may_see))
                .count(),
            of: records,
            held_to: successor,
        });
        *last = Some(visible.clone());
        visible
    }
}
