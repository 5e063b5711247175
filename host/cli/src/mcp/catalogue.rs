//! The component's tools in the protocol's terms. A call's arguments are checked by the
//! plugin: no schema is run here.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use pod_tools_host::Definition;
use rmcp::model::{JsonObject, MetaObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::client::Form;

/// The member of structured content that is the answer's summary.
pub const SUMMARY: &str = "summary";
/// Asks Claude Code to show the tool to its model at once, and not only behind a search.
const ALWAYS_LOAD: &str = "anthropic/alwaysLoad";

/// All tools, in the component's order.
#[derive(Debug)]
pub struct Catalogue {
    shown: Vec<Tool>,
    /// The same for clients that get long text without structure: what answers without structure promises
    /// none.
    shown_for_text: Vec<Tool>,
    entries: HashMap<String, Entry>,
}

/// One tool.
#[derive(Debug)]
pub struct Entry {
    position: usize,
    /// Where a structured result holds the content.
    content_property: Option<String>,
    structured: bool,
}

impl Catalogue {
    /// Fails where a schema is none, which is the component's fault.
    pub fn new(definitions: &[Definition]) -> anyhow::Result<Self> {
        let mut catalogue = Self { shown: Vec::new(), shown_for_text: Vec::new(), entries: HashMap::new() };
        for definition in definitions {
            let name = definition.name.clone();
            let (tool, entry) = entry(definition, catalogue.shown.len())
                .with_context(|| format!("the component's tool `{name}` cannot be offered"))?;
            let mut for_text = tool.clone();
            if entry.structure(Form::Text).is_none() {
                for_text.output_schema = None;
            }
            catalogue.shown.push(tool);
            catalogue.shown_for_text.push(for_text);
            catalogue.entries.insert(name, entry);
        }
        Ok(catalogue)
    }

    /// The tools as they are shown to a client that gets answers in that form.
    pub fn shown(&self, form: Form) -> &[Tool] {
        match form {
            Form::Text => &self.shown_for_text,
            Form::TextAndStructure => &self.shown,
        }
    }

    /// The tool of that name, as it is shown.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.shown.get(self.entries.get(name)?.position)
    }

    /// The tool of that name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }
}

impl Entry {
    /// Whether results in that form have structured content; under which property it holds the text, if any.
    pub fn structure(&self, form: Form) -> Option<Option<&str>> {
        let property = self.content_property.as_deref();
        let left_out = form == Form::Text && property.is_some();
        (self.structured && !left_out).then_some(property)
    }
}

fn entry(definition: &Definition, position: usize) -> anyhow::Result<(Tool, Entry)> {
    let input: JsonObject =
        serde_json::from_str(definition.input_schema.get()).context("its input schema is not an object")?;
    let input = with_properties(input);
    let effects = definition.effects;
    let annotations = ToolAnnotations::new()
        .read_only(effects.read_only)
        .destructive(effects.destructive)
        .idempotent(effects.idempotent)
        // The tools' world is the pods of this machine that were granted; what they say, they say anyway.
        .open_world(false);
    let content_property = definition.content_property.clone();
    let data: JsonObject =
        serde_json::from_str(definition.data_schema.get()).context("its data schema is not an object")?;
    let structured = data.get("type") == Some(&json!("object"));
    let mut tool = Tool::new(definition.name.clone(), definition.description.clone(), Arc::new(input))
        .with_annotations(annotations);
    let mut meta = MetaObject::new();
    meta.insert(ALWAYS_LOAD.to_owned(), Value::Bool(true));
    tool = tool.with_meta(meta);
    if structured {
        let output = with_properties(completed(data, content_property.as_deref()));
        tool = tool.with_raw_output_schema(Arc::new(output));
    }
    Ok((tool, Entry { position, content_property, structured }))
}

/// A schema of objects names their properties, also where there are none: some models take no other.
fn with_properties(mut schema: JsonObject) -> JsonObject {
    if schema.get("type") == Some(&json!("object")) {
        schema.entry("properties").or_insert_with(|| json!({}));
    }
    schema
}

/// The schema of a structured result: that of the data, and the summary and the text as further properties.
fn completed(mut data: JsonObject, text: Option<&str>) -> JsonObject {
    let summary = (SUMMARY, "What came of the call, in a line.");
    let text = text.map(|property| (property, "The text that was asked for; empty: there is none."));
    for (property, description) in std::iter::once(summary).chain(text) {
        if let Value::Object(properties) = data.entry("properties").or_insert_with(|| json!({})) {
            let schema = json!({ "type": "string", "description": description });
            properties.insert(property.to_owned(), schema);
        }
        if let Value::Array(required) = data.entry("required").or_insert_with(|| json!([])) {
            required.push(Value::from(property));
        }
    }
    data
}
