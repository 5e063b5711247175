//! What a pod of another machine says as it comes: pulled from its node, piece by piece. A pull waits there until there is
//! something.

use std::collections::VecDeque;

use pod_tools_host::{Answer, Authority, ErrorKind, PodTools, Reason, ToolError};
use uuid::Uuid;

use crate::afar::Afar;
use crate::afar::beside::{Pull, Pulled};
use crate::caller::{Caller, PluginCall, admitted};

/// One feed, of its pod's events or its log.
#[derive(Debug)]
pub struct Feed<'a> {
    caller: &'a Caller,
    tool: &'static str,
    pull: Pull,
    /// What was pulled and not yet given.
    text: VecDeque<String>,
    is_over: bool,
    pub so_far: bool,
}

struct PullCall<'a> {
    tool: &'static str,
    pull: &'a Pull,
}

impl PluginCall for PullCall<'_> {
    type Answer = Answer;

    fn name(&self) -> &str {
        self.tool
    }

    async fn make(
        &self,
        _: &PodTools,
        afar: Option<&Afar>,
        authority: &Authority,
    ) -> Result<Answer, ToolError> {
        let pull = serde_json::to_value(self.pull).unwrap_or_default();
        match afar {
            Some(afar) => afar.ask_beside(authority, self.tool, &self.pull.name, pull).await,
            None => Err(ToolError::new(ErrorKind::Internal, None, "no other machine is known")),
        }
    }

    fn size(answer: &Answer) -> usize {
        answer.output().content.as_ref().map_or(0, String::len)
    }
}

impl<'a> Feed<'a> {
    /// Begins one, of a pod `NAME@NODE`.
    pub async fn begin(
        caller: &'a Caller,
        tool: &'static str,
        pod: &str,
        go_on: bool,
    ) -> Result<Self, ToolError> {
        let feed = Uuid::new_v4().simple().to_string();
        let pull = Pull { name: pod.to_owned(), feed, from: 0, go_on };
        let mut this = Self { caller, tool, pull, text: VecDeque::new(), is_over: false, so_far: false };
        this.pull().await?;
        Ok(this)
    }

    async fn pull(&mut self) -> Result<(), ToolError> {
        let call = PullCall { tool: self.tool, pull: &self.pull };
        let answer = self.caller.call(&call, admitted()).await?;
        let Pulled { next, over, so_far } =
            serde_json::from_str(answer.output().data.get()).map_err(|error| {
                let message = format!("the node's answer is not understood: {error}");
                ToolError::new(ErrorKind::ExecutionFailed, Reason::Protocol, message)
            })?;
        (self.pull.from, self.is_over) = (next, over);
        self.so_far = so_far;
        self.text.extend(answer.output().content.clone().filter(|text| !text.is_empty()));
        Ok(())
    }

    /// Whether nothing is to come.
    pub fn is_over(&self) -> bool {
        self.is_over && self.text.is_empty()
    }

    /// What comes next; `None` at the end. Dropped, it has lost nothing.
    pub async fn next(&mut self) -> Result<Option<String>, ToolError> {
        loop {
            if let Some(text) = self.text.pop_front() {
                return Ok(Some(text));
            }
            if self.is_over {
                return Ok(None);
            }
            self.pull().await?;
        }
    }

    /// The next line of it.
    pub async fn next_line(&mut self) -> Result<Option<String>, ToolError> {
        let Some(text) = self.next().await? else { return Ok(None) };
        // A pull has whole lines.
        let (line, rest) = text.split_once('\n').unwrap_or((&text, ""));
        if !rest.is_empty() {
            self.text.push_front(rest.to_owned());
        }
        Ok(Some(line.to_owned()))
    }
}
