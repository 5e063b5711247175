//! Patterns over names of pods: `*` for any characters, `?` for one. Matched without backtracking over more
//! than the last `*`: a pattern of a hostile length costs no more than its length times the name's.

/// Whether the whole `name` is what `pattern` describes.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    matches_where(pattern, name, |_| true)
}

/// Whether every name that `inner` matches is one that `outer` matches. `true` is so; `false` may be said of
/// patterns that are the same in another guise.
///
/// `inner` is matched as if it were a name: what stands for any characters there is covered by `*` alone,
/// and what stands for one by `*` and `?`.
pub(crate) fn includes(outer: &str, inner: &str) -> bool {
    matches_where(outer, inner, |c| c != '*')
}

/// Linear in space and, at worst, the product of both lengths in time. `one` says which characters a `?`
/// stands for.
fn matches_where(pattern: &str, name: &str, one: impl Fn(char) -> bool) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    // Where to go on when what follows the last `*` does not match: there, with one character more eaten.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let before_name = name.clone();
        match (pattern.next(), name.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                // Whatever follows, however much of it there is.
                if pattern.as_str().is_empty() {
                    return true;
                }
                retry = Some((pattern.clone(), before_name.clone()));
                name = before_name;
            }
            (Some('?'), Some(n)) if one(n) => {}
            (Some(p), Some(n)) if p == n => {}
            _ => {
                let Some((after_star, eaten)) = &mut retry else { return false };
                if eaten.next().is_none() {
                    return false;
                }
                pattern = after_star.clone();
                name = eaten.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "a\nb/ü", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*a", "ba", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("?", "ü", true),
            ("?", "", false),
            ("??", "a", false),
            ("*?", "a", true),
            ("a**b", "ab", true),
            ("[a]", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} against {name}");
        }
    }

    #[test]
    fn a_pattern_includes_what_is_narrower_and_itself() {
        for (outer, inner, expected) in [
            ("*", "a*", true),
            ("a*", "*", false),
            ("a*", "a*", true),
            ("build-*", "build-?", true),
            ("build-?", "build-*", false),
            ("?", "?", true),
            ("?", "a", true),
            ("a", "?", false),
            ("*b*", "a*b", true),
            ("a*c", "a*b", false),
        ] {
            assert_eq!(includes(outer, inner), expected, "{outer} over {inner}");
        }
    }

    proptest! {
        #[test]
        fn what_a_pattern_includes_it_matches_all_of(
            outer in "[ab*?]{0,5}",
            inner in "[ab*?]{0,5}",
            name in "[ab]{0,6}",
        ) {
            if includes(&outer, &inner) && matches(&inner, &name) {
                prop_assert!(matches(&outer, &name), "{outer} includes {inner}, but does not match {name}");
            }
        }
    }
}
