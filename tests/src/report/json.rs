//! For programs: a JSON document with the kit's version, the host's command, totals, and each case.
//!
//! ```json
//! { "kit": "0.1.0", "command": ["pod-tools", "call", "--batch"],
//!   "totals": { "passed": 1, "failed": 1, "not-supported": 0, "not-run": 0 },
//!   "cases": [
//!     { "id": "tools/list-empty", "family": "tools", "about": "…", "status": "passed", "reason": null,
//!       "duration_ms": 12, "failure": null },
//!     { "id": "tools/send-once", "family": "tools", "about": "…", "status": "failed", "reason": null,
//!       "duration_ms": 15, "failure": { "expected": "…", "came": "…", "transcript":
//!         [{ "at_us": 910, "who": "host", "what": "receives", "text": "…" }] } } ] }
//! ```

use serde_json::{Value, json};

use crate::host::HostCommand;
use crate::report::count;
use crate::run::{Outcome, Status};

/// The document.
pub fn document(command: &HostCommand, outcomes: &[Outcome]) -> Value {
    let statuses = [Status::Passed, Status::Failed, Status::NotSupported, Status::NotRun];
    let totals: serde_json::Map<_, _> = statuses
        .map(|status| (status.word().to_owned(), json!(count(outcomes, status))))
        .into_iter()
        .collect();
    json!({
        "kit": env!("CARGO_PKG_VERSION"),
        "command": command.words(),
        "totals": totals,
        "cases": outcomes.iter().map(case).collect::<Vec<_>>(),
    })
}

fn case(outcome: &Outcome) -> Value {
    let failure = outcome.failure.as_ref().map(|(failure, transcript)| {
        json!({ "expected": failure.expected, "came": failure.came, "transcript": transcript.entries() })
    });
    json!({
        "id": outcome.case.id,
        "family": outcome.case.family.word(),
        "about": outcome.case.about,
        "status": outcome.status,
        "reason": outcome.reason,
        "duration_ms": u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX),
        "failure": failure,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::one_of_each;

    #[test]
    fn each_case_has_its_id_its_status_and_why() {
        let document = document(&HostCommand::new("host", ["call"]), &one_of_each());
        assert_eq!(document["command"], json!(["host", "call"]));
        assert_eq!(document["totals"], json!({ "passed": 1, "failed": 1, "not-supported": 1, "not-run": 1 }));
        assert_eq!(document["cases"][0]["id"], "tools/list-empty");
        assert_eq!(document["cases"][0]["status"], "passed");
        assert_eq!(document["cases"][1]["failure"]["expected"], "`a` < b");
        assert_eq!(document["cases"][1]["failure"]["transcript"][0]["who"], "host");
        assert_eq!(document["cases"][2]["status"], "not-supported");
        assert_eq!(document["cases"][3]["reason"], "needs strace: \"not\" here");
    }
}
