//! From an agent that runs to a session of its: `initialize`, then a session that is new or gone on with.

use agent_client_protocol_schema::ProtocolVersion;
use agent_client_protocol_schema::v1::{
    ClientCapabilities, FileSystemCapabilities, Implementation, InitializeRequest, InitializeResponse,
    LoadSessionRequest, NewSessionRequest, NewSessionResponse, ResumeSessionRequest, SessionId,
    SessionNotification,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::begun::{Abilities, Begun};
use super::driver::Driver;
use super::message::{Incoming, request};
use super::process::{Happening, MAX_LINE};
use super::transcript::Recall;
use crate::pod::turn::failure;

/// The longest id that a session may have, in bytes: it is kept in a file.
const MAX_SESSION_ID: usize = 1 << 10;

impl Driver {
    /// Asks for a session of the agent that runs: the one of this id, where it can go on with it, else a new one. With
    /// `must`, that one or none.
    pub(super) async fn shake_hands(
        &mut self,
        wanted: Option<&SessionId>,
        must: bool,
    ) -> Result<Begun, String> {
        let offered = self.files.are_offered();
        let files = FileSystemCapabilities::new().read_text_file(offered).write_text_file(offered);
        let ours = InitializeRequest::new(ProtocolVersion::V1)
            .client_capabilities(ClientCapabilities::new().fs(files).terminal(false))
            .client_info(Implementation::new("pod-tools", env!("CARGO_PKG_VERSION")));
        let mut nothing = Recall::default();
        let theirs: InitializeResponse = self.ask("initialize", &ours, &mut nothing).await?;
        if theirs.protocol_version != ProtocolVersion::V1 {
            return Err(format!(
                "it speaks version {} of the Agent Client Protocol, and the pod version 1; install a version of it that \
                 speaks that",
                theirs.protocol_version
            ));
        }
        let capabilities = theirs.agent_capabilities;
        let abilities = Abilities {
            name: theirs.agent_info.map(|info| format!("{} {}", info.name, info.version)),
            can_load: capabilities.load_session,
            can_resume: capabilities.session_capabilities.resume.is_some(),
        };
        if must && !abilities.can_load && !abilities.can_resume {
            return Err(
                "it can go on with no session (neither `session/load` nor `session/resume`); start it \
                        without --resume"
                    .to_owned(),
            );
        }
        let cwd = self.place.directory.clone();
        if let Some(id) = wanted.filter(|_| abilities.can_load || abilities.can_resume) {
            let mut recall = Recall::default();
            let done: Result<Option<serde_json::Value>, String> = if abilities.can_load {
                self.ask("session/load", &LoadSessionRequest::new(id.clone(), cwd.clone()), &mut recall).await
            } else {
                self.ask("session/resume", &ResumeSessionRequest::new(id.clone(), cwd.clone()), &mut recall)
                    .await
            };
            match done {
                Ok(_) => {
                    let recalled = recall.messages();
                    return Ok(Begun { id: id.clone(), abilities, is_new: false, recalled });
                }
                Err(reason) if must || self.process.is_none() => return Err(reason),
                Err(_) => {}
            }
        }
        let new: NewSessionResponse =
            self.ask("session/new", &NewSessionRequest::new(cwd), &mut nothing).await.map_err(|reason| {
                let methods: Vec<String> =
                    theirs.auth_methods.iter().map(|method| method.name().to_owned()).collect();
                match methods.is_empty() || self.process.is_none() {
                    true => reason,
                    false => format!(
                        "{reason}; it may want to be logged in first ({}): do that with the agent itself, or hand it its \
                         key by --env",
                        methods.join(", ")
                    ),
                }
            })?;
        if new.session_id.0.is_empty() || new.session_id.0.len() > MAX_SESSION_ID {
            return Err("the id of its session is empty, or too long".to_owned());
        }
        Ok(Begun { id: new.session_id, abilities, is_new: true, recalled: Vec::new() })
    }

    /// Asks, and waits for the answer. Whatever the agent asks meanwhile is refused; what it tells goes to `recall`.
    async fn ask<T: DeserializeOwned>(
        &mut self,
        method: &str,
        params: &impl Serialize,
        recall: &mut Recall,
    ) -> Result<T, String> {
        let asked = self.next_id();
        self.send(&request(asked, method, params));
        loop {
            let Some(process) = &mut self.process else { return Err("it has ended".to_owned()) };
            let happening = tokio::select! {
                biased;
                happening = process.next() => happening,
                status = self.supervisor.ended() => {
                    let lines = process.last_lines();
                    let answered = lines.iter().find_map(|line| answer_to(asked, line));
                    let errors = process.errors();
                    self.process = None;
                    let how = match status {
                        Ok(status) => failure(&self.name, status, &errors).message,
                        Err(error) => format!("cannot wait for `{}`: {error}", self.name),
                    };
                    return Err(match answered {
                        Some(Err(reason)) => format!("it answered `{method}`: {reason}; then {how}"),
                        _ => format!("{how} before it had answered `{method}`"),
                    });
                }
            };
            if process.written() > self.most {
                return Err(format!(
                    "it wrote more than {} bytes before it had answered `{method}`",
                    self.most
                ));
            }
            let line = match happening {
                Happening::Line(line) => line,
                // How it ends is told by its end.
                Happening::Written | Happening::Closed => continue,
                Happening::TooLong => {
                    return Err(format!(
                        "it wrote a line of more than {MAX_LINE} bytes where `{method}` is to be answered"
                    ));
                }
            };
            if line.trim_ascii().is_empty() {
                continue;
            }
            match Incoming::decode(&line)
                .map_err(|why| format!("it is no agent of the Agent Client Protocol: {why}"))?
            {
                Incoming::Response { id, result } if id == asked => {
                    let result = result.map_err(|reason| format!("it answered `{method}`: {reason}"))?;
                    return serde_json::from_str(result)
                        .map_err(|error| format!("its answer to `{method}` is none: {error}"));
                }
                Incoming::Response { .. } => {}
                Incoming::Notification { method, params } => {
                    if method == "session/update"
                        && let Ok(told) = serde_json::from_str::<SessionNotification>(params)
                    {
                        recall.take(told.update);
                    }
                }
                Incoming::Request { id, .. } => self.refuse(&id, "the session has not begun"),
            }
        }
    }
}

fn answer_to(asked: i64, line: &[u8]) -> Option<Result<(), String>> {
    match Incoming::decode(line) {
        Ok(Incoming::Response { id, result }) if id == asked => Some(result.map(drop)),
        _ => None,
    }
}
