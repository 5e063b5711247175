//! A session: one call of a tool whose plugin runs elsewhere. Each request is a call of a host function.

use tokio::time::{Instant, timeout_at};
use wasmtime::component::{Resource, ResourceTable};

use super::frame::{Answer, Begin, COMMIT, CURSOR, FIND, Handle, Malformed, Request, SET_CURSOR, VERSION};
use super::handles::Handles;
use crate::authority::Authority;
use crate::authority::limits::{LimitReached, Limits, call_time_is_up};
use crate::call::gate::Pod;
use crate::call::host_error::{HostResult, ended_by};
use crate::call::{PodCtx, PodCtxView};
use crate::error::{ErrorKind, Reason, ToolError};
use crate::imports::bindings::pod::tools::pods::{Host as _, HostPod, Verb};
use crate::imports::bindings::pod::tools::scope_lock::Host as _;
use crate::imports::bindings::pod::tools::types::{Error, Host as _};
use crate::imports::bindings::pod::tools::unix_socket::{Host as _, HostExchange, Request as PodRequest};

/// Bytes that a request may have beyond what the plugin may hand over: its number, lengths, handles.
const ENVELOPE: usize = 64 << 10;

/// One session: its authority, handles, exchanges and staged cursors. Dropped, it has closed and forgotten them.
pub struct Session {
    ctx: PodCtx,
    table: ResourceTable,
    handles: Handles,
    is_over: bool,
}

/// What is said to a request.
#[derive(Debug)]
#[must_use = "it is to be sent"]
pub enum Reply {
    /// The content of the answer's frame. The session goes on.
    Answer(Vec<u8>),
    /// Nothing: the request was a drop. The session goes on.
    Nothing,
    /// The session is over.
    Over(Over),
}

/// What a request has to do with read cursors: a client may have given its caller an answer before it says so, and who
/// serves the caller's next session is to wait for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorUse {
    /// It may ask for one.
    Asks,
    /// It stages one: what follows is the commit, or the end.
    Stages,
}

/// What has come of a request.
enum Done {
    Answered(Answer),
    /// A handle was dropped.
    Dropped,
    /// The session is to end, with what it has staged stored.
    Last,
}

/// The last answer of a session: the connection is to be closed behind it.
#[derive(Debug, Clone)]
#[must_use = "it is to be sent"]
#[non_exhaustive]
pub struct Over {
    /// The content of its frame.
    pub content: Vec<u8>,
    /// Why; `None`: what it has staged was committed.
    pub error: Option<ToolError>,
}

impl From<ToolError> for Over {
    fn from(error: ToolError) -> Self {
        Self { content: Answer::over(&error.clone().into()), error: Some(error) }
    }
}

impl Begin {
    /// Reads the content of a session's first frame.
    ///
    /// # Errors
    ///
    /// The answer to a client that does not begin a session, or begins one of another version of the protocol.
    pub fn parse(content: &[u8]) -> Result<Self, Over> {
        let begin = Self::decode(content).map_err(|malformed| Over::from(not_understood(&malformed)))?;
        if begin.version != VERSION {
            let message = format!(
                "the gateway speaks version {VERSION} of its protocol, and not version {}: use a client and a \
                 gateway of one release",
                begin.version
            );
            return Err(ToolError::failed(Reason::Protocol, message).into());
        }
        Ok(begin)
    }
}

impl Session {
    /// A session with that authority, and the content of the answer to its [`Begin`]. Its time begins now.
    ///
    /// # Errors
    ///
    /// What the client is told where the authority's limits leave room for no request at all.
    pub fn begin(authority: &Authority) -> Result<(Self, Vec<u8>), Over> {
        let mut table = ResourceTable::new();
        table.set_max_capacity(authority.limits().handles);
        let (ctx, handles) = (PodCtx::new(authority), Handles::default());
        let mut this = Self { ctx, table, handles, is_over: false };
        let bounds = this.view().bounds().map_err(|trap| this.over(&trap))?;
        let call_time = this.ctx.limits().call_time.as_millis();
        let answer = Answer::result()
            .u16(VERSION)
            .u32(bounds.operation_ms)
            .option(bounds.max_output, Answer::u64)
            .u32(u32::try_from(call_time).unwrap_or(u32::MAX));
        Ok((this, answer.finish()))
    }

    /// The most bytes that the content of a request may have within these limits. Longer ones are not to be read: the
    /// session is over.
    pub fn longest_request(limits: &Limits) -> usize {
        limits.transfer.saturating_add(ENVELOPE)
    }

    /// Whether a request, by the content of its frame, is to be carried out to its end even where its client has left
    /// meanwhile: it is the last, and tells that the caller of the tool has the answer.
    pub fn is_last(content: &[u8]) -> bool {
        content == [COMMIT]
    }

