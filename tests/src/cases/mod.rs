//! The cases: a directory or file a family, lists of constants.
//!
//! A new case is an entry in one of the lists: an id, a sentence, a few lines that act and ask, and, where it
//! applies, what it needs and which wrong hosts it catches. A new file of cases is named here once.

pub mod faults;
pub mod grants;
mod killing;
pub mod limits;
pub mod lock;
pub mod state;
pub mod tools;

use crate::case::Case;
use crate::flaw::Flaw;

/// All lists, in the order of reports: families stay together.
const LISTS: &[&[Case]] = &[
    tools::list::CASES,
    tools::listing::CASES,
    tools::send::CASES,
    tools::broadcast::CASES,
    tools::read::CASES,
    tools::history::CASES,
    tools::failed::CASES,
    tools::stop::CASES,
    tools::spawned::CASES,
    tools::wait::CASES,
    tools::ending::CASES,
    tools::names::CASES,
    tools::protocol::CASES,
    grants::verbs::CASES,
    grants::patterns::CASES,
    grants::paths::CASES,
    grants::sockets::CASES,
    grants::swaps::CASES,
    limits::CASES,
    faults::pieces::CASES,
    faults::lines::CASES,
    faults::silence::CASES,
    faults::generations::CASES,
    faults::clients::CASES,
    faults::restart::CASES,
    faults::descriptors::CASES,
    lock::busy::CASES,
    lock::table::CASES,
    lock::stale::CASES,
    lock::life::CASES,
    lock::holder::CASES,
    lock::starting::CASES,
    lock::recovery::CASES,
    lock::crash::CASES,
    lock::disk::CASES,
    lock::others::CASES,
    state::registry::CASES,
    state::cursors::CASES,
    state::writers::CASES,
    state::crash::CASES,
    state::others::CASES,
    state::large::CASES,
];

/// All cases, in the order of reports.
pub fn all() -> impl Iterator<Item = &'static Case> {
    LISTS.iter().copied().flatten()
}

/// The case of that id.
pub fn by_id(id: &str) -> Option<&'static Case> {
    all().find(|case| case.id == id)
}

/// Which case catches which wrong host, as a table in Markdown: that of the crate's docs.
pub fn catches_table() -> String {
    let mut text = "| a host that … | is caught by |\n|---|---|\n".to_owned();
    for flaw in Flaw::ALL {
        let catching = all().filter(|case| case.catches.contains(flaw));
        let ids: Vec<_> = catching.map(|case| format!("`{}`", case.id)).collect();
        let about = flaw.about().trim().trim_end_matches('.');
        text.push_str(&format!("| `{flaw}`: {about} | {} |\n", ids.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::case::Family;

    #[test]
    fn ids_are_unique_and_words_in_kebab_case() {
        let mut seen = HashSet::new();
        for case in all() {
            assert!(seen.insert(case.id), "{} is there twice", case.id);
            let name = case.id.split_once('/').unwrap().1;
            let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.chars().all(kebab), "{} is not in kebab case", case.id);
            assert!(!case.about.is_empty() && !case.about.ends_with('.'), "{}: {}", case.id, case.about);
        }
    }

    #[test]
    fn families_stay_together_and_none_is_empty() {
        let mut order: Vec<_> = all().map(|case| case.family).collect();
        order.dedup();
        assert_eq!(order, Family::ALL);
    }

    #[test]
    fn every_flaw_is_caught_by_some_case() {
        for flaw in Flaw::ALL {
            assert!(all().any(|case| case.catches.contains(flaw)), "no case catches {flaw}");
        }
    }
}
