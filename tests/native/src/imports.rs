//! What the tools need from a host, on the very functions that the plugin imports.

use std::cell::RefCell;
use std::rc::Rc;

use pod_tools_guest::host::{self, Error, Host};
use pod_tools_host::contract::{Exchange, HostError, Pod, content, pods, scope_lock, unix_socket};
use pod_tools_host::{ErrorKind, PodCtx, PodCtxView, Reason, Staged, ToolError};
use tokio::runtime::Handle;
use wasmtime::component::{Resource, ResourceTable};

use crate::remedy::explained;

/// The host of one call.
pub struct Native {
    runtime: Handle,
    state: Rc<RefCell<State>>,
}

struct State {
    ctx: PodCtx,
    table: ResourceTable,
    /// What would have ended the call, had there been a plugin.
    ended: Option<ToolError>,
}

impl State {
    fn view(&mut self) -> PodCtxView<'_> {
        PodCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }

    fn error(&mut self, error: HostError) -> Error {
        let ends = matches!(error, HostError::Trap(_));
        let error = explained(error);
        if ends {
            self.ended.get_or_insert_with(|| error.clone());
        }
        guest_error(error)
    }
}

/// An exchange that is closed when it is dropped.
pub struct Open {
    handle: u32,
    state: Rc<RefCell<State>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        // It fails for a handle that is not there, and this one is.
        let _ = unix_socket::HostExchange::drop(
            &mut self.state.borrow_mut().view(),
            Resource::<Exchange>::new_own(self.handle),
        );
    }
}

