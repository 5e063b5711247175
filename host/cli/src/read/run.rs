//! A pod's run as far as it was seen.

/// What is kept of a run's text to be compared with the history, in bytes.
const MAX_SAID: usize = 64 << 20;

#[derive(Debug, Default)]
pub struct Run {
    pub is_on: bool,
    /// It was seen from its beginning.
    pub is_whole: bool,
    pub said: String,
}

impl Run {
    pub fn begin(&mut self, is_whole: bool) {
        *self = Run { is_on: true, is_whole, said: String::new() };
    }

    /// It says more.
    pub fn hear(&mut self, text: &str) {
        if !self.is_on {
            self.begin(false);
        }
        let has_room = self.said.len() + text.len() <= MAX_SAID;
        // Beyond that it is not known what was shown.
        self.is_whole &= has_room;
        if has_room {
            self.said += text;
        }
    }

    /// Whether all of that text of the history was shown. How items are set apart makes no difference.
    pub fn has_shown(&self, text: &str) -> bool {
        let letters = |text: &str| text.split_whitespace().collect::<String>();
        self.is_whole && !self.said.is_empty() || letters(&self.said).ends_with(&letters(text))
    }

    /// What it said last stands at the end of a line.
    pub fn ends_line(&self) -> bool {
        self.said.is_empty() || self.said.ends_with('\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_is_told_by_its_end_whatever_stands_between_its_parts() {
        let mut run = Run::default();
        run.hear("one\n");
        run.hear("two");
        assert!(!run.is_whole && !run.ends_line());
        assert!(run.has_shown("one\n\ntwo\n") && run.has_shown("two") && run.has_shown(""));
        assert!(!run.has_shown("zero one two") && !run.has_shown("one two three"));
        run.begin(true);
        assert!(!run.has_shown("zero") && run.ends_line());
        run.hear("whatever");
        assert!(run.has_shown("zero"));
    }
}
