//! Text that is drawn: the one place from which escape sequences reach a terminal. What is written into it is escaped, so
//! that no sequence is in it but those that are made here.

use pod_tools_host::escape::Escaped;
use unicode_width::UnicodeWidthChar;

/// How a piece is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    #[default]
    Plain,
    Head,
    Good,
    Waiting,
    Bad,
    Faint,
}

impl Style {
    fn sequence(self) -> &'static str {
        match self {
            Style::Plain => "",
            Style::Head => "\u{1b}[1m",
            Style::Good => "\u{1b}[32m",
            Style::Waiting => "\u{1b}[33m",
            Style::Bad => "\u{1b}[31m",
            Style::Faint => "\u{1b}[2m",
        }
    }
}

/// What is to be shown, line by line.
#[derive(Debug)]
pub struct Painted {
    text: String,
    colours: bool,
}

impl Painted {
    pub fn new(colours: bool) -> Painted {
        Painted { text: String::new(), colours }
    }

    pub fn push(&mut self, style: Style, text: &str) {
        let text = Escaped(text).to_string();
        let sequence = if self.colours { style.sequence() } else { "" };
        if sequence.is_empty() || text.is_empty() {
            self.text += &text;
        } else {
            self.text += &format!("{sequence}{text}\u{1b}[0m");
        }
    }

    pub fn spaces(&mut self, count: usize) {
        self.text.extend(std::iter::repeat_n(' ', count));
    }

    pub fn end_line(&mut self) {
        self.text.push('\n');
    }

    /// The same on an empty screen, of which it fills no more than so many rows: what is left out is counted.
    pub fn on_empty_screen(&self, rows: usize) -> Painted {
        let lines = self.text.lines().count();
        let shown = if lines < rows { lines } else { rows.saturating_sub(2) };
        let mut screen = Painted { text: "\u{1b}[H\u{1b}[2J\u{1b}[3J".to_owned(), colours: self.colours };
        for line in self.text.lines().take(shown) {
            screen.text += line;
            screen.end_line();
        }
        if shown < lines {
            screen.push(Style::Faint, &format!("… {} more line(s)", lines - shown));
            screen.end_line();
        }
        screen
    }

    /// Without colours, what people read.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// How many columns a text takes once it is escaped.
pub fn width(text: &str) -> usize {
    Escaped(text).to_string().chars().map(columns).sum()
}

/// The text, escaped, in pieces of so many columns, at least one character each; at least one piece.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let (mut pieces, mut used) = (vec![String::new()], 0);
    for c in Escaped(text).to_string().chars() {
        let more = columns(c);
        if used > 0 && used + more > width {
            pieces.push(String::new());
            used = 0;
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
        used += more;
    }
    pieces
}

fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sequence_comes_from_a_text() {
        let mut painted = Painted::new(true);
        painted.push(Style::Bad, "a\u{1b}[2J\nb");
        assert_eq!(painted.into_text(), "\u{1b}[31ma\\u{1b}[2J\\nb\u{1b}[0m");
        let mut plain = Painted::new(false);
        plain.push(Style::Bad, "a");
        assert_eq!(plain.into_text(), "a");
    }

    #[test]
    fn pieces_are_as_wide_as_they_may_be() {
        assert_eq!(wrapped("abcde", 2), ["ab", "cd", "e"]);
        // A character of two columns, and one that adds none.
        assert_eq!(wrapped("日本e\u{301}", 3), ["日", "本e\u{301}"]);
        assert_eq!(wrapped("日", 1), ["日"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(width("日\n"), 4);
    }

    #[test]
    fn a_screen_is_not_written_beyond_its_end() {
        let mut list = Painted::new(false);
        for _ in 0..5 {
            list.push(Style::Plain, "x");
            list.end_line();
        }
        let lines = |rows| list.on_empty_screen(rows).into_text().lines().count();
        assert_eq!([lines(9), lines(6), lines(5), lines(4)], [5, 5, 4, 3]);
        assert!(list.on_empty_screen(4).into_text().ends_with("… 3 more line(s)\n"));
    }
}