impl Native {
    pub fn new(runtime: Handle, ctx: PodCtx) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(ctx.limits().handles);
        let state = State { ctx, table, ended: None };
        Self { runtime, state: Rc::new(RefCell::new(state)) }
    }

    /// What the call has staged and handed over, and why it has to fail if it has to.
    pub fn finish(self) -> (Staged, String, Option<ToolError>) {
        let mut state = self.state.borrow_mut();
        (state.ctx.take_staged(), state.ctx.take_content(), state.ended.take())
    }

    fn run<T>(&self, import: impl FnOnce(&mut PodCtxView<'_>) -> Result<T, HostError>) -> Result<T, Error> {
        let mut state = self.state.borrow_mut();
        let done = import(&mut state.view());
        done.map_err(|error| state.error(error))
    }

    fn wait<T>(
        &self,
        import: impl AsyncFnOnce(&mut PodCtxView<'_>) -> Result<T, HostError>,
    ) -> Result<T, Error> {
        self.run(|view| self.runtime.block_on(import(view)))
    }
}

fn pod(&handle: &u32) -> Resource<Pod> {
    Resource::new_borrow(handle)
}

impl Host for Native {
    type Pod = u32;
    type Exchange = Open;

    fn find(&self, name: &str, purpose: host::Verb) -> Result<u32, Error> {
        let purpose = match purpose {
            host::Verb::List => pods::Verb::List,
            host::Verb::Send => pods::Verb::Send,
            host::Verb::Read => pods::Verb::Read,
            host::Verb::Stop => pods::Verb::Stop,
        };
        Ok(self.run(|view| pods::Host::find(view, name.into(), purpose))?.rep())
    }

    fn list(&self) -> Result<host::Listing<u32>, Error> {
        let pods::Listing { pods, unreadable } = self.run(|view| pods::Host::list(view))?;
        let pods = pods.into_iter().map(|listed| host::Listed {
            pod: listed.pod.rep(),
            description: description(listed.description),
        });
        Ok(host::Listing { pods: pods.collect(), unreadable })
    }

    fn forget(&self, handle: &u32) -> Result<(), Error> {
        self.wait(async |view| pods::Host::forget(view, pod(handle)).await)
    }

    fn spawned_by(&self, handle: &u32) -> Result<host::Spawned<u32>, Error> {
        let pods::Spawned { pods, others } =
            self.wait(async |view| pods::Host::spawned_by(view, pod(handle)).await)?;
        Ok(host::Spawned { pods: pods.iter().map(Resource::rep).collect(), others })
    }

    fn bounds(&self) -> host::Bounds {
        let bounds = self.run(|view| pods::Host::bounds(view).map_err(HostError::Trap));
        match bounds {
            Ok(pods::CallBounds { operation_ms, call_ms, max_output }) => {
                host::Bounds { operation_ms, call_ms, max_output }
            }
            // The call has ended, whatever is done with this.
            Err(_) => host::Bounds { operation_ms: 0, call_ms: 0, max_output: None },
        }
    }

    fn describe(&self, handle: &u32) -> host::Description {
        let described = self.run(|view| pods::HostPod::describe(view, pod(handle)).map_err(HostError::Trap));
        match described {
            Ok(described) => description(described),
            Err(_) => host::Description { name: String::new(), scope: Vec::new(), fence: None },
        }
    }

    fn state(&self, handle: &u32) -> Result<host::State, Error> {
        Ok(match self.run(|view| pods::HostPod::state(view, pod(handle)))? {
            pods::State::Unknown => host::State::Unknown,
            pods::State::Idle => host::State::Idle,
            pods::State::Running => host::State::Running,
            pods::State::Paused => host::State::Paused,
        })
    }

    fn cursor(&self, handle: &u32) -> Result<Option<host::Cursor>, Error> {
        let cursor = self.run(|view| pods::HostPod::cursor(view, pod(handle)))?;
        Ok(cursor.map(|pods::Cursor { items, digest }| host::Cursor { items, digest }))
    }

    fn set_cursor(&self, handle: &u32, cursor: host::Cursor) -> Result<(), Error> {
        let host::Cursor { items, digest } = cursor;
        self.run(|view| pods::HostPod::set_cursor(view, pod(handle), pods::Cursor { items, digest }))
    }

    fn open(&self, to: &u32, request: host::Request, within_ms: Option<u32>) -> Result<Open, Error> {
        let request = match request {
            host::Request::Run(text) => unix_socket::Request::Run(text),
            host::Request::GetHistory => unix_socket::Request::GetHistory,
            host::Request::Shutdown => unix_socket::Request::Shutdown,
            host::Request::Listen => unix_socket::Request::Listen,
        };
        let opened =
            self.wait(async |view| unix_socket::Host::open(view, pod(to), request, within_ms).await)?;
        Ok(Open { handle: opened.rep(), state: self.state.clone() })
    }

    fn read(&self, exchange: &Open, max: u32, within_ms: Option<u32>) -> Result<Vec<u8>, Error> {
        let handle = Resource::new_borrow(exchange.handle);
        self.wait(async |view| unix_socket::HostExchange::read(view, handle, max, within_ms).await)
    }

    fn await_any(&self, exchanges: &[&Open], within_ms: u32) -> Result<host::Awaited, Error> {
        let handles = || exchanges.iter().map(|exchange| Resource::new_borrow(exchange.handle)).collect();
        let unix_socket::Awaited { ready, waited_ms } =
            self.wait(async |view| unix_socket::Host::await_any(view, handles(), within_ms).await)?;
        Ok(host::Awaited { ready, waited_ms })
    }

    fn probe(&self, handles: &[&u32]) -> Result<Vec<host::Reachability>, Error> {
        let handles = handles.iter().map(|handle| pod(handle)).collect();
        let answers = self.wait(async |view| unix_socket::Host::probe(view, handles).await)?;
        let answers = answers.into_iter().map(|answer| match answer {
            unix_socket::Reachability::Alive => host::Reachability::Alive,
            unix_socket::Reachability::Stopped => host::Reachability::Stopped,
            unix_socket::Reachability::Denied => host::Reachability::Denied,
        });
        Ok(answers.collect())
    }

    fn await_closed(&self, handle: &u32, within_ms: Option<u32>) -> Result<bool, Error> {
        self.wait(async |view| unix_socket::Host::await_closed(view, pod(handle), within_ms).await)
    }

    fn append(&self, text: &str) {
        let appended = self.run(|view| content::Host::append(view, text.to_owned()).map_err(HostError::Trap));
        // What ends a plugin's call ends this one, too, when it is over.
        let _ = appended;
    }

    fn release(&self, handle: &u32, within_ms: Option<u32>) -> Result<(), Error> {
        self.wait(async |view| scope_lock::Host::release(view, pod(handle), within_ms).await)
    }

    fn reclaim_stale(&self, within_ms: Option<u32>) -> Result<u32, Error> {
        self.wait(async |view| scope_lock::Host::reclaim_stale(view, within_ms).await)
    }
}

fn description(pods::Description { name, scope, fence }: pods::Description) -> host::Description {
    let scope = scope.into_iter().map(|rule| host::ScopeRule {
        permission: match rule.permission {
            pods::Permission::Read => host::Permission::Read,
            pods::Permission::Write => host::Permission::Write,
        },
        target: rule.target,
        recursive: rule.recursive,
    });
    let fence = fence.map(|pods::Fence { held, missing }| host::Fence {
        held: match held {
            pods::Held::Whole => host::Held::Whole,
            pods::Held::Part => host::Held::Part,
            pods::Held::Off => host::Held::Off,
        },
        missing,
    });
    host::Description { name, scope: scope.collect(), fence }
}

/// Two functions between two enums of the same names. The host's may grow, and what is new there the tools
/// cannot know.
macro_rules! same_names {
    ($to_guest:ident, $to_host:ident, $host:ident = $guest:ident, $unknown:expr, [$($name:ident)*]) => {
        fn $to_guest(word: $host) -> Option<host::$guest> {
            match word { $($host::$name => Some(host::$guest::$name),)* _ => $unknown }
        }

        fn $to_host(word: host::$guest) -> $host {
            match word { $(host::$guest::$name => $host::$name,)* }
        }
    };
}

same_names! {
    guest_kind, host_kind, ErrorKind = ErrorKind, Some(host::ErrorKind::Internal),
    [InvalidArgument ExecutionFailed UnknownTool Denied Timeout Limit Internal]
}
same_names! {
    guest_reason, host_reason, Reason = Reason, None,
    [UnknownPod AlreadyRunning Unreachable SocketTimeout Closed Protocol PodError StillRunning LockBusy
     LockDamaged RegistryDamaged StateUnwritable DescriptorsExhausted NotGranted SocketRefused]
}

fn guest_error(error: ToolError) -> Error {
    Error {
        kind: guest_kind(error.kind).unwrap_or(host::ErrorKind::Internal),
        reason: error.reason.and_then(guest_reason),
        message: error.message,
    }
}

/// An error of the tools, as the host words it.
pub fn tool_error(Error { kind, reason, message }: Error) -> ToolError {
    ToolError::new(host_kind(kind), reason.map(host_reason), message)
}
