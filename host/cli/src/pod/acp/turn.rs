//! One turn with the agent: a prompt, what it tells and asks meanwhile, and how it ends.

use std::io;
use std::process::ExitStatus;

use agent_client_protocol_schema::v1::{
    CancelNotification, ContentBlock, Error, ErrorCode, PermissionOption, PromptRequest, PromptResponse,
    ReadTextFileRequest, ReadTextFileResponse, RequestId, SessionId, SessionNotification, StopReason,
    TextContent, WriteTextFileRequest, WriteTextFileResponse,
};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep_until, timeout};

use super::driver::Driver;
use super::files::FileRefused;
use super::message::{Incoming, notification, request, response};
use super::process::{Happening, MAX_LINE};
use super::transcript::Transcript;
use crate::pod::protocol::Choice;
use crate::pod::turn::{Failure, GRACE, Progress, Question, TurnEnd, Work, failure};
use crate::pod::turn_item::TurnItem;

/// A turn that runs.
pub(super) struct InTurn {
    session: SessionId,
    /// The id of the prompt.
    prompt: i64,
    progress: mpsc::Sender<Progress>,
    pub(super) transcript: Transcript,
    /// How often permission was asked for.
    pub(super) permissions: usize,
    /// What waits for a person.
    pub(super) waiting: Vec<Waiting>,
    /// It was asked to end, and has so long.
    pub(super) cancelled: Option<Instant>,
}

/// A question that a person is asked.
pub(super) struct Waiting {
    pub question: Question,
    pub request: RequestId,
    pub options: Vec<PermissionOption>,
}

/// What happens in it.
enum Event {
    Agent(Happening),
    Ended(io::Result<ExitStatus>),
    Cancel,
    Answer(String, Choice),
    Late,
}

/// What a line of the agent's leads to.
pub(super) type Led = Result<Option<TurnEnd>, Failure>;

impl Driver {
    /// Has the agent answer a message.
    pub(super) async fn turn(&mut self, number: u64, message: String, work: Work) -> TurnEnd {
        let Work { progress, mut cancelled, mut answers } = work;
        if self.process.is_none() {
            match Driver::spawned(&mut self.supervisor, number).await {
                Ok(process) => self.process = Some(process),
                Err(error) => {
                    return TurnEnd::Failed(Failure::of(format!("cannot start `{}`: {error}", self.name)));
                }
            }
            let started = tokio::select! {
                started = self.go_on(number, &progress) => started,
                _ = &mut cancelled => Err(TurnEnd::Cancelled),
            };
            if let Err(end) = started {
                self.put_down().await;
                return end;
            }
        }
        let Some(session) = self.session.clone() else {
            return TurnEnd::Failed(Failure::of("the agent has no session".into()));
        };
        let prompt = self.next_id();
        let length = message.len();
        let content = vec![ContentBlock::Text(TextContent::new(message))];
        let line = request(prompt, "session/prompt", &PromptRequest::new(session.clone(), content));
        if let Some(process) = &mut self.process {
            process.begin_turn(length.max(line.len()));
        }
        self.send(&line);
        drop(line);
        let mut turn = InTurn {
            session,
            prompt,
            progress,
            transcript: Transcript::default(),
            permissions: 0,
            waiting: Vec::new(),
            cancelled: None,
        };
        let end = loop {
            let event = {
                let Some(process) = &mut self.process else { break TurnEnd::Cancelled };
                let late = turn.cancelled;
                tokio::select! {
                    happening = process.next() => Event::Agent(happening),
                    status = self.supervisor.ended() => Event::Ended(status),
                    _ = &mut cancelled, if late.is_none() => Event::Cancel,
                    Some((id, choice)) = answers.recv() => Event::Answer(id, choice),
                    () = sleep_until(late.unwrap_or_else(Instant::now)), if late.is_some() => Event::Late,
                }
            };
            if let Some(end) = self.advance(&mut turn, event).await {
                break end;
            }
        };
        self.leave(&mut turn).await;
        end
    }

