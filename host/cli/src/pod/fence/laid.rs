//! The fence as it is laid: once for a supervisor, and around each command that it starts.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use pod_tools_host::scope::LifeByte;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

use super::plan::{Enforce, Held, Plan};
use super::{filter, namespace, rights, root};

/// A fence that was laid.
#[derive(Debug)]
pub struct Fence {
    rights: rights::Rights,
    filters: Vec<filter::Filter>,
    /// The file of the locks of lives, and the byte that commands hold.
    life: Option<(File, LifeByte)>,
    /// There is a root directory of its own, and a `/tmp` in it.
    has_root: bool,
}

impl Fence {
    /// Lays it around what this process starts from now on, and has this process itself in its namespaces and its root
    /// directory. To be called while there is one thread.
    ///
    /// Fails where it is to be strict and the machine lacks something, with the reason and the remedy; and where the
    /// machine does not let the root directory be made, which cannot be gone back from: then it is to be laid by another
    /// process, to which the plan [tells](Plan::without_root) so.
    pub fn lay(plan: &Plan) -> Result<(Fence, Held), String> {
        let mut missing = rights::missing();
        if let Some(fault) = &plan.without_root {
            missing.push(fault.clone());
            missing.push(
                "Unix sockets, UDP, and modes, owners and times of files outside of the scope are open"
                    .to_owned(),
            );
            missing.extend(rights::open_without_root(plan));
        }
        let filters = match filter::all() {
            Ok(filters) => filters,
            Err(fault) => {
                missing.push(format!("system calls are not filtered: {fault}"));
                Vec::new()
            }
        };
        if plan.enforce == Enforce::Strict && !missing.is_empty() {
            return Err(missing.join("; "));
        }
        let has_root = plan.without_root.is_none();
        let mut life = None;
        if has_root {
            let made =
                namespace::enter(plan.ports.is_empty()).and_then(|()| root::make(plan)).map_err(|fault| {
                    format!(
                        "the command cannot be given a root directory of its own: {fault}{}",
                        namespace::remedies()
                    )
                })?;
            life = made.zip(plan.life.as_ref().map(|(_, byte)| *byte));
        }
        let rights = rights::Rights::of(plan, has_root)?;
        Ok((Fence { rights, filters, life, has_root }, Held { enforce: plan.enforce, missing }))
    }

    /// What the command is to have open, so that the pod counts as living as long as it does: in the place of what the pod
    /// hands over for that, where it could do harm with it.
    pub fn life(&self, handed_over: OwnedFd) -> io::Result<OwnedFd> {
        let Some((file, byte)) = &self.life else { return Ok(handed_over) };
        // Locks are an open file's: of a copy, the command could let go of the others' too.
        let again = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        byte.share(&again)?;
        Ok(again.into())
    }

    /// Has the command run behind it.
    pub fn confine(&self, command: &mut Command) -> io::Result<()> {
        let mut rights = Some(self.rights.try_clone()?);
        let filters = self.filters.clone();
        if self.has_root {
            command.env("TMPDIR", "/tmp");
        }
        let confine = move || {
            set_no_new_privs(true)?;
            let none = CapabilitySet::empty();
            set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
            if let Some(rights) = rights.take() {
                rights.restrict_self()?;
            }
            filters.iter().try_for_each(filter::Filter::apply)
        };
        // SAFETY: the supervisor has one thread, so that nothing is locked in the child that nobody unlocks; and nothing but
        // system calls is made.
        unsafe { command.pre_exec(confine) };
        Ok(())
    }
}
