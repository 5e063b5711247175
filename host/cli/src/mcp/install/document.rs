//! A client's configuration as a document: which entry it has, and its text with another one or with none.

use serde_json::Value;

use super::client::{Client, Format};
use super::entry::{SERVER, Server};
use super::{json, toml_text};

/// A text with the entry.
#[derive(Debug, PartialEq, Eq)]
pub struct WithEntry {
    pub text: String,
    /// There were no servers before.
    pub made_servers: bool,
}

/// The entry of our name; `None` where there is none.
///
/// # Errors
///
/// Says in what the text is not a configuration of that client's.
pub fn entry(client: Client, text: &str) -> Result<Option<Value>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let mut document = value(client, text)?;
    if !document.is_object() {
        return Err("is not an object at all".to_owned());
    }
    match document.get_mut(client.servers()) {
        None => Ok(None),
        Some(Value::Object(servers)) => Ok(servers.get(SERVER).cloned()),
        Some(_) => Err(format!("has `{}`, and it is not an object", client.servers())),
    }
}

/// The text with the entry, beside what it has. It has none yet.
///
/// # Errors
///
/// Says in what the text is not a configuration of that client's.
pub fn with(client: Client, text: &str, server: &Server) -> Result<WithEntry, String> {
    let (servers, alone) = (client.servers(), server.alone(client));
    if text.trim().is_empty() {
        return Ok(WithEntry { text: alone, made_servers: true });
    }
    let before = value(client, text)?;
    let entry = server.entry(client);
    let text = match client.format() {
        Format::Json { comments, trailing_commas } => {
            json::with(&json::parsed(text, comments, trailing_commas)?, servers, SERVER, &entry)?
        }
        Format::Toml => toml_text::Document::parse(text)?.with(servers, SERVER, &alone)?,
    };
    let made_servers = before.get(servers).is_none();
    // What is written is what was meant: the same and the entry.
    let mut after = value(client, &text)?;
    let is_there = after[servers].as_object_mut().and_then(|all| all.remove(SERVER)) == Some(entry);
    if made_servers && let Some(all) = after.as_object_mut() {
        all.remove(servers);
    }
    if !is_there || after != before {
        return Err("would say something else than before with the entry in it".to_owned());
    }
    Ok(WithEntry { text, made_servers })
}

/// The text without the entry, which it has; and without the servers where none is left that were `made` for
/// it.
///
/// # Errors
///
/// Says in what the text is not a configuration of that client's.
pub fn without(client: Client, text: &str, made: bool) -> Result<String, String> {
    let servers = client.servers();
    let mut before = value(client, text)?;
    let text = match client.format() {
        Format::Json { comments, trailing_commas } => {
            json::without(&json::parsed(text, comments, trailing_commas)?, servers, SERVER, made)?
        }
        Format::Toml => toml_text::Document::parse(text)?.without(servers, SERVER, made)?,
    };
    // The same, and no entry. Of TOML's tables there is none where nothing is in it.
    let mut after = value(client, &text)?;
    before[servers].as_object_mut().and_then(|all| all.remove(SERVER));
    for document in [&mut before, &mut after] {
        if document.get(servers).and_then(Value::as_object).is_some_and(serde_json::Map::is_empty)
            && let Some(all) = document.as_object_mut()
        {
            all.remove(servers);
        }
    }
    if after != before {
        return Err("would say something else than before without the entry".to_owned());
    }
    Ok(text)
}

/// Whether nothing of a user's is in it, not even a comment.
pub fn is_empty(text: &str) -> bool {
    let is_schema_alone =
        |all: Value| all.as_object().is_some_and(|all| all.keys().all(|key| key == "$schema"));
    text.trim().is_empty() || serde_json::from_str(text).is_ok_and(is_schema_alone)
}

fn value(client: Client, text: &str) -> Result<Value, String> {
    let value = match client.format() {
        Format::Json { comments, trailing_commas } => {
            json::value(&json::parsed(text, comments, trailing_commas)?)
        }
        Format::Toml => toml_text::Document::parse(text)?.value(),
    };
    value.ok_or_else(|| "is not a document with a value".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server::Started { executable: "/a \"b\"\\\u{7f}".into(), arguments: vec!["\n\u{1f}ä".into()] }
    }

    /// The text with the entry; without it again it is what it was.
    fn there_and_back(client: Client, text: &str) -> String {
        let with = with(client, text, &server()).unwrap();
        assert_eq!(entry(client, &with.text).unwrap(), Some(server().entry(client)));
        assert_eq!(without(client, &with.text, with.made_servers).unwrap(), text, "{}", with.text);
        with.text
    }

    #[test]
    fn json_keeps_its_comments_indentation_and_line_ends() {
        for text in [
            "{}",
            "{\n  \"a\": 1\n}",
            "{\n\t\"a\": 1, // x\n\t\"servers\": {\n\t\t\"o\": {} // keep\n\t}, // more\n}\n",
            "{\r\n    \"servers\": {\r\n        \"o\": {}\r\n    }\r\n}\r\n",
            "{\n  \"servers\": {}\n}\n",
            "// top\n{\n  // in\n}\n/* end */",
            "{\n  \"servers\": {\n    // none\n  },\n  \"z\": 1\n}\n",
        ] {
            let with = there_and_back(Client::Vscode, text);
            assert_eq!(with.contains("\r\n"), text.contains("\r\n"));
            // Lines of the text that are not next to the entry are there as they were.
            for comment in ["// x", "// keep", "// more", "// top", "// in", "/* end */", "// none"] {
                assert_eq!(with.matches(comment).count(), text.matches(comment).count(), "{with}");
            }
        }
    }

    #[test]
    fn toml_keeps_its_comments_layout_and_line_ends() {
        for text in [
            "# only\n",
            "model = 'x'\n\n[mcp_servers.other]\ncommand = \"y\" # k\nargs = [\n  \"a\", # f\n]\n\n# end\n",
            "model = \"x\"\r\n\r\n[mcp_servers.other]\r\nargs = [\r\n  \"a\", # f\r\n]\r\n\r\n# end\r\n",
            "[mcp_servers]\n[mcp_servers.o]\ncommand='z'\n[other]\na=1\n# end",
            "mcp_servers.o.command = \"z\"\nmodel='a'\n",
            "[a]\nx=1\n[[b]]\ny=2\n[[b]]\ny=3\n",
            "[mcp_servers.pods2]\nx = 1979-05-27T07:32:00Z\n",
        ] {
            let with = there_and_back(Client::Codex, text);
            assert!(!with.replace("\r\n", "").contains('\r'), "{with:?}");
            assert_eq!(with.matches("\r\n").count() == with.matches('\n').count(), text.contains("\r\n"));
        }
    }

    #[test]
    fn what_the_client_has_added_to_the_entry_goes_with_it() {
        let with = with(Client::Codex, "a = 1\n", &server()).unwrap().text;
        let more = with + "[mcp_servers.pods.tools.StopPod]\napproval_mode = \"prompt\"\n";
        assert_eq!(without(Client::Codex, &more, true).unwrap(), "a = 1\n");
    }

    #[test]
    fn a_file_is_empty_where_no_user_has_written_anything() {
        for text in ["", " \n", "{}", "{\n}\n", "{\"$schema\": \"https://opencode.ai/config.json\"}"] {
            assert!(is_empty(text), "{text}");
        }
        for text in ["// mine\n{}", "{ /* mine */ }", "{\"a\": 1}", "{", "[]"] {
            assert!(!is_empty(text), "{text}");
        }
        assert!(!is_empty("# mine\n"));
    }
}