    /// Gets a session of an agent that was started again: the one that there was, where it can go on with that.
    async fn go_on(&mut self, number: u64, progress: &mpsc::Sender<Progress>) -> Result<(), TurnEnd> {
        let failed = |reason: String| {
            let reason = format!("the agent cannot be started again: {reason}");
            TurnEnd::Failed(Failure::of(reason))
        };
        let gone = self.gone.clone().unwrap_or_else(|| "it was ended".to_owned());
        let session = self.session.clone();
        let begun = self.begin(session.as_ref(), false).await.map_err(|fault| failed(fault.to_string()))?;
        self.gone = None;
        let told = if begun.is_new && number > 1 {
            let text =
                format!("[the agent had ended ({gone}) and began anew: it knows nothing of what is above]\n");
            Progress::Item(TurnItem::Notice(text))
        } else {
            Progress::Warning(format!("the agent had ended ({gone}) and goes on with its session"))
        };
        let _ = progress.send(told).await;
        Ok(())
    }

    /// What the turn ends with, where it does.
    async fn advance(&mut self, turn: &mut InTurn, event: Event) -> Option<TurnEnd> {
        let failed = match event {
            Event::Agent(_) if self.has_written_too_much() => {
                let reason = format!("wrote more than {} bytes, the most that one turn may", self.most);
                Failure {
                    message: format!("`{}` {reason}", self.name),
                    reason: format!("too long: it {reason}"),
                }
            }
            Event::Agent(Happening::Line(line)) if line.trim_ascii().is_empty() => return None,
            Event::Agent(Happening::Written) => return None,
            Event::Agent(Happening::Line(line)) => match self.hear(turn, &line).await {
                Ok(end) => return end,
                Err(failure) => failure,
            },
            Event::Agent(Happening::TooLong) => {
                let reason = format!("wrote a line of more than {MAX_LINE} bytes");
                Failure {
                    message: format!("`{}` {reason}", self.name),
                    reason: format!("too long: it {reason}"),
                }
            }
            // How it ends is told by its end, for which it has a little time.
            Event::Agent(Happening::Closed) => match timeout(GRACE, self.supervisor.ended()).await {
                Ok(status) => return Some(self.ended_within(turn, status).await),
                Err(_) => {
                    let reason = "closed its standard output and did not end";
                    Failure { message: format!("`{}` {reason}", self.name), reason: format!("it {reason}") }
                }
            },
            Event::Ended(status) => return Some(self.ended_within(turn, status).await),
            Event::Cancel => {
                self.send(&notification("session/cancel", &CancelNotification::new(turn.session.clone())));
                self.let_go(turn).await;
                turn.cancelled = Some(Instant::now() + GRACE);
                return None;
            }
            Event::Answer(id, choice) => {
                self.answer(turn, &id, choice).await;
                return None;
            }
            Event::Late => {
                self.put_down().await;
                self.gone = Some("it did not end its turn when it was asked to".to_owned());
                return Some(TurnEnd::Cancelled);
            }
        };
        self.put_down().await;
        self.gone = Some(failed.reason.clone());
        Some(TurnEnd::Failed(failed))
    }

    /// The agent ended in mid-turn: what it had written by then counts.
    async fn ended_within(&mut self, turn: &mut InTurn, status: io::Result<ExitStatus>) -> TurnEnd {
        let lines = self.process.as_mut().map(|process| process.last_lines()).unwrap_or_default();
        let mut end = None;
        for line in lines {
            if let Ok(Some(answered)) = self.hear(turn, &line).await {
                end = Some(answered);
            }
        }
        let errors = self.process.take().map_or_else(String::new, |process| process.errors());
        let failed = match status {
            Ok(status) => failure(&self.name, status, &errors),
            Err(error) => Failure::of(format!("cannot wait for `{}`: {error}", self.name)),
        };
        self.gone = Some(failed.reason.clone());
        match end {
            Some(end) => end,
            None if turn.cancelled.is_some() => TurnEnd::Cancelled,
            None => TurnEnd::Failed(failed),
        }
    }