    /// What a request, by the content of its frame, has to do with read cursors.
    pub fn cursor_use(content: &[u8]) -> Option<CursorUse> {
        match content.first() {
            Some(&(FIND | CURSOR)) => Some(CursorUse::Asks),
            Some(&SET_CURSOR) => Some(CursorUse::Stages),
            _ => None,
        }
    }

    /// The answer to a frame that is longer than that.
    pub fn too_long(&mut self) -> Over {
        self.over(&LimitReached::Transfer(self.ctx.limits().transfer).into())
    }

    /// How many bytes of messages are kept for pods, which are sent them as the client reads in their exchanges.
    pub fn unsent(&self) -> usize {
        self.ctx.unsent()
    }

    /// When the time of the call is up, and the session over, whatever it does.
    pub fn ends_at(&self) -> std::time::Instant {
        self.ctx.deadline().into_std()
    }

    /// The answer when the time is up.
    pub fn time_is_up(&mut self) -> Over {
        self.is_over = true;
        self.ctx.explain(call_time_is_up(self.ctx.limits().call_time)).into()
    }

    /// Carries out a request, from the content of its frame. Ends when the session's time does.
    ///
    /// Dropping the future ends an operation as dropping that of [`PodTools::call`](crate::PodTools::call) does: what
    /// changes a file runs to its end. The session can be used on.
    pub async fn answer(&mut self, content: Vec<u8>) -> Reply {
        if self.is_over {
            return Reply::Over(self.over(&wasmtime::Error::msg("the request comes behind its end")));
        }
        if content.len() > Self::longest_request(self.ctx.limits()) {
            return Reply::Over(self.too_long());
        }
        let deadline = self.ctx.deadline();
        if Instant::now() >= deadline {
            return Reply::Over(self.time_is_up());
        }
        let clock = self.ctx.clock().clone();
        let work = clock.measure(async {
            let request = Request::decode(&content)?;
            drop(content);
            Ok::<_, Malformed>(match self.ctx.step() {
                Ok(()) => self.carry_out(request).await,
                Err(limit) => Err(limit.into()),
            })
        });
        let Ok(done) = timeout_at(deadline, work).await else { return Reply::Over(self.time_is_up()) };
        let failed = match done {
            Ok(Ok(Done::Answered(answer))) => return Reply::Answer(answer.finish()),
            Ok(Ok(Done::Dropped)) => return Reply::Nothing,
            Ok(Ok(Done::Last)) => return Reply::Over(self.commit().await),
            // An operation that waits is over at the same instant as the call.
            Ok(Err(_)) if Instant::now() >= deadline => return Reply::Over(self.time_is_up()),
            Ok(Err(failed)) => failed,
            Err(malformed) => {
                self.is_over = true;
                return Reply::Over(not_understood(&malformed).into());
            }
        };
        match self.view().convert_error(failed) {
            Ok(error) => Reply::Answer(Answer::failed(&error)),
            Err(trap) => Reply::Over(self.over(&trap)),
        }
    }

