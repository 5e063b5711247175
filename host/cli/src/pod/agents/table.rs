//! The table of agents: ours, which is part of the program, and files of the same form. All that is wrong with a file is
//! told with its line and column.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::template::{Template, is_name};
use crate::places::{Position, Positions};
use crate::pod::environment::Handed;

/// The table that is part of the program.
const OURS: &str = include_str!("agents.toml");
/// Its name in errors.
const NAME_OF_OURS: &str = "agents.toml";
/// The word in the place of an agent's name that shows the table.
pub const LIST: &str = "list";
/// A table has some dozens of lines; more than this is none.
const MAX_BYTES: u64 = 256 << 10;
/// The longest name.
const MAX_NAME: usize = 64;

/// A file that is no table of agents.
#[derive(Debug, thiserror::Error)]
#[error("{}:{} {why}", .path.display(), Place(*.at))]
pub struct NoTable {
    path: PathBuf,
    at: Option<Position>,
    why: String,
}

struct Place(Option<Position>);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |Position { line, column }| write!(f, "{line}:{column}:"))
    }
}

/// Agents by their names.
#[derive(Debug)]
pub struct Table(pub BTreeMap<String, Preset>);

/// What is known of an agent.
#[derive(Debug)]
pub struct Preset {
    pub about: String,
    pub install: String,
    /// The program, found by `PATH`.
    pub program: Template,
    pub arguments: Vec<Template>,
    pub memory: Memory,
    pub env: Vec<Handed>,
    pub fence: Needs,
}

/// How it remembers from one message to the next.
#[derive(Debug)]
pub enum Memory {
    /// It does not.
    None,
    /// It is started once, and speaks the Agent Client Protocol.
    Acp,
    /// It is run for each message, with arguments that name the conversation.
    Arguments(Conversation),
}

/// The arguments that name a conversation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Conversation {
    pub first: Vec<Template>,
    pub later: Vec<Template>,
    pub begun: Option<Template>,
}

/// What it needs behind a fence.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Needs {
    #[serde(default)]
    pub also: Vec<Also>,
    #[serde(default)]
    pub connect_ports: Vec<Port>,
    #[serde(default)]
    pub set: BTreeMap<Variable, Template>,
    pub impossible: Option<String>,
}

/// What it may touch beside the scope.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Also {
    pub write: bool,
    pub path: Template,
}

/// A TCP port.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u16")]
pub struct Port(pub u16);

/// The name of a variable of an environment.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Variable(pub String);

/// An agent as it stands in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    about: String,
    install: String,
    command: Spanned<Vec<Template>>,
    #[serde(default)]
    acp: bool,
    conversation: Option<Spanned<Conversation>>,
    #[serde(default)]
    env: Vec<Variable>,
    #[serde(default)]
    fence: Needs,
}

impl Table {
    /// Ours, with those of a file of the caller's.
    pub fn with(file: Option<&Path>) -> Result<Table, NoTable> {
        let mut table = parse(Path::new(NAME_OF_OURS), OURS)?;
        if let Some(path) = file {
            table.0.extend(parse(path, &read(path)?)?.0);
        }
        Ok(table)
    }
}

/// Reads a file that nobody but its owner writes: it says what is run.
fn read(path: &Path) -> Result<String, NoTable> {
    let failed = |why: String| NoTable { path: path.to_owned(), at: None, why };
    let cannot = |error: std::io::Error| failed(format!("cannot be read: {error}"));
    let (file, exposure) = pod_tools_host::open_with_exposure(path).map_err(cannot)?;
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(failed("is not a regular file; name a file of agents".to_owned()));
    }
    if let Some(exposure) = exposure {
        return Err(failed(format!("is not believed: {exposure}")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(failed(format!("has more than {MAX_BYTES} bytes; a file of agents has some thousand")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = Positions::of(error.as_bytes()).at(error.utf8_error().valid_up_to());
        let why = "is not UTF-8, as TOML has to be; save the file as UTF-8".to_owned();
        NoTable { path: path.to_owned(), at: Some(at), why }
    })
}

fn parse(path: &Path, text: &str) -> Result<Table, NoTable> {
    let places = Positions::of(text.as_bytes());
    let fault = |span: Option<Range<usize>>, why: String| NoTable {
        path: path.to_owned(),
        at: span.map(|span| places.at(span.start)),
        why,
    };
    let entries: BTreeMap<Spanned<String>, Entry> =
        toml::from_str(text).map_err(|error| fault(error.span(), error.message().to_owned()))?;
    let mut table = BTreeMap::new();
    for (name, entry) in entries {
        if !is_agents_name(name.get_ref()) {
            let why = format!(
                "`{}` names no agent: a name has at most {MAX_NAME} of a–z, 0–9, `-` and `_`, and is not `{LIST}`",
                name.get_ref().escape_debug()
            );
            return Err(fault(Some(name.span()), why));
        }
        let preset = entry.understood().map_err(|(span, why)| fault(Some(span), why.to_owned()))?;
        table.insert(name.into_inner(), preset);
    }
    Ok(Table(table))
}

fn is_agents_name(name: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_one) && name != LIST
}

impl Entry {
    fn understood(self) -> Result<Preset, (Range<usize>, &'static str)> {
        let span = self.command.span();
        let mut words = self.command.into_inner().into_iter();
        let program =
            words.next().ok_or((span, "`command` is empty; write the program, and its arguments"))?;
        let memory = match (self.acp, self.conversation) {
            (false, None) => Memory::None,
            (true, None) => Memory::Acp,
            (false, Some(conversation)) => Memory::Arguments(conversation.into_inner()),
            (true, Some(conversation)) => {
                let why = "an agent with `acp = true` keeps its conversation itself; take one of the two out";
                return Err((conversation.span(), why));
            }
        };
        Ok(Preset {
            about: self.about,
            install: self.install,
            program,
            arguments: words.collect(),
            memory,
            env: self.env.into_iter().map(|Variable(name)| Handed::Named(name)).collect(),
            fence: self.fence,
        })
    }
}

impl TryFrom<String> for Also {
    type Error = String;

    fn try_from(text: String) -> Result<Also, String> {
        let form = || "it is `read:PATH` or `write:DIR`".to_owned();
        let (kind, path) = text.split_once(':').ok_or_else(form)?;
        let write = match kind {
            "read" => false,
            "write" => true,
            _ => return Err(form()),
        };
        let path = Template::try_from(path.to_owned()).map_err(|fault| fault.to_string())?;
        Ok(Also { write, path })
    }
}

impl TryFrom<u16> for Port {
    type Error = &'static str;

    fn try_from(port: u16) -> Result<Port, &'static str> {
        if port == 0 { Err("a port is a number from 1 to 65535") } else { Ok(Port(port)) }
    }
}

impl TryFrom<String> for Variable {
    type Error = String;

    fn try_from(name: String) -> Result<Variable, String> {
        if is_name(&name) {
            return Ok(Variable(name));
        }
        Err(format!(
            "`{}` is no name of a variable; write the name alone, without a value",
            name.escape_debug()
        ))
    }
}

#[cfg(test)]
#[path = "table_test.rs"]
mod tests;
