//! Who a client says that it is, and the form of answers that its model can read.

use rmcp::service::{RequestContext, RoleServer};

/// Beginnings of the names of clients that show their model the structured content *in place of* the text:
/// Claude Code (`claude-code`) and Codex (`codex-mcp-client`).
const SHOW_STRUCTURE: [&str; 2] = ["claude", "codex"];

/// The name of the client that makes a request: since 2026-07-28 each request says it, before that the
/// handshake did.
pub fn name(context: &RequestContext<RoleServer>) -> Option<String> {
    let by_request = context.meta.client_info();
    let by_handshake = || context.peer.peer_info().map(|info| info.client_info.name.clone());
    by_request.map(|info| info.name).or_else(by_handshake)
}

/// Where a client finds an answer's long text.
///
/// In JSON it would arrive with its line breaks and quotes escaped, so a model is to be shown the text block.
/// Clients that show the structure wherever there is one therefore get none with it. All others get both:
/// those whose model sees the text pass the structure on to no one, and programs have the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In the text block alone.
    Text,
    /// In the text block, and in the structured content, for programs.
    TextAndStructure,
}

impl Form {
    /// For the client of that name.
    pub fn of(client: Option<&str>) -> Self {
        let shows_structure = |name: &str| {
            SHOW_STRUCTURE
                .iter()
                .any(|with| name.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with)))
        };
        if client.is_some_and(shows_structure) { Self::Text } else { Self::TextAndStructure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_hide_the_text_behind_the_structure_are_known_by_their_names() {
        for name in ["claude-code", "codex-mcp-client", "Codex"] {
            assert_eq!(Form::of(Some(name)), Form::Text, "{name}");
        }
        for name in ["opencode", "gemini-cli-mcp-client", "mcp", "", "çlaude", "cod"] {
            assert_eq!(Form::of(Some(name)), Form::TextAndStructure, "{name}");
        }
        assert_eq!(Form::of(None), Form::TextAndStructure);
    }
}
