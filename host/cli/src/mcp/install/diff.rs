//! What an installation changes in a file, for people.

use std::path::Path;

use similar::TextDiff;

/// Characters of a line that are shown: a whole configuration can be one line.
const MAX_LINE: usize = 160;

/// The lines that go and those that come, as `diff -U0` has them. Lines around them are not shown: tokens of
/// other servers stand there.
pub fn diff(file: &Path, before: Option<&str>, after: Option<&str>) -> String {
    let shown = file.display().to_string();
    let name = |text: Option<&str>| if text.is_some() { shown.as_str() } else { "/dev/null" };
    let (old, new) = (before.unwrap_or_default(), after.unwrap_or_default());
    let diff = TextDiff::from_lines(old, new);
    let mut unified = diff.unified_diff();
    unified.context_radius(0).missing_newline_hint(false).header(name(before), name(after));
    let lines = unified.to_string();
    lines.lines().map(|line| shortened(line) + "\n").collect()
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(MAX_LINE) {
        Some((end, _)) => format!("{}… ({} more bytes)", &line[..end], line.len() - end),
        None => line.to_owned(),
    }
}