    async fn carry_out(&mut self, request: Request) -> HostResult<Done> {
        let result = Answer::result();
        Ok(Done::Answered(match request {
            Request::Find { name, purpose } => self.find(name, purpose)?,
            Request::List => self.list()?,
            Request::State(pod) => {
                let pod = self.handles.pod(pod)?;
                result.state(self.view().state(pod)?)
            }
            Request::Cursor(pod) => {
                let pod = self.handles.pod(pod)?;
                result.option(self.view().cursor(pod)?.as_ref(), Answer::cursor)
            }
            Request::SetCursor(pod, cursor) => {
                let pod = self.handles.pod(pod)?;
                self.view().set_cursor(pod, cursor)?;
                result
            }
            Request::Forget(pod) => {
                let pod = self.handles.pod(pod)?;
                self.view().forget(pod).await?;
                result
            }
            Request::DropPod(pod) => {
                let pod = self.handles.take_pod(pod)?;
                HostPod::drop(&mut self.view(), pod)?;
                return Ok(Done::Dropped);
            }
            Request::Open { pod, request, within_ms } => {
                let pod = self.handles.pod(pod)?.rep();
                let has_state = !matches!(request, PodRequest::Shutdown);
                let borrowed = || Resource::<Pod>::new_borrow(pod);
                let exchange = self.view().open(borrowed(), request, within_ms).await?;
                let result = result.handle(self.handles.name_exchange(&exchange)?);
                let state = has_state.then(|| self.or_error(|view| view.state(borrowed()))).transpose()?;
                result.option(state, |answer, state| answer.or_error(state, Answer::state))
            }
            Request::Read { exchange, max, within_ms } => {
                let exchange = self.handles.exchange(exchange)?;
                result.bytes(&self.view().read(exchange, max, within_ms).await?)
            }
            Request::DropExchange(exchange) => {
                let exchange = self.handles.take_exchange(exchange)?;
                HostExchange::drop(&mut self.view(), exchange)?;
                return Ok(Done::Dropped);
            }
            Request::SpawnedBy(pod) => {
                let pod = self.handles.pod(pod)?;
                let spawned = self.view().spawned_by(pod).await?;
                let mut answer = result.count(spawned.pods.len());
                for pod in &spawned.pods {
                    let handle = self.handles.name_pod(pod)?;
                    let description = self.view().describe(Resource::new_borrow(pod.rep()))?;
                    answer = answer.handle(handle).description(&description);
                }
                answer.u32(spawned.others)
            }
            Request::AwaitAny { exchanges, within_ms } => {
                let most = self.ctx.limits().handles;
                if exchanges.len() > most {
                    return Err(wasmtime::Error::from(LimitReached::Handles(most)).into());
                }
                let exchanges = exchanges
                    .into_iter()
                    .map(|it| self.handles.exchange(it))
                    .collect::<wasmtime::Result<_>>()?;
                result.awaited(&self.view().await_any(exchanges, within_ms).await?)
            }
            Request::Probe(pods) => {
                let most = self.ctx.limits().handles;
                if pods.len() > most {
                    return Err(wasmtime::Error::from(LimitReached::Handles(most)).into());
                }
                let pods =
                    pods.into_iter().map(|pod| self.handles.pod(pod)).collect::<wasmtime::Result<_>>()?;
                result.reachability(&self.view().probe(pods).await?)
            }
            Request::AwaitClosed { pod, within_ms } => {
                let pod = self.handles.pod(pod)?;
                result.bool(self.view().await_closed(pod, within_ms).await?)
            }
            Request::Release { pod, within_ms } => {
                let pod = self.handles.pod(pod)?;
                self.view().release(pod, within_ms).await?;
                result
            }
            Request::ReclaimStale { within_ms } => result.u32(self.view().reclaim_stale(within_ms).await?),
            Request::Commit => return Ok(Done::Last),
        }))
    }

    /// A pod, and what is asked of it next: each as if it were asked for by itself.
    fn find(&mut self, name: String, purpose: Verb) -> HostResult<Answer> {
        let pod = self.view().find(name, purpose)?;
        let handle = self.handles.name_pod(&pod)?;
        let borrowed = || Resource::<Pod>::new_borrow(pod.rep());
        let description = self.view().describe(borrowed())?;
        let state = match purpose {
            Verb::Send | Verb::Read => Some(self.or_error(|view| view.state(borrowed()))?),
            Verb::List | Verb::Stop => None,
        };
        let cursor = match purpose {
            Verb::Read => Some(self.or_error(|view| view.cursor(borrowed()))?),
            Verb::List | Verb::Send | Verb::Stop => None,
        };
        Ok(Answer::result()
            .handle(handle)
            .description(&description)
            .option(state, |answer, state| answer.or_error(state, Answer::state))
            .option(cursor, |answer, cursor| {
                answer.or_error(cursor, |answer, cursor| answer.option(cursor.as_ref(), Answer::cursor))
            }))
    }

    fn list(&mut self) -> HostResult<Answer> {
        let listing = self.view().list()?;
        let mut answer = Answer::result().count(listing.pods.len());
        for listed in &listing.pods {
            let handle: Handle = self.handles.name_pod(&listed.pod)?;
            answer = answer.handle(handle).description(&listed.description);
        }
        Ok(answer.u32(listing.unreadable))
    }

    /// What a host function gives, or the error that it gives the plugin.
    fn or_error<T>(
        &mut self,
        ask: impl FnOnce(&mut PodCtxView<'_>) -> HostResult<T>,
    ) -> HostResult<Result<T, Error>> {
        let mut view = self.view();
        match ask(&mut view) {
            Ok(given) => Ok(Ok(given)),
            Err(failed) => Ok(Err(view.convert_error(failed)?)),
        }
    }

    /// Stores what is staged. Not bounded by the call's time, as in this process: it has the time of an operation.
    async fn commit(&mut self) -> Over {
        self.is_over = true;
        match self.ctx.take_staged().store().await {
            Ok(()) => Over { content: Answer::result().finish(), error: None },
            Err(error) => self.ctx.explain(error).into(),
        }
    }

    /// The session ends here, as a call in this process ends by a trap.
    fn over(&mut self, trap: &wasmtime::Error) -> Over {
        self.is_over = true;
        self.ctx.explain(ended_by(trap, self.ctx.limits(), "the session is over")).into()
    }

    fn view(&mut self) -> PodCtxView<'_> {
        PodCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("ctx", &self.ctx)
            .field("handles", &self.handles)
            .finish_non_exhaustive()
    }
}

fn not_understood(malformed: &Malformed) -> ToolError {
    ToolError::new(
        ErrorKind::Internal,
        None,
        format!("the gateway does not understand the request: {malformed}"),
    )
}
