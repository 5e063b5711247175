//! What drives the agent, in a task of its own: it reads what the agent says, in a turn and between turns, and starts it
//! again where it has ended.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use agent_client_protocol_schema::v1::{Error, ErrorCode, RequestId, SessionId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::begun::{Begun, NoSession};
use super::files::Files;
use super::message::{Incoming, response};
use super::permit::Permit;
use super::place::Place;
use super::process::{Happening, MAX_LINE, Process};
use crate::pod::supervisor::Supervisor;
use crate::pod::turn::{GRACE, Progress, Work, failure};

/// What the pod wants.
#[derive(Debug)]
pub enum Order {
    Prompt { number: u64, message: String, work: Work },
    End(oneshot::Sender<()>),
}

/// What holds for the agent as long as the pod lives.
#[derive(Debug)]
pub struct Setting {
    pub place: Place,
    pub files: Files,
    pub permit: Permit,
    /// A whole fence holds it to its scope.
    pub is_fenced: bool,
    /// Bytes that it may write in a turn, or between two.
    pub most: usize,
    /// How long it may take to start.
    pub start_timeout: Duration,
}

/// The agent, and what is known of it.
#[derive(Debug)]
pub struct Driver {
    pub(super) supervisor: Supervisor,
    /// `None`: it has ended.
    pub(super) process: Option<Process>,
    /// Of the command.
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) files: Files,
    pub(super) permit: Permit,
    pub(super) is_fenced: bool,
    pub(super) most: usize,
    start_timeout: Duration,
    pub(super) session: Option<SessionId>,
    last_id: i64,
    /// How many questions were asked of a person.
    pub(super) questions: u64,
    /// Why it ended, where it has.
    pub(super) gone: Option<String>,
    orders: mpsc::Receiver<Order>,
}

impl Driver {
    /// Starts the process.
    pub async fn spawned(supervisor: &mut Supervisor, turn: u64) -> io::Result<Process> {
        Process::start(supervisor, turn).await
    }

    pub fn new(
        supervisor: Supervisor,
        process: Process,
        setting: Setting,
        orders: mpsc::Receiver<Order>,
    ) -> Driver {
        let Setting { place, files, permit, is_fenced, most, start_timeout } = setting;
        let name = supervisor.program();
        Driver {
            supervisor,
            process: Some(process),
            name,
            place,
            files,
            permit,
            is_fenced,
            most,
            start_timeout,
            session: None,
            last_id: 0,
            questions: 0,
            gone: None,
            orders,
        }
    }

    /// Begins a session with the process that runs. Where that fails, it runs no more.
    pub async fn begin(&mut self, wanted: Option<&SessionId>, must: bool) -> Result<Begun, NoSession> {
        let limit = self.start_timeout;
        let shaken = timeout(limit, self.shake_hands(wanted, must)).await;
        let reason = match shaken {
            Ok(Ok(begun)) => {
                self.session = Some(begun.id.clone());
                return Ok(begun);
            }
            Ok(Err(reason)) => reason,
            Err(_) => format!(
                "it had no session within {} s; is it an agent of the Agent Client Protocol, and does its command say \
                 so? --start-timeout gives it longer",
                limit.as_secs_f64()
            ),
        };
        let errors = self.process.as_ref().map_or_else(String::new, Process::errors);
        self.put_down().await;
        Err(NoSession { reason, errors })
    }

    /// Does what the pod wants until that is the end.
    pub async fn serve(mut self) {
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(Order::Prompt { number, message, work }) => {
                        let progress = work.progress.clone();
                        let end = self.turn(number, message, work).await;
                        let _ = progress.send(Progress::Ended(end)).await;
                    }
                    Some(Order::End(done)) => {
                        self.end().await;
                        let _ = done.send(());
                        return;
                    }
                    None => return self.end().await,
                },
                idle = idle(&mut self.process, &mut self.supervisor) => self.between_turns(idle).await,
            }
        }
    }

    /// Ends it, and all that it has left behind.
    pub async fn end(&mut self) {
        self.process = None;
        self.supervisor.end().await;
    }

    /// What it says while no turn runs belongs to none.
    async fn between_turns(&mut self, idle: Idle) {
        let reason = match idle {
            Idle::Ended(status) => return self.has_ended(status),
            Idle::Happening(_) if self.has_written_too_much() => {
                format!("it wrote more than {} bytes", self.most)
            }
            Idle::Happening(Happening::Written) => return,
            Idle::Happening(Happening::Line(line)) if line.trim_ascii().is_empty() => return,
            Idle::Happening(Happening::Line(line)) => match Incoming::decode(&line) {
                Ok(Incoming::Request { id, .. }) => return self.refuse(&id, "no turn runs"),
                Ok(Incoming::Notification { .. } | Incoming::Response { .. }) => return,
                Err(why) => format!("it wrote what is no message: {why}"),
            },
            Idle::Happening(Happening::TooLong) => format!("it wrote a line of more than {MAX_LINE} bytes"),
            Idle::Happening(Happening::Closed) => "it closed its standard output".to_owned(),
        };
        self.put_down().await;
        self.gone = Some(reason);
    }

    /// Notes how it ended by itself.
    fn has_ended(&mut self, status: io::Result<ExitStatus>) {
        let errors = self.process.take().map_or_else(String::new, |mut process| {
            process.last_lines();
            process.errors()
        });
        self.gone = Some(match status {
            Ok(status) => failure(&self.name, status, &errors).reason,
            Err(error) => error.to_string(),
        });
    }

    /// Ends the process: it is asked to, and killed where it does not in time.
    pub(super) async fn put_down(&mut self) {
        if self.process.take().is_none() {
            return;
        }
        self.supervisor.terminate().await;
        if timeout(GRACE, self.supervisor.ended()).await.is_err() {
            self.supervisor.kill().await;
            let _ = self.supervisor.ended().await;
        }
    }

    pub(super) fn has_written_too_much(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.written() > self.most)
    }

    pub(super) fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn send(&mut self, line: &[u8]) {
        if let Some(process) = &mut self.process {
            process.send(line);
        }
    }

    /// Answers a request with an error.
    pub(super) fn refuse(&mut self, id: &RequestId, why: &str) {
        let error = Error::new(ErrorCode::InvalidRequest.into(), why);
        self.send(&response(id, Err::<(), Error>(error)));
    }
}

/// What an agent does while no turn runs.
enum Idle {
    Happening(Happening),
    Ended(io::Result<ExitStatus>),
}

/// Cancel safe.
async fn idle(process: &mut Option<Process>, supervisor: &mut Supervisor) -> Idle {
    let Some(process) = process else { return std::future::pending().await };
    tokio::select! {
        happening = process.next() => Idle::Happening(happening),
        status = supervisor.ended() => Idle::Ended(status),
    }
}
