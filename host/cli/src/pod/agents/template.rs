//! Words of a table of agents that have variables in them: `~/.claude`, `${CODEX_HOME:-~/.codex}`.

use std::ffi::{OsStr, OsString};
use std::fmt;

use serde::Deserialize;

/// A word that is read once, and expanded where its variables are known.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The directory of the user: a `~` at the beginning of a word.
    Home,
    Variable {
        name: String,
        instead: Option<Vec<Part>>,
    },
}

/// What is wrong with a word.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTemplate {
    #[error("`${{` has no `}}` behind it")]
    Open,
    #[error(
        "`${{{0}}}` names no variable; a name has letters, digits and `_`, and no digit at its beginning"
    )]
    Name(String),
    #[error("it has a zero byte, which no program can be given")]
    Zero,
}

/// A variable that is not set, and has nothing in its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` needs the variable {name}, which is not set")]
pub struct NoValue {
    pub word: String,
    pub name: String,
}

impl Template {
    /// The word, with the values of its variables; `value` tells that of a name, `None` where it is not set or empty.
    pub fn expand(&self, value: &dyn Fn(&str) -> Option<OsString>) -> Result<OsString, NoValue> {
        let mut word = OsString::new();
        match expand(&self.parts, value, &mut word) {
            Ok(()) => Ok(word),
            Err(name) => Err(NoValue { word: self.text.clone(), name: name.to_owned() }),
        }
    }
}

fn expand<'a>(
    parts: &'a [Part],
    value: &dyn Fn(&str) -> Option<OsString>,
    word: &mut OsString,
) -> Result<(), &'a str> {
    for part in parts {
        match part {
            Part::Text(text) => word.push(text),
            Part::Home => word.push(value("HOME").ok_or("HOME")?),
            Part::Variable { name, instead } => match (value(name), instead) {
                (Some(value), _) => word.push(value),
                (None, Some(instead)) => expand(instead, value, word)?,
                (None, None) => return Err(name),
            },
        }
    }
    Ok(())
}

impl TryFrom<String> for Template {
    type Error = NoTemplate;

    fn try_from(text: String) -> Result<Template, NoTemplate> {
        if text.contains('\0') {
            return Err(NoTemplate::Zero);
        }
        let mut parts = Vec::new();
        let mut rest = after_home(&text, &mut parts);
        while let Some((before, variable)) = rest.split_once("${") {
            let (variable, behind) = variable.split_once('}').ok_or(NoTemplate::Open)?;
            push_text(before, &mut parts);
            let (name, instead) = match variable.split_once(":-") {
                None => (variable, None),
                Some((name, instead)) => {
                    let mut of_it = Vec::new();
                    push_text(after_home(instead, &mut of_it), &mut of_it);
                    (name, Some(of_it))
                }
            };
            if !is_name(name) {
                return Err(NoTemplate::Name(name.to_owned()));
            }
            parts.push(Part::Variable { name: name.to_owned(), instead });
            rest = behind;
        }
        push_text(rest, &mut parts);
        Ok(Template { text, parts })
    }
}

/// Takes a `~` off the beginning of a word, if that is a directory's.
fn after_home<'a>(word: &'a str, parts: &mut Vec<Part>) -> &'a str {
    match word.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            parts.push(Part::Home);
            rest
        }
        _ => word,
    }
}

fn push_text(text: &str, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

/// Whether a variable of an environment may have this name.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// A variable of the environment; an empty one is one that is not set.
pub fn of_environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| value != OsStr::new(""))
}

/// As it is written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(word: &str) -> Result<String, String> {
        let template = Template::try_from(word.to_owned()).map_err(|fault| fault.to_string())?;
        let value = |name: &str| match name {
            "HOME" => Some("/home/me".into()),
            "SET" => Some("value".into()),
            _ => None,
        };
        let word = template.expand(&value).map_err(|fault| fault.to_string())?;
        Ok(word.into_string().unwrap())
    }

    #[test]
    fn a_word_is_what_its_variables_say() {
        for (word, meant) in [
            ("--print", "--print"),
            ("", ""),
            ("~", "/home/me"),
            ("~/.x", "/home/me/.x"),
            ("~you/.x", "~you/.x"),
            ("a~/b", "a~/b"),
            ("${SET}", "value"),
            ("a${SET}b${SET}", "avaluebvalue"),
            ("${SET:-other}/x", "value/x"),
            ("${NONE:-~/.x}/y", "/home/me/.x/y"),
            ("${NONE:-~}/y", "/home/me/y"),
            ("${NONE:-}", ""),
            ("$SET costs 5$", "$SET costs 5$"),
        ] {
            assert_eq!(expanded(word).as_deref(), Ok(meant), "{word}");
        }
    }

    #[test]
    fn a_variable_that_is_missing_is_named_and_so_is_a_word_that_is_none() {
        for (word, fault) in [
            ("x${NONE}", "`x${NONE}` needs the variable NONE, which is not set"),
            ("${SET", "`${` has no `}` behind it"),
            ("${2}", "`${2}` names no variable"),
            ("${}", "`${}` names no variable"),
            ("${A B:-c}", "`${A B}` names no variable"),
            ("a\0b", "it has a zero byte"),
        ] {
            let told = expanded(word).unwrap_err();
            assert!(told.starts_with(fault), "{word:?}: {told}");
        }
    }
}
