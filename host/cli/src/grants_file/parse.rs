//! From the text of a grants file to what it grants: everything that is wrong with it is found at once.

use std::ops::Range;
use std::path::{Path, PathBuf};

use pod_tools_host::{Grant, GrantParseError, Verb};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::fault::{Fault, GrantsFileError, Position, Positions, fault};
use super::file::{Content, GrantsFile, Placed};
use crate::limit_options::{GivenLimit, LIMITS};

const GRANTS: &str = "grants";
const ALLOW_SOCKETS: &str = "allow-sockets";
const TABLE_OF_LIMITS: &str = "limits";
const KEYS: [&str; 3] = [GRANTS, ALLOW_SOCKETS, TABLE_OF_LIMITS];

/// How alike two words must be for one to have been meant by the other: as clap has it.
const ALIKE: f64 = 0.7;

impl GrantsFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its line and column.
    pub fn read(path: &Path) -> Result<Self, GrantsFileError> {
        Self::understand(path, &Content::read(path)?)
    }

    /// Checks what was read of the file at `path`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its line and column.
    pub fn understand(path: &Path, content: &Content) -> Result<Self, GrantsFileError> {
        parse(path, &content.bytes).map_err(|faults| GrantsFileError { path: path.to_owned(), faults })
    }
}

/// Reads the text of the file at `path`.
fn parse(path: &Path, bytes: &[u8]) -> Result<GrantsFile, Vec<Fault>> {
    let places = Positions::of(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = places.at(error.valid_up_to());
        vec![fault(Some(at), "is not UTF-8, as TOML has to be; save the file as UTF-8")]
    })?;
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { places, faults: Vec::new() };
    for error in errors {
        reader.fault(error.span().unwrap_or_default(), format!("is not TOML: {}", error.message()));
    }
    // What is left of a text that is not TOML would be found wrong for what is missing.
    if reader.faults.is_empty() {
        let file = reader.file(path, table.get_ref());
        if reader.faults.is_empty() {
            return Ok(file);
        }
    }
    reader.faults.sort_by_key(|fault| fault.at);
    Err(reader.faults)
}

