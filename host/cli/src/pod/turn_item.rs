//! What a turn leaves in the history, one thing after the other.

/// A piece of a turn. Text and thoughts that follow on one another are one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnItem {
    /// What the agent said.
    Text(String),
    /// What it thought.
    Thought(String),
    /// What the pod says of itself, in the agent's place.
    Notice(String),
    /// A tool that it called.
    ToolCall { id: String, name: String, arguments: String },
    /// What came of it.
    ToolResult { id: String, summary: String, output: String },
    /// What it asked to be permitted, and what it was answered.
    Permission { question: String, answer: &'static str, by: &'static str },
}

/// Adds to the last piece where it is of the same kind.
pub fn append(items: &mut Vec<TurnItem>, item: TurnItem) {
    use TurnItem::{Text, Thought};
    let goes_on = matches!((items.last(), &item), (Some(Text(_)), Text(_)) | (Some(Thought(_)), Thought(_)));
    match item {
        Text(more) | Thought(more) if goes_on => {
            if let Some(Text(text) | Thought(text)) = items.last_mut() {
                text.push_str(&more);
            }
        }
        item => items.push(item),
    }
}

/// All that the agent said.
pub fn text(items: &[TurnItem]) -> String {
    let texts = items.iter().filter_map(|item| match item {
        TurnItem::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// How long that is, in bytes.
pub fn text_bytes(items: &[TurnItem]) -> usize {
    let texts = items.iter().map(|item| match item {
        TurnItem::Text(text) => text.len(),
        _ => 0,
    });
    texts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_follows_on_text_is_one_piece() {
        let mut items = Vec::new();
        for piece in ["a", "b"] {
            append(&mut items, TurnItem::Text(piece.into()));
        }
        append(&mut items, TurnItem::Thought("c".into()));
        append(&mut items, TurnItem::Text("d".into()));
        assert_eq!(items.len(), 3);
        assert_eq!((&items[0], text(&items)), (&TurnItem::Text("ab".into()), "abd".to_owned()));
        assert_eq!(text_bytes(&items), 3);
    }
}
