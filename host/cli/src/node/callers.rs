//! Who may call this node, by which key, and with what authority.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pod_tools_host::Authority;
use pod_tools_host::registry::Reader;
use pod_tools_node::node::CallerLimits;

use crate::grants_file::GrantsFile;
use crate::options::{HostOptions, SetUpError};

/// One of those who may.
#[derive(Debug)]
pub struct Caller {
    pub name: Reader,
    pub authority: Authority,
    /// What he may have of this node.
    pub limits: CallerLimits,
}

/// All who may at present, by their public keys.
#[derive(Debug)]
pub struct Callers(HashMap<String, Arc<Caller>>);

impl Callers {
    /// Those of the grants file. They take the place of earlier ones: who is not among them any more, or has another key,
    /// may do nothing more in the calls that he has running. `limits` are those of callers who have none of their own.
    pub fn new(
        host: &HostOptions,
        limits: &CallerLimits,
        file: Option<&GrantsFile>,
        earlier: Option<&Self>,
    ) -> Result<Self, SetUpError> {
        let file = file.ok_or(SetUpError::NoKey)?;
        let mut all = HashMap::new();
        for caller in &file.callers {
            let Some(key) = &caller.key else { continue };
            let before = earlier.and_then(|earlier| earlier.of(&key.value));
            let authority =
                host.authority_with(&caller.grants, Some(file), before.map(|before| &before.authority))?;
            let (name, limits) = (caller.name.value.clone(), caller.limits.or(limits));
            all.insert(key.value.clone(), Arc::new(Caller { name, authority, limits }));
        }
        if all.is_empty() && earlier.is_none() {
            return Err(SetUpError::NoKey);
        }
        for (key, gone) in earlier.into_iter().flat_map(|earlier| &earlier.0) {
            if !all.contains_key(key) {
                // Nothing is granted to him: what he has running is held to that from here on.
                host.authority_with(&[], Some(file), Some(&gone.authority))?;
            }
        }
        Ok(Self(all))
    }

    /// The longest time that a call of theirs may have.
    pub fn longest(&self) -> Duration {
        let times = self.0.values().map(|caller| caller.authority.limits().call_time);
        times.max().unwrap_or_default()
    }

    /// The one with that key.
    pub fn of(&self, key: &str) -> Option<&Arc<Caller>> {
        self.0.get(key)
    }
}

impl Caller {
    /// With what authority he calls as that reader of his; `None` where it has no name that a reader can have. In quotes,
    /// his own name cannot be read as that of another caller with a reader.
    pub fn reading_as(&self, reader: Option<&str>) -> Option<Authority> {
        let name = match reader {
            Some(reader) => format!("{:?} {reader}", self.name.as_str()).parse().ok()?,
            None => self.name.clone(),
        };
        Some(self.authority.read_by(name))
    }
}