    /// Does what a line asks for. A line that is no message is the agent's fault, and ends the turn.
    async fn hear(&mut self, turn: &mut InTurn, line: &[u8]) -> Led {
        let garbage = |why: String| {
            let reason = format!("wrote what is no message: {why}");
            Failure { message: format!("`{}` {reason}", self.name), reason: format!("it {reason}") }
        };
        match Incoming::decode(line).map_err(garbage)? {
            Incoming::Response { id, result } if id == turn.prompt => {
                Ok(Some(self.answered(turn, result).await))
            }
            Incoming::Response { .. } => Ok(None),
            Incoming::Notification { method, params } => {
                if method == "session/update"
                    && let Ok(told) = serde_json::from_str::<SessionNotification>(params)
                    && told.session_id == turn.session
                {
                    for progress in turn.transcript.take(told.update) {
                        turn.tell(progress).await;
                    }
                }
                Ok(None)
            }
            Incoming::Request { id, method, params } => {
                let answer = match &*method {
                    "session/request_permission" => return self.permission(turn, id, params).await,
                    "fs/read_text_file" => of_params::<ReadTextFileRequest>(params)
                        .and_then(|wanted| block_in_place(|| self.files.read(&wanted)).map_err(refused))
                        .map(|text| response(&id, Ok(ReadTextFileResponse::new(text)))),
                    "fs/write_text_file" => of_params::<WriteTextFileRequest>(params)
                        .and_then(|wanted| block_in_place(|| self.files.write(&wanted)).map_err(refused))
                        .map(|()| response(&id, Ok(WriteTextFileResponse::new()))),
                    method => Err(Error::new(
                        ErrorCode::MethodNotFound.into(),
                        format!("the pod has no `{method}`"),
                    )),
                };
                let line = answer.unwrap_or_else(|error| response(&id, Err::<(), Error>(error)));
                self.send(&line);
                Ok(None)
            }
        }
    }

    /// How the agent ended the turn.
    async fn answered(&mut self, turn: &mut InTurn, result: Result<&str, String>) -> TurnEnd {
        let failed = |reason: String| {
            TurnEnd::Failed(Failure { message: format!("`{}`: {reason}", self.name), reason })
        };
        let result = match result {
            _ if turn.cancelled.is_some() => return TurnEnd::Cancelled,
            Ok(result) => result,
            Err(reason) => return failed(reason),
        };
        if let Ok(Used { usage: Some(Tokens { input_tokens, output_tokens }) }) = serde_json::from_str(result)
        {
            turn.tell(Progress::Usage { input: input_tokens, output: output_tokens }).await;
        }
        match serde_json::from_str::<PromptResponse>(result).map(|response| response.stop_reason) {
            Ok(StopReason::EndTurn) => TurnEnd::Finished,
            Ok(StopReason::MaxTokens) => TurnEnd::LimitReached("tokens"),
            Ok(StopReason::MaxTurnRequests) => TurnEnd::LimitReached("requests to its model"),
            Ok(StopReason::Refusal) => failed("refusal: the agent refused to go on".to_owned()),
            Ok(StopReason::Cancelled) => TurnEnd::Cancelled,
            Ok(_) => TurnEnd::Finished,
            Err(error) => failed(format!("its answer to the prompt is none: {error}")),
        }
    }

    /// The turn is over: nothing of it stays.
    async fn leave(&mut self, turn: &mut InTurn) {
        self.let_go(turn).await;
        for progress in turn.transcript.end() {
            turn.tell(progress).await;
        }
        if let Some(process) = &mut self.process {
            process.begin_turn(0);
        }
    }
}

impl InTurn {
    /// Tells the pod. Where that is gone, the turn is being cancelled.
    pub(super) async fn tell(&self, progress: Progress) {
        let _ = self.progress.send(progress).await;
    }

    pub(super) async fn tell_waiting(&self) {
        let questions = self.waiting.iter().map(|waiting| waiting.question.clone()).collect();
        self.tell(Progress::Asks(questions)).await;
    }
}

/// What a prompt's answer may tell beside why it ended.
#[derive(Deserialize)]
struct Used {
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    input_tokens: u64,
    output_tokens: u64,
}

pub(super) fn of_params<'a, T: Deserialize<'a>>(params: &'a str) -> Result<T, Error> {
    serde_json::from_str(params)
        .map_err(|error| Error::new(ErrorCode::InvalidParams.into(), error.to_string()))
}

fn refused(refused: FileRefused) -> Error {
    let is_missing =
        matches!(&refused, FileRefused::Failed { source, .. } if source.kind() == io::ErrorKind::NotFound);
    let code = if is_missing { ErrorCode::ResourceNotFound } else { ErrorCode::InvalidParams };
    Error::new(code.into(), refused.to_string())
}
