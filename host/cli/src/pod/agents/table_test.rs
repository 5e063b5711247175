//! What is read of a table of agents, and what is wrong with one and where.

use super::*;

const AGENT: &str = "[x]\nabout = 'a'\ninstall = 'i'\ncommand = ['c']\n";

fn fault(text: &str) -> String {
    parse(Path::new("f"), text).unwrap_err().to_string()
}

#[test]
fn ours_can_be_read_and_has_the_agents_that_people_have() {
    let table = Table::with(None).unwrap().0;
    for name in ["claude", "codex", "gemini", "goose", "opencode"] {
        let preset = &table[name];
        assert!(!matches!(preset.memory, Memory::None), "{name} forgets");
        let needs = !preset.fence.also.is_empty();
        assert!(!preset.install.is_empty() && needs != preset.fence.impossible.is_some(), "{name}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_column() {
    let mut others = Vec::new();
    for (text, told) in [
        ("[x\n".to_owned(), "f:1:"),
        (format!("{AGENT}acp = 'yes'\n"), "f:5:7: invalid type"),
        (format!("{AGENT}comand = []\n"), "f:5:1: unknown field `comand`"),
        ("[x]\nabout = 'a'\ninstall = 'i'\n".to_owned(), "f:1:1: missing field `command`"),
        (AGENT.replace("['c']", "[]"), "f:4:11: `command` is empty"),
        (AGENT.replace("'c'", "'c', '${A'"), "f:4:11: `${` has no `}`"),
        (AGENT.replace("[x]", "[X]"), "f:1:2: `X` names no agent"),
        (AGENT.replace("[x]", "[list]"), "f:1:2: `list` names no agent"),
        (format!("{AGENT}env = ['A=b']\n"), "f:5:7: `A=b` is no name of a variable"),
        (
            format!("{AGENT}[x.fence]\nalso = ['read:/', 'all:/']\n"),
            "f:6:8: it is `read:PATH` or `write:DIR`",
        ),
        (format!("{AGENT}[x.fence]\nconnect-ports = [443, 0]\n"), "f:6:17: a port is a number"),
        (format!("{AGENT}[x.fence]\nset = {{ 'A=' = 'b' }}\n"), "f:6:9: `A=` is no name"),
        (
            format!("{AGENT}acp = true\n[x.conversation]\nfirst = []\nlater = []\n"),
            "f:6:1: an agent with `acp = true`",
        ),
    ] {
        let fault = fault(&text);
        if !fault.starts_with(told) {
            others.push(format!("{text}{told}, not {fault}"));
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}
