//! One connection: who comes in, and his session from its first frame to its last.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pod_tools_host::gateway::{Begin, MAX_BEGIN, Over, Reply, Session};
use pod_tools_host::{ErrorKind, Ledger, Reason, ToolError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::callers::{Caller, Callers};
use super::delivery::Delivery;
use super::frames::{Frames, NoFrame, send};
use super::listener::Stream;
use super::places::{Held, Places, SessionPlace};
use crate::audit::AuditLog;
use crate::caller::log_denials;
use crate::newcomers::{GREETING, Newcomer};

/// What a session is called in the audit log: which tool it is, the gateway does not learn.
const SESSION: &str = "gateway";
/// A wrong token is answered after so long.
const REFUSED_AFTER: Duration = Duration::from_secs(1);
/// So many wait for that at once; who comes then with a wrong token is told nothing, and not noted.
const REFUSED_AT_ONCE: usize = 128;
/// A client has so long to take the last that it is told, and to close the connection then.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// So many are waited for at once.
const PARTING_AT_ONCE: usize = 256;
/// The frames of all sessions of a caller may have so many times the bytes of the longest.
const LONG_FRAMES: usize = 2;

type Outgoing = WriteHalf<Box<dyn Stream>>;
type Incoming = Frames<ReadHalf<Box<dyn Stream>>>;

/// What all connections share.
pub struct Gateway {
    callers: watch::Receiver<Callers>,
    places: Arc<Places>,
    refused: Semaphore,
    parting: Semaphore,
    audit: Option<AuditLog>,
    /// The file that grants are written in, which clients are not told of.
    grants_file: Option<PathBuf>,
    stopping: CancellationToken,
}

/// A session has ended without a last answer: its client has left, or the gateway ends.
struct Left;

impl Gateway {
    pub fn new(
        callers: watch::Receiver<Callers>,
        places: Arc<Places>,
        audit: Option<AuditLog>,
        grants_file: Option<PathBuf>,
        stopping: CancellationToken,
    ) -> Arc<Self> {
        let (refused, parting) = (Semaphore::new(REFUSED_AT_ONCE), Semaphore::new(PARTING_AT_ONCE));
        Arc::new(Self { callers, places, refused, parting, audit, grants_file, stopping })
    }

    /// Serves one connection to its end.
    pub async fn serve(self: Arc<Self>, stream: Box<dyn Stream>, newcomer: Newcomer) {
        let (reader, writer) = split(stream);
        let mut frames = Frames::new(reader, MAX_BEGIN);
        let first = tokio::select! {
            first = timeout(GREETING, frames.next()) => first,
            () = newcomer.wanted.cancelled() => return,
            () = self.stopping.cancelled() => return,
        };
        let first = match first {
            Ok(Ok(frame)) => frame.content,
            // It is no beginning, which is said in the same words.
            Ok(Err(NoFrame::TooLong | NoFrame::NoRoom)) => Vec::new(),
            Ok(Err(NoFrame::Ended)) | Err(_) => return,
        };
        let begin = match Begin::parse(&first) {
            Ok(begin) => begin,
            Err(over) => return self.part(frames.into_inner(), writer, over).await,
        };
        let caller = self.callers.borrow().who_shows(begin.token());
        let Some(caller) = caller else { return self.refuse(newcomer, frames, writer).await };
        let longest = Session::longest_request(caller.authority.limits());
        let place = match self.places.enter(caller.name.clone(), longest.saturating_mul(LONG_FRAMES)) {
            Ok(place) => place,
            Err(error) => return self.part(frames.into_inner(), writer, error.into()).await,
        };
        if !newcomer.leave() {
            return;
        }
        frames.admit(place.clone(), longest);
        self.session(&caller, place, frames, writer).await;
    }

    /// Serves a session of that caller.
    async fn session(
        &self,
        caller: &Caller,
        place: SessionPlace,
        mut frames: Incoming,
        mut writer: Outgoing,
    ) {
        let entry = match &self.audit {
            Some(audit) => match audit.begin_for(SESSION, caller.name.as_ref()) {
                Ok(entry) => Some(entry),
                Err(error) => return self.part(frames.into_inner(), writer, error.into()).await,
            },
            None => None,
        };
        let ledger = entry.as_ref().map_or_else(Ledger::new, |entry| entry.ledger().clone());
        let mut sent = 0;
        let ended = match Session::begin(&caller.authority.recorded_in(&ledger)) {
            Ok((session, answer)) => {
                let held = (place.hold(), Delivery::of(&place));
                self.converse((session, held), answer, &mut frames, &mut writer, &mut sent).await
            }
            Err(over) => Ok(over),
        };
        if let Some(file) = &self.grants_file {
            log_denials(file, &ledger);
        }
        // An entry that is not finished is that of a call whose caller has left.
        let Ok(over) = ended else { return };
        if let Some(entry) = entry {
            entry.finish(over.error.as_ref().map_or(Ok(sent), Err));
        }
        // Whoever hears that a session is over may open the next one.
        let reader = frames.into_inner();
        drop(place);
        self.part(reader, writer, over).await;
    }

    /// Carries out one request after the other, until the session is over. Counts the bytes of the answers, and those
    /// of messages that pods have not been sent yet: they go when the client reads.
    async fn converse(
        &self,
        (mut session, (mut unsent, mut delivery)): (Session, (Held, Delivery)),
        first: Vec<u8>,
        frames: &mut Incoming,
        writer: &mut Outgoing,
        sent: &mut usize,
    ) -> Result<Over, Left> {
        let end = Instant::from_std(session.ends_at());
        let mut answer = Some(first);
        loop {
            let next = async {
                if let Some(answer) = answer.take() {
                    *sent += answer.len();
                    send(writer, &answer).await.map_err(|_| NoFrame::Ended)?;
                }
                frames.next().await
            };
            let next = tokio::select! {
                next = timeout_at(end, next) => next,
                () = self.stopping.cancelled() => return Err(Left),
            };
            let frame = match next {
                Ok(Ok(frame)) => frame,
                Ok(Err(NoFrame::Ended)) => return Err(Left),
                Ok(Err(NoFrame::TooLong)) => return Ok(session.too_long()),
                Ok(Err(NoFrame::NoRoom)) => return Ok(no_room().into()),
                Err(_) => return Ok(session.time_is_up()),
            };
            // Who has sent it need not wait for the answer.
            let is_last = Session::is_last(&frame.content);
            let answered = async {
                delivery.before(&frame.content).await;
                session.answer(frame.content).await
            };
            let reply = tokio::select! {
                biased;
                reply = answered => reply,
                () = frames.gone(), if !is_last => return Err(Left),
                () = self.stopping.cancelled(), if !is_last => return Err(Left),
            };
            drop(frame.held);
            if unsent.grow_to(session.unsent()).is_err() {
                return Ok(no_room().into());
            }
            answer = match reply {
                Reply::Answer(answer) => Some(answer),
                Reply::Nothing => None,
                Reply::Over(over) => return Ok(over),
            };
        }
    }

    /// Answers a wrong token, late, and with a line in the audit log.
    async fn refuse(&self, newcomer: Newcomer, frames: Incoming, writer: Outgoing) {
        let Ok(_waiting) = self.refused.try_acquire() else {
            return tracing::debug!(
                "a wrong token was shown, while {REFUSED_AT_ONCE} others wait to be refused"
            );
        };
        newcomer.leave();
        let message = "the token is that of no caller of the gateway: set POD_TOOLS_TOKEN to what is in the file that the \
                       gateway was started with (--token-file, or `token-file` of a [[caller]])";
        let error = ToolError::new(ErrorKind::Denied, Reason::NotGranted, message);
        tokio::select! {
            () = sleep(REFUSED_AFTER) => {}
            () = self.stopping.cancelled() => return,
        }
        if let Some(Ok(entry)) = self.audit.as_ref().map(|audit| audit.begin_for(SESSION, None)) {
            entry.finish(Err(&error));
        }
        self.part(frames.into_inner(), writer, error.into()).await;
    }

    /// Says the last there is to say, and waits for the client to close the connection: what it has sent and nobody reads
    /// could have the system throw away the answer.
    async fn part(&self, mut reader: impl AsyncRead + Unpin, mut writer: Outgoing, over: Over) {
        // Where many are waited for, nobody else is.
        let waiting = self.parting.try_acquire();
        let parting = async {
            send(&mut writer, &over.content).await.ok()?;
            writer.shutdown().await.ok()?;
            let mut thrown_away = [0; 4096];
            while waiting.is_ok() && reader.read(&mut thrown_away).await.ok()? > 0 {}
            Some(())
        };
        tokio::select! {
            _ = timeout(LAST_WORDS, parting) => {}
            () = async { self.stopping.cancelled().await; sleep(Duration::from_millis(100)).await } => {}
        }
    }
}

fn no_room() -> ToolError {
    let message = "messages that sessions of the caller are sending take all the room there is for them: try again when \
                   they are sent, or send shorter ones";
    ToolError::new(ErrorKind::Limit, None, message)
}
