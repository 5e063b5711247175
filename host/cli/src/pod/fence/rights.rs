//! Landlock's part: what may be done with what is there.

use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use super::plan::Plan;
use super::root::OWN;
use super::start::{DEVICES, PROGRAMS, SETTINGS, SYSTEM};

/// The first versions that know all rights over files, ports, and signals and abstract sockets.
const FILES: ABI = ABI::V5;
const PORTS: ABI = ABI::V4;
const SCOPES: ABI = ABI::V6;

/// The rules, as the kernel has them.
#[derive(Debug)]
pub struct Rights(RulesetCreated);

/// What of it the kernel has not.
pub fn missing() -> Vec<String> {
    let has = |ruleset: Result<Ruleset, RulesetError>| ruleset.and_then(Ruleset::create).is_ok();
    let demanding = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    if !has(demanding().handle_access(AccessFs::from_all(ABI::V1))) {
        return vec![
            "this kernel has no Landlock, or it is switched off (`lsm=` of its command line names it)"
                .to_owned(),
        ];
    }
    let mut missing = Vec::new();
    if !has(demanding().handle_access(AccessFs::from_all(FILES))) {
        missing.push(
            "this kernel's Landlock does not hold back all changes of files (Linux 6.10 does)".to_owned(),
        );
    }
    if !has(demanding().handle_access(AccessNet::from_all(PORTS))) {
        missing.push("this kernel's Landlock knows no TCP (Linux 6.7 does)".to_owned());
    }
    if !has(demanding().scope(Scope::from_all(SCOPES))) {
        missing.push(
            "this kernel's Landlock lets signals and abstract sockets out (Linux 6.12 does not)".to_owned(),
        );
    }
    missing
}

/// What else is open where there is no root directory of its own: Landlock cannot take away from what a rule gives.
pub fn open_without_root(plan: &Plan) -> Vec<String> {
    let rules = || plan.writes.iter().chain(&plan.flat).chain(&plan.reads);
    let reached = plan.hidden.iter().filter(|hidden| rules().any(|rule| hidden.starts_with(rule)));
    let reached = reached.map(|hidden| format!("`{}` lies within the scope and is open", hidden.display()));
    let flat = plan
        .flat
        .iter()
        .map(|flat| format!("what is beneath the directories in `{}` is open", flat.display()));
    reached.chain(flat).collect()
}

impl Rights {
    /// Makes the rules. Fails where a path cannot be opened that is there.
    pub fn of(plan: &Plan, has_root: bool) -> Result<Rights, String> {
        Self::made(plan, has_root).map_err(|error| error.to_string())
    }

    fn made(plan: &Plan, has_root: bool) -> Result<Rights, RulesetError> {
        let mut ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(FILES))?
            .handle_access(AccessNet::from_all(PORTS))?
            .scope(Scope::from_all(SCOPES))?
            .create()?;
        let (read, all) = (AccessFs::from_read(FILES), AccessFs::from_all(FILES));
        // A directory that the command makes would not be covered.
        let flat = all & !(AccessFs::MakeDir | AccessFs::RemoveDir);
        let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
        let start = PROGRAMS.iter().chain(SETTINGS).chain(SYSTEM).map(Path::new);
        let reads = start.chain(plan.reads.iter().map(PathBuf::as_path)).chain([&*plan.program]);
        // Rights go down into what is mounted beneath: where such a directory is above a flat one, none is made in either.
        let above_flat = |own: &Path| plan.flat.iter().any(|flat| flat.starts_with(own));
        let own = OWN.iter().filter(|_| has_root).map(Path::new);
        let own = own.map(|path| (path, if above_flat(path) { flat } else { all }));
        let terminals = [Path::new("/dev/pts")].into_iter().filter(|_| has_root);
        let rules = (reads.map(|path| (path, read)))
            .chain(own)
            .chain(plan.writes.iter().map(|path| (&**path, all)))
            .chain(plan.flat.iter().map(|path| (&**path, flat)))
            .chain(
                DEVICES.iter().map(Path::new).chain(terminals).map(|path| (path, device | AccessFs::ReadDir)),
            );
        for (path, rights) in rules {
            // What is not there needs no rule.
            let Ok(handle) = PathFd::new(path) else { continue };
            let rights = if path.is_dir() { rights } else { rights & AccessFs::from_file(FILES) };
            ruleset = ruleset.add_rule(PathBeneath::new(handle, rights))?;
        }
        for port in &plan.ports {
            ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
        Ok(Rights(ruleset))
    }

    pub fn try_clone(&self) -> io::Result<Rights> {
        self.0.try_clone().map(Rights)
    }

    /// Has this thread, and all that it starts, keep to them. There is no way back.
    pub fn restrict_self(self) -> io::Result<()> {
        self.0.restrict_self().map(drop).map_err(|error| io::Error::other(error.to_string()))
    }
}
