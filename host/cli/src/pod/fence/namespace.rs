//! Namespaces of the supervisor's own: of mounts, of System V's objects, and, where no port was named, of the network. A
//! user who may not make them directly makes them within a namespace of users.

use std::fs;
use std::io;

use rustix::thread::{CapabilitySet, UnshareFlags, capabilities, unshare_unsafe};

/// Enters them. To be called while there is one thread.
pub fn enter(without_network: bool) -> Result<(), String> {
    let mut flags = UnshareFlags::NEWNS | UnshareFlags::NEWIPC;
    if without_network {
        flags |= UnshareFlags::NEWNET;
    }
    let may = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN));
    if may && unshare(flags).is_ok() {
        return Ok(());
    }
    let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    unshare(flags | UnshareFlags::NEWUSER).map_err(|error| format!("a namespace of users: {error}"))?;
    // Without the first one no group can be mapped.
    let maps = [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("{user} {user} 1")),
        ("/proc/self/gid_map", format!("{group} {group} 1")),
    ];
    maps.iter()
        .try_for_each(|(file, text)| fs::write(file, text).map_err(|error| format!("`{file}`: {error}")))
}

fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: the table of descriptors stays shared, as it is with nobody: there is one thread.
    Ok(unsafe { unshare_unsafe(flags) }?)
}

/// What would let it, as far as the system tells: to be set behind the reason.
pub fn remedies() -> String {
    let switches = [
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
    ];
    let is = |file: &str, value: &str| {
        fs::read_to_string(format!("/proc/sys/{file}")).is_ok_and(|text| text.trim() == value)
    };
    let mut remedies: String = (switches.iter().filter(|(file, off, _)| is(file, off)))
        .map(|(_, _, on)| format!("; `sysctl {on}` allows it"))
        .collect();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "2")) {
        remedies.push_str(
            " (its system calls are filtered: by a container, or because it is itself behind a fence, which bounds what it \
             starts)",
        );
    }
    remedies
}
