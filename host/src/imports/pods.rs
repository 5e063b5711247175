//! `pods`: the registry as far as it was granted, states and cursors.

use std::ffi::OsStr;

use wasmtime::component::Resource;

use super::bindings::pod::tools::pods as wit;
use super::scope_lock::refuse_if_living;
use super::spawned;
use crate::authority::operation::Operation;
use crate::call::PodCtxView;
use crate::call::gate::Pod;
use crate::call::host_error::HostResult;
use crate::call::wait::patiently;
use crate::error::{ErrorKind, Reason, ToolError};
use crate::escape::Escaped;
use crate::files::state_file;
use crate::registry::{Enforcement, Record, StoredCursor, unknown_pod};
use crate::scope::Permission;
use crate::sockets::directory::Lookup;
use crate::sockets::refusal::descriptors_exhausted;

/// A digest is a few dozen characters; more than this is not one.
const MAX_DIGEST: usize = 128;
/// A status file is a hundred bytes; more than this is not one.
const MAX_STATUS: u64 = 64 << 10;

impl wit::Host for PodCtxView<'_> {
    fn find(&mut self, name: String, purpose: wit::Verb) -> HostResult<Resource<Pod>> {
        let permit = self.ctx.admit(Operation::find_for(purpose.into()), Some(&name))?;
        let record = permit.registry().find(&name)?.ok_or_else(|| unknown_pod(&name))?;
        self.hand_out_pod(&permit, &record)
    }

    fn list(&mut self) -> HostResult<wit::Listing> {
        let permit = self.ctx.admit(Operation::ListPods, None)?;
        let visible = permit.visible()?;
        let mut pods = Vec::with_capacity(visible.pods.len().min(permit.limits().handles));
        for record in &visible.pods {
            let pod = self.hand_out_pod(&permit, record)?;
            pods.push(wit::Listed { pod, description: describe(record) });
        }
        Ok(wit::Listing { pods, unreadable: u32::try_from(visible.unreadable).unwrap_or(u32::MAX) })
    }

    async fn forget(&mut self, pod: Resource<Pod>) -> HostResult<()> {
        let permit = self.admit(Operation::ForgetPod, &pod)?;
        if !permit.is_released() {
            let message = format!(
                "pod `{}` is not known to be stopped: its scope has not been released in this call",
                Escaped(permit.name())
            );
            return Err(ToolError::failed(Reason::StillRunning, message).into());
        }
        let (wait, forgetting) = (self.ctx.wait(None), permit.clone());
        patiently(&self.ctx.clock().clone(), wait, move |wait| {
            // It may have come back since.
            refuse_if_living(&forgetting, &forgetting.record().socket_path, true)?;
            if forgetting.is_anothers() {
                return Ok(());
            }
            Ok(forgetting.registry().remove(forgetting.record(), wait)?)
        })
        .await?;
        if !permit.is_anothers() {
            self.ctx.drop_staged_cursor(&permit);
        }
        Ok(())
    }

    async fn spawned_by(&mut self, pod: Resource<Pod>) -> HostResult<wit::Spawned> {
        let permit = self.admit(Operation::FindSpawned, &pod)?;
        let records = spawned::records(&permit)?;
        let wait = self.ctx.wait(None);
        let asking = permit.clone();
        let allocations = if records.records.is_empty() {
            Vec::new()
        } else {
            patiently(&self.ctx.clock().clone(), wait, move |wait| spawned::allocations(&asking, wait))
                .await?
        };
        let delegated = spawned::Delegated::beside(permit.name(), &permit.record().socket_path, allocations);
        let mut others = records.unreadable.len();
        let mut pods = Vec::new();
        for record in &records.records {
            if permit.allows(&record.pod_name) && delegated.lets_follow(record) {
                pods.push(self.hand_out_spawned(&permit, record)?);
            } else {
                others += 1;
            }
        }
        Ok(wit::Spawned { pods, others: u32::try_from(others).unwrap_or(u32::MAX) })
    }

    fn bounds(&mut self) -> wasmtime::Result<wit::CallBounds> {
        let limits = self.ctx.bounds()?;
        Ok(wit::CallBounds {
            operation_ms: u32::try_from(limits.operation_time.as_millis()).unwrap_or(u32::MAX),
            call_ms: u32::try_from(limits.call_time.as_millis()).unwrap_or(u32::MAX),
            max_output: limits.output,
        })
    }
}

impl wit::HostPod for PodCtxView<'_> {
    fn describe(&mut self, pod: Resource<Pod>) -> wasmtime::Result<wit::Description> {
        Ok(describe(self.admit_description(&pod)?))
    }

    fn state(&mut self, pod: Resource<Pod>) -> HostResult<wit::State> {
        let permit = self.admit(Operation::ReadState, &pod)?;
        let socket = &permit.record().socket_path;
        match permit.directories().open_beside(socket, OsStr::new("status.json")) {
            Ok((file, size)) => Ok(read_state(&file.into(), size).unwrap_or(wit::State::Unknown)),
            Err(Lookup::DescriptorsExhausted) => Err(descriptors_exhausted().into()),
            // Its own word is all that this is about: a status that cannot be trusted is none.
            Err(Lookup::Missing | Lookup::Refused(_)) => Ok(wit::State::Unknown),
        }
    }

    fn cursor(&mut self, pod: Resource<Pod>) -> HostResult<Option<wit::Cursor>> {
        let permit = self.admit(Operation::ReadOutput, &pod)?;
        let cursor = self.ctx.cursor(&permit)?;
        Ok(cursor.map(|cursor| wit::Cursor { items: cursor.items, digest: cursor.digest }))
    }

    fn set_cursor(&mut self, pod: Resource<Pod>, cursor: wit::Cursor) -> HostResult<()> {
        let permit = self.admit(Operation::ReadOutput, &pod)?;
        if cursor.digest.len() > MAX_DIGEST {
            let message =
                format!("a cursor's digest has at most {MAX_DIGEST} bytes, not {}", cursor.digest.len());
            return Err(ToolError::new(ErrorKind::InvalidArgument, None, message).into());
        }
        self.ctx.stage_cursor(&permit, StoredCursor { items: cursor.items, digest: cursor.digest })
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
    let fence = record.fence.as_ref().map(|fence| wit::Fence {
        held: match fence.enforce {
            Enforcement::Off => wit::Held::Off,
            _ if fence.is_whole() => wit::Held::Whole,
            _ => wit::Held::Part,
        },
        missing: fence.missing.clone(),
    });
    wit::Description { name: record.pod_name.clone(), scope: scope.collect(), fence }
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_status_file_beyond_its_bound_tells_no_state() {
        let state = |length: u64| {
            let mut file = tempfile::tempfile().unwrap();
            let status = r#"{"state":"idle"}"#;
            file.write_all(status.as_bytes()).unwrap();
            file.write_all(&vec![b' '; usize::try_from(length).unwrap() - status.len()]).unwrap();
            // Whatever size the file had when it was opened.
            [length, 0].map(|size| read_state(&file, size))
        };
        assert_eq!(state(MAX_STATUS), [Some(wit::State::Idle); 2]);
        assert_eq!(state(MAX_STATUS + 1), [None; 2]);
    }
}