struct Reader<'a> {
    places: Positions<'a>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn at(&self, span: &Range<usize>) -> Position {
        self.places.at(span.start)
    }

    fn fault(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.faults.push(fault(Some(self.at(&span)), message));
    }

    fn file(&mut self, path: &Path, table: &DeTable<'_>) -> GrantsFile {
        let mut file =
            GrantsFile { path: path.to_owned(), grants: None, allow_sockets: None, limits: Vec::new() };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                GRANTS => file.grants = Some(self.list(GRANTS, "\"list,read\"", value, grant)),
                ALLOW_SOCKETS => {
                    let directories =
                        self.list(ALLOW_SOCKETS, "\"/run/user/1000/insomnia\"", value, directory);
                    file.allow_sockets = Some(directories);
                }
                TABLE_OF_LIMITS => file.limits = self.limits(value),
                unknown => self.unknown_key(unknown, key.span()),
            }
        }
        file
    }

    fn unknown_key(&mut self, key: &str, span: Range<usize>) {
        let shown = key.escape_debug();
        let message = if LIMITS.iter().any(|limit| limit.name == key) {
            format!("`{shown}` is a limit; write it beneath [{TABLE_OF_LIMITS}]")
        } else {
            let meant = did_you_mean(key, KEYS);
            format!("`{shown}` is no key of a grants file; the keys are {}{meant}", KEYS.join(", "))
        };
        self.fault(span, message);
    }

    /// The elements of a list of texts, each as `read` has it.
    fn list<T>(
        &mut self,
        key: &str,
        example: &str,
        value: &Spanned<DeValue<'_>>,
        read: fn(&str) -> Result<T, String>,
    ) -> Vec<Placed<T>> {
        let DeValue::Array(elements) = value.get_ref() else {
            let kind = value.get_ref().type_str();
            let article = article(kind);
            self.fault(
                value.span(),
                format!("`{key}` is a list of strings, not {article} {kind}; write [{example}]"),
            );
            return Vec::new();
        };
        self.elements(key, elements, read)
    }

    fn elements<T>(
        &mut self,
        key: &str,
        elements: &DeArray<'_>,
        read: fn(&str) -> Result<T, String>,
    ) -> Vec<Placed<T>> {
        let mut values = Vec::with_capacity(elements.len());
        for element in elements.iter() {
            let span = element.span();
            let Some(text) = element.get_ref().as_str() else {
                let kind = element.get_ref().type_str();
                let article = article(kind);
                self.fault(span, format!("`{key}` is a list of strings; {article} {kind} is none: quote it"));
                continue;
            };
            match read(text) {
                Ok(value) => values.push(Placed { at: self.at(&span), text: text.to_owned(), value }),
                Err(why) => self.fault(span, why),
            }
        }
        values
    }

    fn limits(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<Placed<GivenLimit>> {
        let DeValue::Table(table) = value.get_ref() else {
            let message =
                format!("`{TABLE_OF_LIMITS}` is a table; write [{TABLE_OF_LIMITS}] and each limit below it");
            self.fault(value.span(), message);
            return Vec::new();
        };
        let mut settings = Vec::with_capacity(table.len());
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let Some(limit) = LIMITS.iter().find(|limit| limit.name == name) else {
                let names: Vec<&str> = LIMITS.iter().map(|limit| limit.name).collect();
                let (list, meant) = (names.join(", "), did_you_mean(name, names));
                let shown = name.escape_debug();
                self.fault(key.span(), format!("`{shown}` is no limit; the limits are {list}{meant}"));
                continue;
            };
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.to_string(),
                DeValue::Float(number) => number.to_string(),
                other => {
                    let (kind, default) = (other.type_str(), limit.default);
                    let article = article(kind);
                    let message = format!(
                        "the limit `{name}` is a string or a number, not {article} {kind} (default: {default})"
                    );
                    self.fault(value.span(), message);
                    continue;
                }
            };
            match limit.set(&text) {
                Ok(value_of) => settings.push(Placed { at: self.at(&key.span()), text, value: value_of }),
                Err(why) => {
                    let (shown, default) = (text.escape_debug(), limit.default);
                    let message =
                        format!("the limit `{name}` cannot be `{shown}`: {why} (default: {default})");
                    self.fault(value.span(), message);
                }
            }
        }
        settings.sort_by_key(|setting| setting.at);
        settings
    }
}

fn grant(text: &str) -> Result<Grant, String> {
    text.parse().map_err(|error: GrantParseError| match &error {
        GrantParseError::UnknownVerb(word) => {
            format!("{error}{}", did_you_mean(word, Verb::ALL.map(Verb::as_str)))
        }
        _ => error.to_string(),
    })
}

fn directory(text: &str) -> Result<PathBuf, String> {
    let (path, shown) = (PathBuf::from(text), text.escape_debug());
    if !path.is_absolute() {
        return Err(format!("`{shown}` is not an absolute path, and would depend on where it is used"));
    }
    match std::fs::metadata(&path) {
        Ok(found) if found.is_dir() => Ok(path),
        Ok(_) => Err(format!("`{shown}` is not a directory; name one beneath which sockets may lie")),
        Err(error) => Err(format!("`{shown}` cannot be used: {error}; make it, or take it out")),
    }
}

/// What to add to a message about a word that is not known; nothing if no word is like it.
fn did_you_mean<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    let alike = words.into_iter().map(|known| (strsim::jaro(word, known), known));
    let best = alike.filter(|(likeness, _)| *likeness >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(String::new(), |(_, known)| format!("; did you mean `{known}`?"))
}

