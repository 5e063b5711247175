//! A configuration in JSON with comments, changed in place: what is not the entry stays as it is, comments,
//! blanks and line ends included.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde::de::IgnoredAny;
use serde_json::Value;

/// The document as a tree with every byte of the text in it.
pub fn parsed(text: &str, comments: bool, trailing_commas: bool) -> Result<CstRootNode, String> {
    let options = ParseOptions {
        allow_comments: comments,
        allow_trailing_commas: trailing_commas,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let document = CstRootNode::parse(text, &options).map_err(|error| wrong(&error))?;
    // The tree takes comments whatever is allowed.
    if !comments {
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| wrong(&error))?;
    }
    Ok(document)
}

fn wrong(error: &dyn std::fmt::Display) -> String {
    format!("is not the JSON that it is to be: {error}")
}

/// What it says, as a value.
pub fn value(document: &CstRootNode) -> Option<Value> {
    document.to_serde_value()
}

/// The text with the entry as the last of the servers.
pub fn with(document: &CstRootNode, servers: &str, name: &str, entry: &Value) -> Result<String, String> {
    let all = object(document)?;
    single(&all, servers)?;
    let all = all.object_value_or_create(servers).ok_or_else(|| not_an_object(servers))?;
    all.append(name, input(entry));
    Ok(document.to_string())
}

/// The text without the entry, and without the servers where none is left that were `made` for it.
pub fn without(document: &CstRootNode, servers: &str, name: &str, made: bool) -> Result<String, String> {
    let all = object(document)?;
    single(&all, servers)?;
    let of_servers = all.object_value(servers).ok_or_else(|| not_an_object(servers))?;
    single(&of_servers, name)?;
    if let Some(entry) = of_servers.get(name) {
        entry.remove();
    }
    if made && of_servers.properties().is_empty() {
        all.get(servers).into_iter().for_each(|property| property.remove());
    }
    Ok(document.to_string())
}

fn object(document: &CstRootNode) -> Result<CstObject, String> {
    document.object_value().ok_or_else(|| "is not a JSON object".to_owned())
}

/// Where a key is there twice, clients do not agree on which of them counts.
fn single(object: &CstObject, key: &str) -> Result<(), String> {
    let is_it = |name: &Option<String>| name.as_deref() == Some(key);
    match object.properties().iter().map(|property| property.decoded_name()).filter(is_it).count() {
        0 | 1 => Ok(()),
        _ => Err(format!("has `{key}` twice")),
    }
}

fn not_an_object(servers: &str) -> String {
    format!("has `{servers}`, and it is not an object")
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(it) => CstInputValue::Bool(*it),
        Value::Number(it) => CstInputValue::Number(it.to_string()),
        Value::String(it) => CstInputValue::String(it.clone()),
        Value::Array(all) => CstInputValue::Array(all.iter().map(input).collect()),
        Value::Object(all) => {
            CstInputValue::Object(all.iter().map(|(key, it)| (key.clone(), input(it))).collect())
        }
    }
}
