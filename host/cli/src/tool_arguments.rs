//! The arguments of a tool as a person writes them: JSON, or `KEY=VALUE` of the types that the tool's input schema has.

use pod_tools_host::Definition;
use serde_json::{Map, Value};

use crate::alike::did_you_mean;

/// What stands for standard input, whole or as one value.
const STDIN: &str = "-";

/// Why words are no arguments.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentFault {
    #[error("`{0}` is no KEY=VALUE; give one JSON object, or KEY=VALUE for each argument")]
    NoPair(String),
    #[error("{tool} has no argument `{key}`{meant}; it has {known}", known = if .known.is_empty() { "none".to_owned() } else { .known.join(", ") })]
    NoSuch { tool: String, key: String, meant: String, known: Vec<String> },
    #[error("`{0}` is given twice")]
    Twice(String),
    #[error("`{key}` is {wanted}, and `{value}` is none; such as {key}={such}")]
    Type { key: String, value: String, wanted: &'static str, such: &'static str },
    #[error("standard input can be read once, and is named twice")]
    InputTwice,
}

/// What was written behind the tool's name.
#[derive(Debug)]
pub struct Words<'a> {
    words: &'a [String],
}

impl<'a> Words<'a> {
    pub fn of(words: &'a [String]) -> Self {
        Self { words }
    }

    /// Whether standard input is among them.
    pub fn ask_for_input(&self) -> bool {
        self.words.iter().any(|word| word == STDIN || pair(word).is_some_and(|(_, value)| value == STDIN))
    }

    /// The input as JSON, by the input schema of the tool, where there is such a tool. `stdin` is what standard input said.
    pub fn to_json(
        &self,
        tool: &str,
        schema: Option<&Value>,
        stdin: Option<&str>,
    ) -> Result<String, ArgumentFault> {
        match self.words {
            [] => return Ok(String::new()),
            [only] if only == STDIN => return Ok(stdin.unwrap_or_default().to_owned()),
            // Whatever it is, the plugin says what is wrong with it. Some shells and editors put the mark before it.
            [only] if pair(only).is_none() => return Ok(only.trim_start_matches('\u{feff}').to_owned()),
            _ => {}
        }
        let properties = schema.and_then(|schema| schema["properties"].as_object());
        let mut object = Map::new();
        let mut stdin = stdin;
        for word in self.words {
            let (key, value) = pair(word).ok_or_else(|| ArgumentFault::NoPair(word.clone()))?;
            let property = properties.map(|known| {
                known.get(key).ok_or_else(|| ArgumentFault::NoSuch {
                    tool: tool.to_owned(),
                    key: key.to_owned(),
                    meant: did_you_mean(key, known.keys().map(String::as_str)),
                    known: known.keys().cloned().collect(),
                })
            });
            let property = property.transpose()?.unwrap_or(&Value::Null);
            let value = match value {
                STDIN => stdin.take().ok_or(ArgumentFault::InputTwice)?.trim_end_matches('\n'),
                value => value,
            };
            let value = typed(key, value, kind_of(property))?;
            if let (Some(Value::Array(earlier)), Value::Array(more)) = (object.get_mut(key), &value) {
                earlier.extend(more.iter().cloned());
            } else if object.insert(key.to_owned(), value).is_some() {
                return Err(ArgumentFault::Twice(key.to_owned()));
            }
        }
        Ok(Value::Object(object).to_string())
    }
}

/// A right call of a tool: with all that it needs, and nothing else.
pub fn example(tool: &Definition) -> String {
    let schema: Value = serde_json::from_str(tool.input_schema.get()).unwrap_or_default();
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let object: Map<String, Value> = required
        .iter()
        .filter_map(Value::as_str)
        .map(|key| (key.to_owned(), placeholder(key, &schema["properties"][key])))
        .collect();
    if object.is_empty() {
        return format!("pod-tools call {}", tool.name);
    }
    format!("pod-tools call {} '{}'", tool.name, Value::Object(object))
}

