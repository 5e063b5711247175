//! What an agent tells of its turn, as the pod's clients are told it and its history keeps it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use agent_client_protocol_schema::v1::{
    ContentBlock, EmbeddedResourceResource, SessionUpdate, ToolCallContent, ToolCallLocation, ToolCallStatus,
    ToolCallUpdateFields, ToolKind,
};
use serde_json::Value;

use crate::pod::history::Recalled;
use crate::pod::turn::Progress;
use crate::pod::turn_item::{TurnItem, append};

/// How long the summary of a tool's result is, in bytes.
const SUMMARY: usize = 200;

/// The tools that were called in this turn and are not done.
#[derive(Debug, Default)]
pub struct Transcript {
    open: BTreeMap<String, Call>,
}

/// What is known of a call.
#[derive(Debug, Default)]
struct Call {
    title: String,
    name: Option<String>,
    kind: ToolKind,
    files: Vec<PathBuf>,
    input: Option<Value>,
    output: Option<Value>,
    text: String,
}

/// What an agent asks to do.
#[derive(Debug)]
pub struct Action {
    pub kind: ToolKind,
    pub files: Vec<PathBuf>,
    /// For people, on one line.
    pub text: String,
}

impl Transcript {
    /// What is told of an update.
    pub fn take(&mut self, update: SessionUpdate) -> Vec<Progress> {
        match update {
            SessionUpdate::AgentMessageChunk(chunk) => piece(TurnItem::Text, text(&chunk.content)),
            SessionUpdate::AgentThoughtChunk(chunk) => piece(TurnItem::Thought, text(&chunk.content)),
            SessionUpdate::ToolCall(call) => {
                let fields = ToolCallUpdateFields::new()
                    .kind(call.kind)
                    .status(call.status)
                    .title(call.title)
                    .name(call.name)
                    .content(call.content)
                    .locations(call.locations)
                    .raw_input(call.raw_input)
                    .raw_output(call.raw_output);
                self.update(&call.tool_call_id.0, fields)
            }
            SessionUpdate::ToolCallUpdate(call) => self.update(&call.tool_call_id.0, call.fields),
            _ => Vec::new(),
        }
    }

    fn update(&mut self, id: &str, fields: ToolCallUpdateFields) -> Vec<Progress> {
        let mut told = Vec::new();
        let is_new = !self.open.contains_key(id);
        let status = fields.status;
        let call = self.open.entry(id.to_owned()).or_default();
        call.learn(fields);
        if is_new {
            told.push(Progress::ToolStarted { id: id.to_owned(), name: call.name() });
        }
        let is_error = status == Some(ToolCallStatus::Failed);
        if is_error || status == Some(ToolCallStatus::Completed) {
            let call = self.open.remove(id).unwrap_or_default();
            let output = call.output();
            told.push(Progress::Item(call.item(id)));
            let summary = match call.title.is_empty() {
                true => cut(&output, SUMMARY).to_owned(),
                false => cut(&call.title, SUMMARY).to_owned(),
            };
            told.push(Progress::ToolEnded { id: id.to_owned(), output: output.clone(), is_error });
            told.push(Progress::Item(TurnItem::ToolResult { id: id.to_owned(), summary, output }));
        }
        told
    }

    /// What it asks to do: what it says of that now, and has said of the call before.
    pub fn action(&self, id: &str, fields: ToolCallUpdateFields) -> Action {
        let known = self.open.get(id);
        let mut call = Call {
            title: known.map_or_else(String::new, |known| known.title.clone()),
            kind: known.map_or_else(ToolKind::default, |known| known.kind),
            files: known.map_or_else(Vec::new, |known| known.files.clone()),
            ..Call::default()
        };
        call.learn(fields);
        let kind = serde_json::to_value(call.kind).ok();
        let mut text = kind.as_ref().and_then(Value::as_str).unwrap_or("other").to_owned();
        for part in [call.title.clone(), files(&call.files)] {
            if !part.is_empty() && !text.contains(&part) {
                text.push_str(": ");
                text.push_str(cut(&part, 2 * SUMMARY));
            }
        }
        Action { kind: call.kind, files: call.files, text: text.replace(['\n', '\r'], " ") }
    }

    /// The calls that were not done when the turn ended.
    pub fn end(&mut self) -> Vec<Progress> {
        let open = std::mem::take(&mut self.open);
        open.iter().map(|(id, call)| Progress::Item(call.item(id))).collect()
    }
}

impl Call {
    fn learn(&mut self, fields: ToolCallUpdateFields) {
        self.title = fields.title.unwrap_or_else(|| std::mem::take(&mut self.title));
        self.name = fields.name.or_else(|| self.name.take());
        self.kind = fields.kind.unwrap_or(self.kind);
        self.input = fields.raw_input.or_else(|| self.input.take());
        self.output = fields.raw_output.or_else(|| self.output.take());
        if let Some(locations) = fields.locations {
            self.add(locations.into_iter().map(|ToolCallLocation { path, .. }| path));
        }
        if let Some(content) = fields.content {
            self.text = content.iter().map(shown).collect::<Vec<_>>().join("\n");
            let diffs = content.into_iter().filter_map(|content| match content {
                ToolCallContent::Diff(diff) => Some(diff.path),
                _ => None,
            });
            self.add(diffs);
        }
    }

    /// Files that were named once are not forgotten: what is permitted is judged by all of them.
    fn add(&mut self, files: impl Iterator<Item = PathBuf>) {
        for file in files {
            if !self.files.contains(&file) {
                self.files.push(file);
            }
        }
    }

    fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.title.clone())
    }

    fn item(&self, id: &str) -> TurnItem {
        let arguments = self.input.as_ref().map_or_else(|| "{}".to_owned(), Value::to_string);
        TurnItem::ToolCall { id: id.to_owned(), name: self.name(), arguments }
    }

    fn output(&self) -> String {
        match (&self.output, self.text.as_str()) {
            (Some(Value::String(text)), "") => text.clone(),
            (Some(output), "") => output.to_string(),
            (_, text) => text.to_owned(),
        }
    }
}

/// A conversation that is told again.
#[derive(Debug, Default)]
pub struct Recall {
    transcript: Transcript,
    messages: Vec<Recalled>,
}

impl Recall {
    pub fn take(&mut self, update: SessionUpdate) {
        if let SessionUpdate::UserMessageChunk(chunk) = update {
            let more = text(&chunk.content);
            match self.messages.last_mut() {
                Some(Recalled::Asked(text)) => text.push_str(&more),
                _ => self.messages.push(Recalled::Asked(more)),
            }
            return;
        }
        for progress in self.transcript.take(update) {
            let Progress::Item(item) = progress else { continue };
            let mut last = match self.messages.pop() {
                Some(Recalled::Answered(last)) => vec![last],
                Some(asked) => {
                    self.messages.push(asked);
                    Vec::new()
                }
                None => Vec::new(),
            };
            append(&mut last, item);
            self.messages.extend(last.into_iter().map(Recalled::Answered));
        }
    }

    /// All of it.
    pub fn messages(self) -> Vec<Recalled> {
        self.messages
    }
}

/// A piece of what it says or thinks, where there is something in it.
fn piece(kind: fn(String) -> TurnItem, text: String) -> Vec<Progress> {
    if text.is_empty() { Vec::new() } else { vec![Progress::Item(kind(text))] }
}

/// A piece of content as text: what is none is named.
fn text(content: &ContentBlock) -> String {
    match content {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => format!("[image: {}]", image.mime_type),
        ContentBlock::Audio(audio) => format!("[audio: {}]", audio.mime_type),
        ContentBlock::ResourceLink(link) => format!("[{}]", link.uri),
        ContentBlock::Resource(embedded) => match &embedded.resource {
            EmbeddedResourceResource::TextResourceContents(resource) => resource.text.clone(),
            EmbeddedResourceResource::BlobResourceContents(resource) => format!("[{}]", resource.uri),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

fn shown(content: &ToolCallContent) -> String {
    match content {
        ToolCallContent::Content(content) => text(&content.content),
        ToolCallContent::Diff(diff) => format!("[changed: {}]", diff.path.display()),
        _ => String::new(),
    }
}

fn files(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn update(value: Value) -> SessionUpdate {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_tool_is_told_as_it_is_called_and_kept_when_it_is_done() {
        let mut transcript = Transcript::default();
        let started = transcript.take(update(json!({
            "sessionUpdate": "tool_call", "toolCallId": "1", "title": "Read x", "kind": "read",
            "rawInput": {"path": "x"}, "locations": [{"path": "/w/x"}],
        })));
        assert!(
            matches!(&started[..], [Progress::ToolStarted { name, .. }] if name == "Read x"),
            "{started:?}"
        );
        let asked = transcript.action("1", ToolCallUpdateFields::new());
        assert_eq!((asked.kind, asked.text.as_str()), (ToolKind::Read, "read: Read x: /w/x"));
        let ended = transcript.take(update(json!({
            "sessionUpdate": "tool_call_update", "toolCallId": "1", "status": "completed",
            "content": [{"type": "content", "content": {"type": "text", "text": "hello"}}],
        })));
        let [
            Progress::Item(call),
            Progress::ToolEnded { output, is_error: false, .. },
            Progress::Item(result),
        ] = &ended[..]
        else {
            panic!("{ended:?}");
        };
        assert!(matches!(call, TurnItem::ToolCall { arguments, .. } if arguments == r#"{"path":"x"}"#));
        assert!(
            matches!(result, TurnItem::ToolResult { output: kept, .. } if kept == output && kept == "hello")
        );
        assert!(transcript.end().is_empty());
    }

    #[test]
    fn a_file_that_was_named_once_counts_when_permission_is_asked() {
        let mut transcript = Transcript::default();
        transcript.take(update(json!({
            "sessionUpdate": "tool_call", "toolCallId": "1", "title": "Edit", "kind": "edit",
            "locations": [{"path": "/out/x"}],
        })));
        let fields = serde_json::from_value(json!({"locations": [{"path": "/in/x"}]})).unwrap();
        assert_eq!(transcript.action("1", fields).files, ["/out/x", "/in/x"].map(PathBuf::from));
        assert_eq!(transcript.end().len(), 1);
    }

    #[test]
    fn a_conversation_that_is_told_again_is_what_it_was() {
        let mut recall = Recall::default();
        let chunk = |kind: &str, text: &str| {
            update(json!({"sessionUpdate": kind, "content": {"type": "text", "text": text}}))
        };
        for (kind, text) in [
            ("user_message_chunk", "he"),
            ("user_message_chunk", "llo"),
            ("agent_message_chunk", "w"),
            ("agent_message_chunk", "orld"),
            ("user_message_chunk", "more"),
        ] {
            recall.take(chunk(kind, text));
        }
        assert_eq!(
            recall.messages(),
            [
                Recalled::Asked("hello".into()),
                Recalled::Answered(TurnItem::Text("world".into())),
                Recalled::Asked("more".into()),
            ]
        );
    }
}
