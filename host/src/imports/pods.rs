//! `pods`: the registry as far as it was granted, states and cursors.

use std::ffi::OsStr;

use wasmtime::component::Resource;

use crate::bindings::pod::tools::pods as wit;
use crate::context::{Pod, PodCtxView, patiently, requests};
use crate::directory::Lookup;
use crate::error::{ErrorKind, HostResult, Reason, ToolError};
use crate::escape::Escaped;
use crate::grants::Verb;
use crate::registry::{Record, StoredCursor};
use crate::scope::Permission;
use crate::state_file;

/// A digest is a few dozen characters; more than this is not one.
const MAX_DIGEST: usize = 128;
/// A status file is a hundred bytes; more than this is not one.
const MAX_STATUS: u64 = 64 << 10;

impl wit::Host for PodCtxView<'_> {
    fn find(&mut self, name: String, purpose: wit::Verb) -> HostResult<Resource<Pod>> {
        let purpose = match purpose {
            wit::Verb::List => Verb::List,
            wit::Verb::Send => Verb::Send,
            wit::Verb::Read => Verb::Read,
            wit::Verb::Stop => Verb::Stop,
        };
        self.ctx.admit(requests::find(purpose), Some(&name))?;
        let Some(record) = self.ctx.parts().registry.find(&name)? else {
            let message = format!("no spawned pod named `{}`", Escaped(&name));
            return Err(ToolError::new(ErrorKind::InvalidArgument, Reason::UnknownPod, message).into());
        };
        self.push(Pod::new(record))
    }

    fn list(&mut self) -> HostResult<wit::Listing> {
        self.ctx.admit(requests::LIST, None)?;
        let records = self.ctx.parts().registry.load()?;
        let parts = self.ctx.parts().clone();
        let may_see = |name: &str| parts.allow(Verb::List, name);
        let unreadable =
            records.unreadable.iter().filter(|bad| bad.name.as_deref().is_none_or(may_see)).count();
        let mut pods = Vec::with_capacity(records.records.len());
        for record in records.records {
            if may_see(&record.pod_name) {
                let description = describe(&record);
                pods.push(wit::Listed { pod: self.push(Pod::new(record))?, description });
            }
        }
        Ok(wit::Listing { pods, unreadable: u32::try_from(unreadable).unwrap_or(u32::MAX) })
    }

    async fn forget(&mut self, pod: Resource<Pod>) -> HostResult<()> {
        let record = self.record(&pod)?;
        self.ctx.admit(requests::FORGET, Some(&record.pod_name))?;
        if !self.table.get(&pod)?.released {
            let message = format!(
                "pod `{}` is not known to be stopped: its scope has not been released in this call",
                Escaped(&record.pod_name)
            );
            return Err(ToolError::failed(Reason::StillRunning, message).into());
        }
        let (parts, wait) = (self.ctx.parts().clone(), self.ctx.wait(None));
        let name = record.pod_name.clone();
        patiently(wait, move |wait| {
            // It may have come back since.
            super::scope_lock::refuse_if_living(&parts, &record, &record.socket_path, true)?;
            Ok(parts.registry.remove(&record, wait)?)
        })
        .await?;
        self.ctx.drop_staged_cursor(&name);
        Ok(())
    }

    fn bounds(&mut self) -> wasmtime::Result<wit::CallBounds> {
        self.ctx.count()?;
        let limits = &self.ctx.parts().limits;
        Ok(wit::CallBounds {
            operation_ms: u32::try_from(limits.operation_time.as_millis()).unwrap_or(u32::MAX),
            max_output: limits.output,
        })
    }
}

impl wit::HostPod for PodCtxView<'_> {
    fn describe(&mut self, pod: Resource<Pod>) -> wasmtime::Result<wit::Description> {
        self.ctx.count()?;
        Ok(describe(&self.table.get(&pod)?.record))
    }

    fn state(&mut self, pod: Resource<Pod>) -> HostResult<wit::State> {
        let record = self.record(&pod)?;
        self.ctx.admit(requests::STATE, Some(&record.pod_name))?;
        match self.ctx.parts().directories.open_beside(&record.socket_path, OsStr::new("status.json")) {
            Ok((file, size)) => Ok(read_state(&file.into(), size).unwrap_or(wit::State::Unknown)),
            Err(Lookup::DescriptorsExhausted) => Err(super::unix_socket::descriptors_exhausted().into()),
            // Its own word is all that this is about: a status that cannot be trusted is none.
            Err(Lookup::Missing | Lookup::Refused(_)) => Ok(wit::State::Unknown),
        }
    }

    fn cursor(&mut self, pod: Resource<Pod>) -> HostResult<Option<wit::Cursor>> {
        let record = self.record(&pod)?;
        self.ctx.admit(requests::CURSOR, Some(&record.pod_name))?;
        let cursor = self.ctx.cursor(&record.pod_name)?;
        Ok(cursor.map(|cursor| wit::Cursor { items: cursor.items, digest: cursor.digest }))
    }

    fn set_cursor(&mut self, pod: Resource<Pod>, cursor: wit::Cursor) -> HostResult<()> {
        let record = self.record(&pod)?;
        self.ctx.admit(requests::CURSOR, Some(&record.pod_name))?;
        if cursor.digest.len() > MAX_DIGEST {
            let message =
                format!("a cursor's digest has at most {MAX_DIGEST} bytes, not {}", cursor.digest.len());
            return Err(ToolError::new(ErrorKind::InvalidArgument, None, message).into());
        }
        self.ctx.stage_cursor(&record.pod_name, StoredCursor { items: cursor.items, digest: cursor.digest })
    }

    fn drop(&mut self, pod: Resource<Pod>) -> wasmtime::Result<()> {
        self.table.delete(pod)?;
        Ok(())
    }
}

fn describe(record: &Record) -> wit::Description {
    let scope = record.scope_delegated.iter().map(|rule| wit::ScopeRule {
        target: rule.target.to_string_lossy().into_owned(),
        permission: match rule.permission {
            Permission::Read => wit::Permission::Read,
            Permission::Write => wit::Permission::Write,
        },
        recursive: rule.recursive,
    });
    wit::Description { name: record.pod_name.clone(), scope: scope.collect() }
}

/// The pod's state by its status file of that size; `None` for anything that is not one.
fn read_state(file: &std::fs::File, size: u64) -> Option<wit::State> {
    #[derive(serde::Deserialize)]
    struct Status {
        state: String,
    }
    let text = state_file::read_sized(file, size, MAX_STATUS).ok()?;
    match serde_json::from_slice::<Status>(&text).ok()?.state.as_str() {
        "idle" => Some(wit::State::Idle),
        "running" => Some(wit::State::Running),
        "paused" => Some(wit::State::Paused),
        _ => None,
    }
}