fn placeholder(key: &str, property: &Value) -> Value {
    if let Some(first) = property["examples"].get(0).or_else(|| property["enum"].get(0)) {
        return first.clone();
    }
    let word = Value::String(key.trim_end_matches('s').to_uppercase());
    match kind_of(property) {
        "integer" | "number" => 5.into(),
        "boolean" => true.into(),
        "array" => Value::Array(vec![word]),
        _ => Value::String(key.to_uppercase()),
    }
}

/// The type of a property, the first that is not `null`; a text where nothing is said.
pub fn kind_of(property: &Value) -> &str {
    let types = &property["type"];
    let listed = types.as_array().into_iter().flatten().filter_map(Value::as_str);
    let variants = property["anyOf"].as_array().into_iter().flatten().filter_map(|one| one["type"].as_str());
    types.as_str().or_else(|| listed.chain(variants).find(|kind| *kind != "null")).unwrap_or("string")
}

fn typed(key: &str, value: &str, kind: &str) -> Result<Value, ArgumentFault> {
    let wrong =
        |wanted, such| ArgumentFault::Type { key: key.to_owned(), value: value.to_owned(), wanted, such };
    match kind {
        "integer" => value.parse::<i64>().map(Value::from).map_err(|_| wrong("an integer", "5")),
        "number" => {
            serde_json::from_str(value).ok().filter(Value::is_number).ok_or_else(|| wrong("a number", "0.5"))
        }
        "boolean" => value.parse::<bool>().map(Value::from).map_err(|_| wrong("true or false", "true")),
        "array" => Ok(value.split(',').filter(|one| !one.is_empty()).map(Value::from).collect()),
        "object" => serde_json::from_str(value).map_err(|_| wrong("a JSON object", "{}")),
        _ => Ok(value.into()),
    }
}

/// A key is a word; anything else is JSON, or wrong.
fn pair(word: &str) -> Option<(&str, &str)> {
    let (key, value) = word.split_once('=')?;
    let is_word = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    (is_word && !key.is_empty()).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<String, ArgumentFault> {
        let schema = r#"{"type":"object","required":["names"],"properties":{"names":{"type":"array"},
            "wait_seconds":{"type":["integer","null"]},"descendants":{"type":"boolean"},"message":{"type":"string"}}}"#;
        let schema: Value = serde_json::from_str(schema).unwrap();
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Words::of(&words).to_json("Tool", Some(&schema), Some("from input\n"))
    }

    #[test]
    fn words_have_the_types_of_the_schema() {
        let all = ["names=a,b", "names=c", "wait_seconds=5", "descendants=true", "message=a=b 1"];
        assert_eq!(
            read(&all).unwrap(),
            r#"{"names":["a","b","c"],"wait_seconds":5,"descendants":true,"message":"a=b 1"}"#
        );
        assert_eq!(read(&["message=-"]).unwrap(), r#"{"message":"from input"}"#);
        assert_eq!(read(&["-"]).unwrap(), "from input\n");
        assert_eq!(read(&[r#"{"a":"b=c"}"#]).unwrap(), r#"{"a":"b=c"}"#);
        assert_eq!(read(&["\u{feff}{}"]).unwrap(), "{}");
        assert_eq!(read(&[]).unwrap(), "");
    }

    #[test]
    fn words_that_are_wrong_say_why() {
        for (words, why) in [
            (
                &["wait_seconds=soon"][..],
                "`wait_seconds` is an integer, and `soon` is none; such as wait_seconds=5",
            ),
            (&["descendants=yes"], "true or false"),
            (&["mesage=x"], "did you mean `message`?"),
            (&["message=x", "message=y"], "twice"),
            (&["{}", "{}"], "`{}` is no KEY=VALUE"),
            (&["message=-", "names=-"], "named twice"),
        ] {
            let error = read(words).unwrap_err().to_string();
            assert!(error.contains(why), "{words:?}: {error}");
        }
    }
}
