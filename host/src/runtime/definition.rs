//! The definitions of a plugin's tools: data with a budget, read once in time linear in its bytes. What is beyond a
//! bound, or could have whoever reads a schema run it, is refused before anything uses it.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::value::RawValue;

use super::schema::{self, Root};
use crate::error::ToolError;
use crate::escape::Escaped;
use crate::imports::bindings::exports::pod::tools::tools as wit;

/// Tools of one plugin.
const MAX_TOOLS: usize = 64;
/// Bytes of a name: the Model Context Protocol's bound, with its characters.
const MAX_NAME: usize = 128;
/// Bytes of a description.
const MAX_DESCRIPTION: usize = 16 << 10;
/// Bytes of all definitions together.
const MAX_BYTES: usize = 1 << 20;
/// What a host adds to a structured answer by itself.
const SUMMARY: &str = "summary";

/// What a tool does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Effects {
    /// It changes nothing that another call or program could see.
    pub read_only: bool,
    /// What it does cannot be taken back.
    pub destructive: bool,
    /// Doing it twice is the same as doing it once.
    pub idempotent: bool,
}

/// A tool, as it is shown to a model.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Definition {
    /// The tool's name: 1 to 128 ASCII letters, digits, `_`, `-` and `.`; no other tool of the plugin has it.
    pub name: String,
    /// What it is for. At most 16 KiB.
    pub description: String,
    /// JSON Schema of its input: an object of the type `object`, with no reference and no pattern in it; at most
    /// 64 KiB, 10,000 values, and 32 levels deep.
    pub input_schema: Box<RawValue>,
    /// JSON Schema of [`Output::data`](super::Output::data): an object, within the same bounds.
    pub data_schema: Box<RawValue>,
    /// The member of [`Output::data`](super::Output::data) in which a caller that gives both as one object puts
    /// [`Output::content`](super::Output::content). Formed as a name is.
    pub content_property: Option<String>,
    /// What it does to the world.
    pub effects: Effects,
}

/// All that a plugin says of its tools, or why it is refused.
pub(super) fn parse(given: Vec<wit::Definition>) -> Result<Vec<Definition>, ToolError> {
    if given.len() > MAX_TOOLS {
        return Err(refused(format!("it has {} tools; at most {MAX_TOOLS} are taken", given.len())));
    }
    let bytes: usize = given.iter().map(size).sum();
    if bytes > MAX_BYTES {
        return Err(refused(format!("its definitions have {bytes} bytes; at most {MAX_BYTES} are taken")));
    }
    let mut names = BTreeSet::new();
    let mut definitions = Vec::with_capacity(given.len());
    for (number, tool) in (1..).zip(given) {
        if !is_name(&tool.name) {
            return Err(refused(format!(
                "the name of its tool {number} is not 1 to {MAX_NAME} ASCII letters, digits, `_`, `-` and `.`"
            )));
        }
        if !names.insert(tool.name.clone()) {
            return Err(refused(format!("it has two tools named `{}`", tool.name)));
        }
        let name = tool.name.clone();
        let definition = definition(tool).map_err(|why| refused(format!("its tool `{name}`: {why}")))?;
        definitions.push(definition);
    }
    Ok(definitions)
}

fn definition(tool: wit::Definition) -> Result<Definition, String> {
    let described = tool.description.len();
    if described > MAX_DESCRIPTION {
        return Err(format!("its description has {described} bytes; at most {MAX_DESCRIPTION} are taken"));
    }
    if let Some(property) = &tool.content_property
        && (!is_name(property) || property == SUMMARY)
    {
        let property: String = property.chars().take(MAX_NAME).collect();
        return Err(format!(
            "its content property `{}` is no name, or one that is taken",
            Escaped(&property)
        ));
    }
    let input_schema = schema::parse(tool.input_schema, Root::OfTypeObject)
        .map_err(|why| format!("its input schema {why}"))?;
    let data_schema =
        schema::parse(tool.data_schema, Root::Any).map_err(|why| format!("its data schema {why}"))?;
    Ok(Definition {
        name: tool.name,
        description: tool.description,
        input_schema,
        data_schema,
        content_property: tool.content_property,
        effects: Effects {
            read_only: tool.effects.read_only,
            destructive: tool.effects.destructive,
            idempotent: tool.effects.idempotent,
        },
    })
}

fn size(tool: &wit::Definition) -> usize {
    let property = tool.content_property.as_ref().map_or(0, String::len);
    tool.name.len() + tool.description.len() + tool.input_schema.len() + tool.data_schema.len() + property
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(fits)
}

fn refused(why: String) -> ToolError {
    ToolError::internal(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: &str = r#"{"type":"object"}"#;

    fn tool(name: &str) -> wit::Definition {
        wit::Definition {
            name: name.into(),
            description: "does nothing".into(),
            input_schema: INPUT.into(),
            data_schema: INPUT.into(),
            content_property: None,
            effects: wit::Effects { read_only: true, destructive: false, idempotent: true },
        }
    }

    #[track_caller]
    fn refuses(tools: Vec<wit::Definition>, words: &str) {
        let error = parse(tools).unwrap_err();
        assert!(error.message.contains(words), "{error}");
        assert!(error.message.len() < 1024, "{} bytes", error.message.len());
    }

    #[test]
    fn what_is_within_the_bounds_is_taken() {
        let longest = "a".repeat(MAX_NAME);
        let mut tools: Vec<_> = (1..MAX_TOOLS).map(|number| tool(&format!("a.B_-{number}"))).collect();
        tools.push(tool(&longest));
        assert_eq!(parse(tools).unwrap().len(), MAX_TOOLS);
    }

    #[test]
    fn too_many_tools_are_refused_and_so_are_two_of_one_name() {
        refuses((0..=MAX_TOOLS).map(|number| tool(&number.to_string())).collect(), "at most 64");
        refuses(vec![tool("a"), tool("b"), tool("a")], "two tools named `a`");
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        for name in ["", "a b", "ä", "a\n", "a/b", "\u{202e}a", &"a".repeat(MAX_NAME + 1)] {
            refuses(vec![tool(name)], "the name of its tool 1");
        }
    }

    #[test]
    fn texts_beyond_their_bounds_are_refused() {
        let described = |bytes| wit::Definition { description: "x".repeat(bytes), ..tool("a") };
        assert!(parse(vec![described(MAX_DESCRIPTION)]).is_ok());
        refuses(vec![described(MAX_DESCRIPTION + 1)], "its description has 16385 bytes; at most 16384");
        let padded = format!("{INPUT}{}", " ".repeat(60 << 10));
        let large =
            |number: usize| wit::Definition { input_schema: padded.clone(), ..tool(&format!("t{number}")) };
        refuses((0..20).map(large).collect(), "at most 1048576");
        for property in ["summary", "", "a b"] {
            let taken = wit::Definition { content_property: Some(property.into()), ..tool("a") };
            refuses(vec![taken], "content property");
        }
    }

    #[test]
    fn the_error_of_a_schema_names_the_tool_and_which_schema() {
        let bad = wit::Definition { input_schema: "[]".into(), ..tool("one") };
        refuses(vec![bad], "its tool `one`: its input schema is not a JSON object");
        let bad = wit::Definition { data_schema: r##"{"$ref":"#"}"##.into(), ..tool("two") };
        refuses(vec![bad], "its tool `two`: its data schema has a `$ref`");
    }
}