fn article(kind: &str) -> &'static str {
    if kind.starts_with(['a', 'i']) { "an" } else { "a" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let faults = parse(Path::new("f"), text.as_bytes()).unwrap_err();
        let line = |fault: &Fault| {
            let Position { line, column } = fault.at.unwrap();
            format!("{line}:{column}: {}", fault.message)
        };
        faults.iter().map(line).collect()
    }

    #[test]
    fn a_file_says_what_the_options_say() {
        let text = "# comment\ngrants = [\n  \"list,read\", # all\n  'send:build-*',\n]\nallow-sockets = [\"/\"]\n\
                    limits = { max-output = 65_536, op-timeout = \"250ms\", call-timeout = 2.5 }\n";
        let file = parse(Path::new("f"), text.as_bytes()).unwrap();
        let grants = file.grants.as_ref().unwrap();
        assert_eq!(grants[1].value, "send:build-*".parse().unwrap());
        assert_eq!((grants[1].at.line, grants[1].at.column), (4, 3));
        assert_eq!(file.allow_sockets.as_ref().unwrap()[0].value, Path::new("/"));
        let mut limits = pod_tools_host::Limits::default();
        file.given_limits().apply(&mut limits);
        assert_eq!(limits.output, Some(65_536));
        assert_eq!((limits.operation_time.as_millis(), limits.call_time.as_millis()), (250, 2500));
    }

    #[test]
    fn a_file_that_grants_nothing_is_a_file() {
        for text in ["", "# nothing\n", "grants = []\n", "\u{feff}grants = []\n"] {
            let file = parse(Path::new("f"), text.as_bytes()).unwrap();
            assert!(file.grants.unwrap_or_default().is_empty(), "{text:?}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_with_its_place_and_its_remedy() {
        assert_eq!(
            faults(
                "grant = []\ngrants = [\n  \"lst\",\n  \"read:\", 7,\n]\nmemory = 1\nallow-sockets = \"/\"\n\
                 [limits]\nop-timeout = \"0\"\nmemry = 1\nhandles = true\ntable-elements = 100001\n"
            ),
            [
                "1:1: `grant` is no key of a grants file; the keys are grants, allow-sockets, limits; did you mean \
                 `grants`?",
                "3:3: `lst` is no verb of a grant; the verbs are list, send, read, stop; did you mean `list`?",
                "4:3: the grant `read:` has an empty pattern; leave out the colon to cover every pod, or name one \
                 behind it",
                "4:12: `grants` is a list of strings; an integer is none: quote it",
                "6:1: `memory` is a limit; write it beneath [limits]",
                "7:17: `allow-sockets` is a list of strings, not a string; write [\"/run/user/1000/insomnia\"]",
                "9:14: the limit `op-timeout` cannot be `0`: a duration is more than nothing and at most a day \
                 (default: 5s)",
                "10:1: `memry` is no limit; the limits are op-timeout, call-timeout, cpu-time, memory, max-line, \
                 max-output, max-transfer, max-data, table-elements, instances, host-calls, handles, exchanges; did you mean \
                 `memory`?",
                "11:11: the limit `handles` is a string or a number, not a boolean (default: 100000)",
                "12:18: the limit `table-elements` cannot be `100001`: tables have at most 100000 elements \
                 (default: 20000)",
            ]
        );
    }

    #[test]
    fn what_is_not_toml_is_told_where_and_nothing_is_said_of_the_rest() {
        let unclosed = faults("grants = [\n  \"list\"\n  \"read\"\n]\n[limits\nfly = 1\n");
        assert!(unclosed.iter().all(|fault| fault.contains("is not TOML: ")), "{unclosed:?}");
        assert!(unclosed.len() >= 2 && unclosed[0].starts_with("3:3: "), "{unclosed:?}");
        let twice = faults("grants = []\ngrants = [\"list\"]\n");
        assert!(twice.len() == 1 && twice[0].starts_with("2:1: is not TOML: duplicate key"), "{twice:?}");
    }

    #[test]
    fn what_is_not_utf_8_is_told_where() {
        let faults = parse(Path::new("f"), b"grants = [\n  \"\xff\"]").unwrap_err();
        assert_eq!(faults[0].at, Some(Position { line: 2, column: 4 }));
    }

    #[test]
    fn directories_are_absolute_and_there() {
        let found = faults("allow-sockets = [\"run\", \"/nowhere/at/all\", \"/dev/null\"]\n");
        for (fault, part) in found.iter().zip(["not an absolute path", "No such file", "not a directory"]) {
            assert!(fault.contains(part), "{fault}");
        }
        assert_eq!(found.len(), 3);
    }
}
