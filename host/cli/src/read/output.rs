//! One read of a pod's text, by a call of ReadPodOutput: what there is to show of it, and how the pod is.

use pod_tools_host::registry::Reader;
use pod_tools_host::{Answer, ErrorKind, ToolError};
use serde::Deserialize;
use serde_json::json;

use crate::caller::{Caller, ToolCall, admitted};
use crate::nearest::explained;
use crate::stdout::{failure, print};

/// The data of ReadPodOutput, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Told {
    pub state: String,
    #[serde(default)]
    pub remaining_items: u64,
    #[serde(default)]
    pub failed: Option<Failed>,
    #[serde(default)]
    pub asked: Option<String>,
    /// Why a wait ended; `None`: it did not wait.
    #[serde(default)]
    pub waited: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Failed {
    pub reason: String,
    pub last: bool,
}

impl Told {
    pub fn of(answer: &Answer) -> Result<Told, ToolError> {
        serde_json::from_str(answer.output().data.get()).map_err(|error| {
            // Of a plugin that is not the bundled one.
            let message = format!("the data of ReadPodOutput cannot be read: {error}");
            ToolError::new(ErrorKind::Internal, None, message)
        })
    }

    pub fn is_over(&self) -> bool {
        matches!(&*self.state, "idle" | "stopped")
    }

    /// Why the last turn failed, if it did.
    pub fn failure(&self) -> Option<&str> {
        self.failed.as_ref().filter(|failed| failed.last).map(|failed| &*failed.reason)
    }
}

/// Who reads what.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    pub caller: &'a Caller,
    pub pod: &'a str,
    pub reader: Option<&'a Reader>,
    pub peek: bool,
}

impl Reading<'_> {
    /// What is new now, or once the run has ended, where it is to be waited for within so many seconds.
    pub async fn call(self, wait_seconds: Option<u64>) -> Result<Answer, ToolError> {
        let mut input = json!({"name": self.pod});
        if let Some(seconds) = wait_seconds {
            input["wait_seconds"] = seconds.into();
        }
        let input = input.to_string();
        let call = ToolCall { name: "ReadPodOutput", input: &input, reader: self.reader, peek: self.peek };
        let answered = self.caller.call(&call, admitted()).await;
        answered.map_err(|error| explained(error, self.caller, call.name, Some(self.pod)))
    }

    /// Shows all that is new, and takes it for read.
    pub async fn show(self) -> anyhow::Result<Told> {
        loop {
            let (has_text, told) = self.take(|text| print(with_end(text))).await?;
            if told.remaining_items == 0 || !has_text {
                return Ok(told);
            }
        }
    }

    /// Hands over what is new, as much as one answer gives, and takes it for read when that went well. Whether there was
    /// any, and how the pod is.
    pub async fn take(
        self,
        hand_over: impl AsyncFnOnce(String) -> std::io::Result<()>,
    ) -> anyhow::Result<(bool, Told)> {
        let answer = self.call(None).await.map_err(shown)?;
        let told = Told::of(&answer).map_err(shown)?;
        let text = answer.output().content.clone();
        let has_text = text.is_some();
        if let Some(text) = text {
            hand_over(text).await?;
        }
        self.caller.deliver(answer.into_parts().1).await;
        Ok((has_text, told))
    }
}

/// The error as people read it.
pub fn shown(error: ToolError) -> anyhow::Error {
    anyhow::Error::msg(failure(&error))
}

/// The text as whole lines.
pub fn with_end(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
