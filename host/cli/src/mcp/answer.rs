//! Outcomes of calls in the protocol's terms: text, and structure as far as the client's model can read it.

use pod_tools_host::{ErrorKind, Output, Reason, ToolError};
use rmcp::model::{CallToolResult, ContentBlock, ErrorCode, ErrorData, MetaObject};
use serde_json::{Value, json};

use super::catalogue::{Entry, SUMMARY};
use super::client::Form;
use crate::stdout;

/// Where a failed result tells programs the error's kind and reason: clients check structured content
/// against the tool's output schema even where the result is an error.
const ERROR_KEY: &str = "pod-tools/error";

/// A tool's answer, with its summary as it is shown.
pub fn success(
    entry: &Entry,
    output: Output,
    summary: &str,
    form: Form,
) -> Result<CallToolResult, ToolError> {
    let Output { content, data, .. } = output;
    let mut structured = None;
    if let Some(content_property) = entry.structure(form) {
        let Ok(Value::Object(mut data)) = serde_json::from_str(data.get()) else {
            let message = "the plugin's data is not the object that its schema promises";
            return Err(ToolError::new(ErrorKind::Internal, None, message));
        };
        // First, as it is in the text.
        data.shift_insert(0, SUMMARY.to_owned(), Value::from(summary));
        if let Some(property) = content_property {
            data.insert(property.to_owned(), Value::from(content.clone().unwrap_or_default()));
        }
        structured = Some(Value::Object(data));
    }
    let text = match content {
        Some(mut content) => {
            content.insert_str(0, "\n\n");
            content.insert_str(0, summary);
            content
        }
        None => summary.to_owned(),
    };
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = structured;
    Ok(result)
}

/// A tool's failure: a result that a model can act on.
pub fn failure(error: &ToolError) -> CallToolResult {
    let mut meta = MetaObject::new();
    meta.insert(ERROR_KEY.to_owned(), json!({ "kind": error.kind, "reason": error.reason }));
    CallToolResult::error(vec![ContentBlock::text(stdout::failure(error))]).with_meta(Some(meta))
}

/// A resource that cannot be read: the protocol has no results for that, only errors.
pub fn resource_error(uri: &str, error: ToolError) -> ErrorData {
    let data = json!({ "uri": uri, "kind": error.kind, "reason": error.reason });
    if error.reason == Some(Reason::UnknownPod) {
        return ErrorData::resource_not_found(error.message, Some(data));
    }
    let code = match error.kind {
        ErrorKind::InvalidArgument => ErrorCode::INVALID_PARAMS,
        _ => ErrorCode::INTERNAL_ERROR,
    };
    ErrorData::new(code, error.message, Some(data))
}
