//! What scope rules cover, and when they are in each other's way.

use pod_tools_host::scope::{Permission, ScopeRule};

fn rule(text: &str) -> ScopeRule {
    let (permission, target) = text.split_once(':').unwrap();
    let (target, recursive) = match target.strip_suffix("/-") {
        Some(flat) => (flat, false),
        None => (target, true),
    };
    let permission = if permission == "w" { Permission::Write } else { Permission::Read };
    ScopeRule { target: target.into(), permission, recursive }
}

#[test]
fn a_rule_covers_what_lies_below_by_whole_names() {
    let covers = |a, b| rule(a).covers(&rule(b));
    assert!(covers("w:/work", "w:/work"));
    assert!(covers("w:/work", "w:/work/src/deep"));
    assert!(covers("w:/", "w:/work"));
    assert!(covers("w:/work/", "w:/work//./src"));
    assert!(!covers("w:/work", "w:/workshop"));
    assert!(!covers("w:/work/src", "w:/work"));
}

#[test]
fn a_flat_rule_covers_itself_flat_and_nothing_deeper() {
    let covers = |a, b| rule(a).covers(&rule(b));
    assert!(covers("w:/work/-", "w:/work/-"));
    assert!(covers("w:/work", "w:/work/src/-"));
    assert!(!covers("w:/work/-", "w:/work"));
    assert!(!covers("w:/work/-", "w:/work/src/-"));
}

#[test]
fn rules_intersect_where_one_reaches_the_other() {
    let both = |a, b| {
        let (there, back) = (rule(a).intersects(&rule(b)), rule(b).intersects(&rule(a)));
        assert_eq!(there, back, "{a} {b}");
        there
    };
    assert!(both("w:/work", "w:/work/src/deep"));
    assert!(both("w:/work/-", "w:/work/src"), "a direct child");
    assert!(both("w:/work/-", "w:/work/src/-"));
    assert!(!both("w:/work/-", "w:/work/src/deep"), "a grandchild");
    assert!(!both("w:/work/a/-", "w:/work/b/-"));
    assert!(!both("w:/work/a", "w:/work/b"));
    assert!(both("w:/work/a/../b", "w:/work/b/c"), "`..` in a table that was found");
}

#[test]
fn only_two_rules_for_writing_conflict() {
    let conflict = |a, b| rule(a).conflicts_with(&rule(b));
    assert!(conflict("w:/work", "w:/work/src"));
    assert!(!conflict("r:/work", "w:/work/src"));
    assert!(!conflict("w:/work", "r:/work/src"));
    assert!(!conflict("r:/work", "r:/work"));
}

#[test]
fn write_is_handed_on_from_write_alone_and_read_from_either() {
    let held = [rule("w:/work/src"), rule("r:/doc"), rule("w:/flat/-")];
    let within = |text| rule(text).is_within(&held);
    assert!(within("w:/work/src/a"));
    assert!(within("r:/work/src"));
    assert!(within("r:/doc/a"));
    assert!(!within("w:/doc/a"));
    assert!(!within("r:/work"));
    assert!(within("w:/flat/-"));
    assert!(!within("r:/flat"));
}

#[test]
fn a_rule_is_shown_on_one_line() {
    assert_eq!(rule("w:/work/src").to_string(), "write:/work/src");
    assert_eq!(rule("r:/a\nb\u{1b}/-").to_string(), r"read:/a\nb\u{1b} [non-recursive]");
}
