//! What an agent is permitted that asks for it.

use std::path::PathBuf;

use agent_client_protocol_schema::v1::{
    PermissionOption, PermissionOptionId, PermissionOptionKind, RequestPermissionOutcome,
    SelectedPermissionOutcome, ToolKind,
};

use super::place::{Access, Place};

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Permit {
    /// Nothing is permitted.
    Deny,
    /// What reads within the scope.
    Read,
    /// What stays within the scope.
    Scope,
    /// A person.
    Ask,
}

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Refused,
    /// A person is asked.
    Asked,
}

impl Permit {
    /// The option's word.
    pub fn word(self) -> &'static str {
        match self {
            Permit::Deny => "deny",
            Permit::Read => "read",
            Permit::Scope => "scope",
            Permit::Ask => "ask",
        }
    }

    /// What is decided of an action of that kind, on the files that it names. Kind and files are the agent's word: what
    /// holds it to them is the fence, and [`Files`](super::files::Files).
    pub fn judge(self, kind: ToolKind, files: &[PathBuf], place: &Place, is_fenced: bool) -> Verdict {
        let within =
            |access| !files.is_empty() && files.iter().all(|file| place.find(file, access).is_some());
        let is_allowed = match (self, kind) {
            (Permit::Ask, _) => return Verdict::Asked,
            (Permit::Deny, _) => false,
            (_, ToolKind::Think) => true,
            (_, ToolKind::Read | ToolKind::Search) => within(Access::Read),
            (Permit::Scope, ToolKind::Edit | ToolKind::Delete | ToolKind::Move) => within(Access::Write),
            // What it runs is held to the scope by the fence, or by nothing.
            (Permit::Scope, ToolKind::Execute) => is_fenced,
            _ => false,
        };
        if is_allowed { Verdict::Allowed } else { Verdict::Refused }
    }
}

/// The answer that the agent is given: allowed once, or refused. Where it does not offer that, it is told that nothing
/// was chosen: "always" is never.
pub fn outcome(is_allowed: bool, options: &[PermissionOption]) -> RequestPermissionOutcome {
    let kind = if is_allowed { PermissionOptionKind::AllowOnce } else { PermissionOptionKind::RejectOnce };
    let chosen = options.iter().find(|option| option.kind == kind).map(|option| option.option_id.clone());
    chosen.map_or(RequestPermissionOutcome::Cancelled, |id: PermissionOptionId| {
        RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(id))
    })
}

/// Whether the agent offers to allow it once.
pub fn can_be_allowed(options: &[PermissionOption]) -> bool {
    options.iter().any(|option| option.kind == PermissionOptionKind::AllowOnce)
}

#[cfg(test)]
mod tests {
    use pod_tools_host::scope::{Permission, ScopeRule};

    use super::*;

    #[test]
    fn what_stays_within_the_scope_is_allowed_and_nothing_else() {
        let rule =
            |target: &str, permission| ScopeRule { target: target.into(), permission, recursive: true };
        let scope = [rule("/nowhere/read", Permission::Read), rule("/nowhere/write", Permission::Write)];
        let place = Place::new(&scope, "/nowhere/write".into(), true);
        let judge = |permit: Permit, kind, files: &[&str], is_fenced| {
            let files: Vec<PathBuf> = files.iter().map(Into::into).collect();
            permit.judge(kind, &files, &place, is_fenced)
        };
        let (read, write, out) = ("/nowhere/read/x", "/nowhere/write/x", "/nowhere/out/x");
        use ToolKind::{Edit, Execute, Fetch, Other, Read, Search, Think};
        use Verdict::{Allowed, Asked, Refused};
        let cases: &[(Permit, ToolKind, &[&str], bool, Verdict)] = &[
            (Permit::Scope, Read, &[read, write], true, Allowed),
            (Permit::Scope, Read, &[read, out], true, Refused),
            (Permit::Scope, Read, &[], true, Refused),
            (Permit::Scope, Edit, &[write], true, Allowed),
            (Permit::Scope, Edit, &[read], true, Refused),
            (Permit::Scope, Edit, &["x"], true, Allowed),
            (Permit::Scope, Edit, &["../out/x"], true, Refused),
            (Permit::Scope, Execute, &[], true, Allowed),
            (Permit::Scope, Execute, &[], false, Refused),
            (Permit::Scope, Fetch, &[], true, Refused),
            (Permit::Scope, Other, &[write], true, Refused),
            (Permit::Scope, Think, &[], false, Allowed),
            (Permit::Read, Search, &[read], false, Allowed),
            (Permit::Read, Edit, &[write], true, Refused),
            (Permit::Read, Execute, &[], true, Refused),
            (Permit::Deny, Read, &[read], true, Refused),
            (Permit::Ask, Think, &[], true, Asked),
        ];
        for &(permit, kind, files, is_fenced, verdict) in cases {
            assert_eq!(judge(permit, kind, files, is_fenced), verdict, "{permit:?} {kind:?} {files:?}");
        }
    }

    #[test]
    fn always_is_never_chosen() {
        let option = |id: &'static str, kind| PermissionOption::new(id, id, kind);
        let always =
            [option("a", PermissionOptionKind::AllowAlways), option("r", PermissionOptionKind::RejectAlways)];
        for is_allowed in [true, false] {
            assert_eq!(outcome(is_allowed, &always), RequestPermissionOutcome::Cancelled);
        }
        let once =
            [option("a", PermissionOptionKind::AllowOnce), option("r", PermissionOptionKind::RejectOnce)];
        let chosen = |is_allowed| match outcome(is_allowed, &once) {
            RequestPermissionOutcome::Selected(selected) => selected.option_id.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!((chosen(true), chosen(false)), ("a".to_owned(), "r".to_owned()));
    }
}
