//! A configuration in TOML, changed in place: what is not the entry stays as it is, comments, blanks and line
//! ends included.

use serde_json::Value;
use toml_edit::{DocumentMut, Item, Table, TableLike};

/// The document with every byte of the text in it, but for line ends.
pub struct Document {
    tree: DocumentMut,
    /// It ends its lines as on Windows; the tree does not.
    is_crlf: bool,
}

impl Document {
    pub fn parse(text: &str) -> Result<Self, String> {
        let tree: DocumentMut =
            text.parse().map_err(|error: toml_edit::TomlError| format!("is not TOML: {}", plain(&error)))?;
        let document = Self { tree, is_crlf: text.contains("\r\n") };
        if document.text() != text {
            return Err("has lines that end in more than one way".to_owned());
        }
        Ok(document)
    }

    /// What it says, as a value.
    pub fn value(&self) -> Option<Value> {
        toml::from_str(&self.tree.to_string()).ok()
    }

    /// The text with the entry, which stands alone in the text `alone`, among the servers.
    pub fn with(mut self, servers: &str, name: &str, alone: &str) -> Result<String, String> {
        let mut alone: DocumentMut = alone.parse().map_err(|error| format!("{error}"))?;
        let mut entry = of(&mut alone, servers)?.remove(name).ok_or("has no entry")?;
        // A line between it and what is before.
        if let Some(table) = entry.as_table_mut()
            && !self.tree.is_empty()
        {
            table.decor_mut().set_prefix("\n");
        }
        let implicit = || {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        };
        self.tree.entry(servers).or_insert_with(implicit);
        of(&mut self.tree, servers)?.insert(name, entry);
        Ok(self.text())
    }

    /// The text without the entry, and without the servers where none is left that were `made` for it.
    pub fn without(mut self, servers: &str, name: &str, made: bool) -> Result<String, String> {
        let all = of(&mut self.tree, servers)?;
        all.remove(name);
        if made && all.is_empty() {
            self.tree.remove(servers);
        }
        Ok(self.text())
    }

    fn text(&self) -> String {
        let text = self.tree.to_string();
        if self.is_crlf { text.replace('\n', "\r\n") } else { text }
    }
}

fn of<'a>(tree: &'a mut DocumentMut, servers: &str) -> Result<&'a mut dyn TableLike, String> {
    let all = tree.get_mut(servers).and_then(Item::as_table_like_mut);
    all.ok_or_else(|| format!("has `{servers}`, and it is not a table"))
}

/// In one line: where, and what.
fn plain(error: &toml_edit::TomlError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned() + ": " + error.message()
}
