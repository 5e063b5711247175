//! From the text of a grants file to what it grants: everything that is wrong with it is found at once.

use std::ops::Range;
use std::path::{Path, PathBuf};

use pod_tools_host::registry::ReaderParseError;
use pod_tools_host::{Grant, GrantParseError, Verb};
use pod_tools_node::identity::is_public_key;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::fault::{Fault, GrantsFileError, fault};
use super::file::{Content, GrantsFile, GrantsOfCaller, Placed};
use crate::alike::did_you_mean;
use crate::caller_limits::{self, OwnLimits};
use crate::limit_options::{GivenLimit, LIMITS};
use crate::places::{Position, Positions};

const GRANTS: &str = "grants";
const ALLOW_SOCKETS: &str = "allow-sockets";
const TABLE_OF_LIMITS: &str = "limits";
const CALLER: &str = "caller";
const KEYS: [&str; 4] = [GRANTS, ALLOW_SOCKETS, TABLE_OF_LIMITS, CALLER];

const NAME: &str = "name";
const TOKEN_FILE: &str = "token-file";
const KEY: &str = "key";
const KEYS_OF_CALLER: [&str; 7] =
    [NAME, TOKEN_FILE, KEY, GRANTS, caller_limits::CALLS, caller_limits::RATE, caller_limits::BYTES];

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
        let mut file = GrantsFile {
            path: path.to_owned(),
            grants: None,
            allow_sockets: None,
            limits: Vec::new(),
            callers: Vec::new(),
        };
        let mut grants_stand_at = None;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                GRANTS => {
                    grants_stand_at = Some(key.span());
                    file.grants = Some(self.list(GRANTS, "\"list,read\"", value, grant));
                }
                ALLOW_SOCKETS => {
                    let directories =
                        self.list(ALLOW_SOCKETS, "\"/run/user/1000/insomnia\"", value, directory);
                    file.allow_sockets = Some(directories);
                }
                TABLE_OF_LIMITS => file.limits = self.limits(value),
                CALLER => file.callers = self.callers(value),
                unknown => self.unknown_key(unknown, key.span()),
            }
        }
        if let Some(span) = grants_stand_at.filter(|_| !file.callers.is_empty()) {
            let why = format!(
                "`{GRANTS}` stands beside [[{CALLER}]], and nobody would have them; write them beneath each caller"
            );
            self.fault(span, why);
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

    fn callers(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<GrantsOfCaller> {
        let DeValue::Array(elements) = value.get_ref() else {
            let why = format!("`{CALLER}` is a list of tables; write [[{CALLER}]] and its keys below it");
            self.fault(value.span(), why);
            return Vec::new();
        };
        let mut callers: Vec<GrantsOfCaller> = Vec::with_capacity(elements.len());
        for element in elements.iter() {
            let DeValue::Table(table) = element.get_ref() else {
                let why = format!("`{CALLER}` is a list of tables; write [[{CALLER}]] and its keys below it");
                self.fault(element.span(), why);
                continue;
            };
            let Some(caller) = self.caller(element.span(), table) else { continue };
            if callers.iter().any(|other| other.name.value == caller.name.value) {
                let shown = caller.name.text.escape_debug();
                let why = format!("there is a caller `{shown}` above; write what he may do in one place");
                self.faults.push(fault(Some(caller.name.at), why));
            }
            if let Some(key) = &caller.key
                && let Some(other) = callers
                    .iter()
                    .find(|other| other.key.as_ref().is_some_and(|other| other.value == key.value))
            {
                let other = other.name.text.escape_debug();
                let why = format!(
                    "this is the key of caller `{other}`, and would tell nobody who signs; make another"
                );
                self.faults.push(fault(Some(key.at), why));
            }
            callers.push(caller);
        }
        callers
    }

    fn caller(&mut self, span: Range<usize>, table: &DeTable<'_>) -> Option<GrantsOfCaller> {
        let (mut name, mut token_file, mut public_key, mut grants) = (None, None, None, Vec::new());
        let (mut limits, mut limited_at) = (OwnLimits::default(), None);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                NAME => {
                    name = Some(self.text(NAME, value, |text| {
                        text.parse().map_err(|error: ReaderParseError| error.to_string())
                    }))
                }
                TOKEN_FILE => token_file = Some(self.text(TOKEN_FILE, value, absolute)),
                KEY => public_key = Some(self.text(KEY, value, public)),
                GRANTS => grants = self.list(GRANTS, "\"list,read\"", value, grant),
                limit @ (caller_limits::CALLS | caller_limits::RATE | caller_limits::BYTES) => {
                    limited_at = Some(key.span());
                    self.limit_of_caller(limit, value, &mut limits);
                }
                unknown => {
                    let (shown, meant) = (unknown.escape_debug(), did_you_mean(unknown, KEYS_OF_CALLER));
                    let keys = KEYS_OF_CALLER.join(", ");
                    self.fault(
                        key.span(),
                        format!("`{shown}` is no key of a caller; the keys are {keys}{meant}"),
                    );
                }
            }
        }
        if name.is_none() {
            self.fault(span.clone(), format!("this caller has no `{NAME}`; write {NAME} = \"alice\""));
        }
        if let Some(span) = limited_at.filter(|_| public_key.is_none()) {
            let why = format!("limits of a caller are `pod-tools node`'s, and this one has no `{KEY}`");
            self.fault(span, why);
        }
        if token_file.is_none() && public_key.is_none() {
            let why = format!(
                "this caller has no `{TOKEN_FILE}`; write {TOKEN_FILE} = \"/etc/pod-tools/alice\" for `pod-tools gateway`, or \
                 {KEY} = \"U…\" for `pod-tools node`"
            );
            self.fault(span, why);
        }
        let (token_file, key) = (token_file.flatten(), public_key.flatten());
        Some(GrantsOfCaller { name: name??, token_file, key, grants, limits })
    }

    /// A text, as `read` has it.
    fn text<T>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        read: fn(&str) -> Result<T, String>,
    ) -> Option<Placed<T>> {
        let span = value.span();
        let Some(text) = value.get_ref().as_str() else {
            let kind = value.get_ref().type_str();
            let article = article(kind);
            self.fault(span, format!("`{key}` is a string, not {article} {kind}: quote it"));
            return None;
        };
        match read(text) {
            Ok(value) => Some(Placed { at: self.at(&span), text: text.to_owned(), value }),
            Err(why) => {
                self.fault(span, why);
                None
            }
        }
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
            let default = format!(" (default: {})", limit.default);
            let Some(text) = self.quantity(name, value, &default) else { continue };
            match limit.set(&text) {
                Ok(value_of) => settings.push(Placed { at: self.at(&key.span()), text, value: value_of }),
                Err(why) => {
                    let shown = text.escape_debug();
                    self.fault(
                        value.span(),
                        format!("the limit `{name}` cannot be `{shown}`: {why}{default}"),
                    );
                }
            }
        }
        settings.sort_by_key(|setting| setting.at);
        settings
    }

    fn limit_of_caller(&mut self, name: &str, value: &Spanned<DeValue<'_>>, limits: &mut OwnLimits) {
        let Some(text) = self.quantity(name, value, "") else { return };
        if let Err(why) = limits.set(name, &text) {
            let shown = text.escape_debug();
            self.fault(value.span(), format!("the limit `{name}` cannot be `{shown}`: {why}"));
        }
    }

    /// A limit's value as it would be written on the command line.
    fn quantity(&mut self, name: &str, value: &Spanned<DeValue<'_>>, default: &str) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Float(number) => Some(number.to_string()),
            other => {
                let kind = other.type_str();
                let article = article(kind);
                let why =
                    format!("the limit `{name}` is a string or a number, not {article} {kind}{default}");
                self.fault(value.span(), why);
                None
            }
        }
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

/// What is none is not shown: it may be a seed.
fn public(text: &str) -> Result<String, String> {
    if is_public_key(text) {
        return Ok(text.to_owned());
    }
    Err("this is no public key of a user (`U…`); `pod-tools node --new-key FILE` prints one".to_owned())
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    let (path, shown) = (PathBuf::from(text), text.escape_debug());
    if !path.is_absolute() {
        return Err(format!("`{shown}` is not an absolute path, and would depend on where it is used"));
    }
    Ok(path)
}

fn directory(text: &str) -> Result<PathBuf, String> {
    let (path, shown) = (absolute(text)?, text.escape_debug());
    match std::fs::metadata(&path) {
        Ok(found) if found.is_dir() => Ok(path),
        Ok(_) => Err(format!("`{shown}` is not a directory; name one beneath which sockets may lie")),
        Err(error) => Err(format!("`{shown}` cannot be used: {error}; make it, or take it out")),
    }
}

fn article(kind: &str) -> &'static str {
    if kind.starts_with(['a', 'i']) { "an" } else { "a" }
}

#[cfg(test)]
mod tests;
