//! The fence where the system is no Linux: there is none.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Command;

use super::plan::{Enforce, Held, Plan};

/// A fence that was laid.
#[derive(Debug)]
pub struct Fence;

impl Fence {
    pub fn lay(plan: &Plan) -> Result<(Fence, Held), String> {
        let reason = "the scope is not enforced: only Linux has what it takes";
        match plan.enforce {
            Enforce::Strict => Err(format!("{reason}; `--enforce off` starts the pod without a fence")),
            _ => Ok((Fence, Held { enforce: Enforce::Off, missing: vec![reason.to_owned()] })),
        }
    }

    pub fn life(&self, handed_over: OwnedFd) -> io::Result<OwnedFd> {
        Ok(handed_over)
    }

    pub fn confine(&self, _: &mut Command) -> io::Result<()> {
        Ok(())
    }
}
