//! The component: the contract's imports, exported; each asks the gateway. Nothing is decided here.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use bindings::exports::pod::tools::{content, pods, scope_lock, session, unix_socket};
use bindings::pod::tools::types;

use crate::frame::{self, Answer, EXECUTION_FAILED, INTERNAL, Malformed, Request};
use crate::host::{self, Tcp};
use crate::session::{self as protocol, number};

/// A session over what the host has of TCP.
type Session = protocol::Session<Tcp>;

pub(crate) mod bindings {
    #![allow(missing_docs)]
    wit_bindgen::generate!({ path: "../../wit", world: "remote" });
}

struct Component;

bindings::export!(Component with_types_in bindings);

/// The session that there is, and what the plugin has handed over within it.
struct Current {
    session: RefCell<Option<Session>>,
    /// Which one it is: handles of another one are none of its.
    serial: Cell<u64>,
    content: RefCell<String>,
}

// SAFETY: a component has one thread.
unsafe impl Sync for Current {}

static CURRENT: Current =
    Current { session: RefCell::new(None), serial: Cell::new(0), content: RefCell::new(String::new()) };

/// What the session gives, if there is one.
fn within<T>(work: impl FnOnce(&mut Session) -> Result<T, frame::Error>) -> Result<T, types::Error> {
    let none =
        || failed(INTERNAL, "no session has begun: the component that calls the plugin has to begin one");
    match CURRENT.session.borrow_mut().as_mut() {
        Some(session) => work(session),
        None => Err(none()),
    }
    .map_err(Into::into)
}

fn ask<T>(
    request: &Request,
    result: impl FnOnce(&mut Answer) -> Result<T, Malformed>,
) -> Result<T, types::Error> {
    within(|session| session.ask(request, result))
}

fn failed(kind: u8, message: impl Into<String>) -> frame::Error {
    frame::Error { kind, reason: 0, message: message.into() }
}

/// A handle that the gateway has named, and in which session.
struct Handle {
    number: u32,
    serial: u64,
    /// The request that drops it.
    drop: u8,
}

impl Handle {
    fn new(number: u32, drop: u8) -> Self {
        Self { number, serial: CURRENT.serial.get(), drop }
    }

    fn is_of_this_session(&self) -> bool {
        CURRENT.serial.get() == self.serial
    }

    fn number(&self) -> Result<u32, types::Error> {
        if self.is_of_this_session() {
            return Ok(self.number);
        }
        Err(failed(
            INTERNAL,
            "a handle of another session was used: the plugin keeps what no plugin may keep",
        )
        .into())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.is_of_this_session() {
            let request = Request::new(self.drop).u32(self.number);
            if let Some(session) = CURRENT.session.borrow_mut().as_mut() {
                session.tell(&request);
            }
        }
    }
}

/// A pod of the gateway's.
struct Pod {
    handle: Handle,
    /// Whether it was found to be read.
    is_read: bool,
    description: pods::Description,
    brought: Brought,
}

/// What came with the handle, or with an exchange: the answers to what is asked of the pod next.
#[derive(Default)]
struct Brought {
    /// How many requests the session had seen by then.
    asked: Cell<u64>,
    state: Cell<Option<Result<u8, frame::Error>>>,
    cursor: RefCell<Option<Result<Option<pods::Cursor>, frame::Error>>>,
}

/// The longest digest of a cursor that gateways take, in bytes.
const LONGEST_DIGEST: usize = 128;

impl Brought {
    /// Whether nothing has been asked for since. What a session that is over has brought is used no more.
    fn is_fresh(&self) -> bool {
        within(|session| Ok(session.over().is_none() && session.asked() == self.asked.get())).unwrap_or(false)
    }
}

impl session::Guest for Component {
    fn begin() -> Result<(), types::Error> {
        end();
        Self::begin_at(variable(GATEWAY)?, variable("POD_TOOLS_TOKEN")?)
    }

    fn begin_at(gateway: String, token: String) -> Result<(), types::Error> {
        end();
        let gateway = gateway.parse().map_err(|_| {
            let what = "is no IP address with a port, as `127.0.0.1:8123` is";
            failed(
                EXECUTION_FAILED,
                format!("the gateway's address ({GATEWAY}) is `{}`, which {what}", gateway.escape_debug()),
            )
        })?;
        CURRENT.session.replace(Some(Session::begin(gateway, &token)));
        Ok(())
    }

    fn take_content() -> String {
        CURRENT.content.take()
    }

    fn over() -> Option<types::Error> {
        CURRENT.session.borrow().as_ref().and_then(|session| session.over().cloned()).map(Into::into)
    }

    fn commit() -> Result<(), types::Error> {
        let session = CURRENT.session.take();
        session.map_or_else(|| within(|_| Ok(())), |session| session.commit().map_err(Into::into))
    }

    fn abort() -> Option<types::Error> {
        let session = CURRENT.session.take();
        CURRENT.content.take();
        session.and_then(|session| session.over().cloned()).map(Into::into)
    }
}

/// Ends the session that there is, and all that was of it.
fn end() {
    CURRENT.serial.set(CURRENT.serial.get() + 1);
    CURRENT.content.take();
    CURRENT.session.take();
}

const GATEWAY: &str = "POD_TOOLS_GATEWAY";

/// A variable of the environment.
fn variable(name: &str) -> Result<String, frame::Error> {
    host::variable(name).filter(|value| !value.is_empty()).ok_or_else(|| {
        failed(
            EXECUTION_FAILED,
            format!(
                "{name} is not set in this component's environment; its host has to set POD_TOOLS_GATEWAY (the address \
                 that `pod-tools gateway` has printed) and POD_TOOLS_TOKEN (a token that the gateway takes)"
            ),
        )
    })
}

impl content::Guest for Component {
    fn append(text: String) {
        CURRENT.content.borrow_mut().push_str(&text);
    }
}

impl pods::Guest for Component {
    type Pod = Pod;

    fn find(name: String, purpose: pods::Verb) -> Result<pods::Pod, types::Error> {
        let request = Request::new(number::FIND).bytes(&name).u8(purpose as u8);
        within(|session| {
            let (number, description, state, cursor) = session.ask(&request, |answer| {
                Ok((
                    answer.u32()?,
                    description(answer)?,
                    answer.option(|answer| answer.or_error(state))?,
                    answer.option(|answer| answer.or_error(|answer| answer.option(cursor)))?,
                ))
            })?;
            let asked = session.asked().into();
            let brought = Brought { asked, state: Cell::new(state), cursor: cursor.into() };
            let is_read = purpose == pods::Verb::Read;
            Ok(Pod { handle: Handle::new(number, number::DROP_POD), is_read, description, brought })
        })
        .map(pods::Pod::new)
    }

    fn list() -> Result<pods::Listing, types::Error> {
        let (listed, unreadable) = ask(&Request::new(number::LIST), listed)?;
        let listed = listed.into_iter().map(|(number, description)| pods::Listed {
            pod: Pod::listed(number, description.clone()),
            description,
        });
        Ok(pods::Listing { pods: listed.collect(), unreadable })
    }

    fn forget(pod: pods::PodBorrow<'_>) -> Result<(), types::Error> {
        ask(&Request::new(number::FORGET).u32(handle(&pod)?), |_| Ok(()))
    }

    fn spawned_by(pod: pods::PodBorrow<'_>) -> Result<pods::Spawned, types::Error> {
        let (spawned, others) = ask(&Request::new(number::SPAWNED_BY).u32(handle(&pod)?), listed)?;
        let pods = spawned.into_iter().map(|(number, description)| Pod::listed(number, description));
        Ok(pods::Spawned { pods: pods.collect(), others })
    }

    fn bounds() -> pods::CallBounds {
        let bounds = within(Session::bounds).ok();
        pods::CallBounds {
            operation_ms: bounds.map_or(0, |bounds| bounds.operation_ms),
            call_ms: bounds.map_or(0, |bounds| bounds.call_ms),
            max_output: bounds.and_then(|bounds| bounds.max_output),
        }
    }
}

impl Pod {
    /// One that was named in a list, which brings nothing but its description.
    fn listed(number: u32, description: pods::Description) -> pods::Pod {
        let handle = Handle::new(number, number::DROP_POD);
        pods::Pod::new(Self { handle, is_read: false, description, brought: Brought::default() })
    }
}

/// Pods by their handles, and how many more there are that are not given.
fn listed(answer: &mut Answer) -> Result<(Vec<(u32, pods::Description)>, u32), Malformed> {
    Ok((answer.list(|answer| Ok((answer.u32()?, description(answer)?)))?, answer.u32()?))
}

impl pods::GuestPod for Pod {
    fn describe(&self) -> pods::Description {
        self.description.clone()
    }

    fn state(&self) -> Result<pods::State, types::Error> {
        const STATES: [pods::State; 4] =
            [pods::State::Unknown, pods::State::Idle, pods::State::Running, pods::State::Paused];
        let handle = self.handle.number()?;
        let state = match self.brought.state.take().filter(|_| self.brought.is_fresh()) {
            Some(brought) => brought?,
            None => ask(&Request::new(number::STATE).u32(handle), state)?,
        };
        Ok(STATES[usize::from(state)])
    }

    fn cursor(&self) -> Result<Option<pods::Cursor>, types::Error> {
        let handle = self.handle.number()?;
        match self.brought.cursor.take().filter(|_| self.brought.is_fresh()) {
            Some(brought) => Ok(brought?),
            None => ask(&Request::new(number::CURSOR).u32(handle), |answer| answer.option(cursor)),
        }
    }

    fn set_cursor(&self, cursor: pods::Cursor) -> Result<(), types::Error> {
        let request = Request::new(number::SET_CURSOR).u32(self.handle.number()?);
        // What was found to be read takes any cursor that is short enough: there is no refusal to wait for.
        let is_taken = self.is_read && cursor.digest.len() <= LONGEST_DIGEST;
        let request = request.u64(cursor.items).bytes(cursor.digest);
        if is_taken { within(|session| session.ask_ahead(&request)) } else { ask(&request, |_| Ok(())) }
    }
}

fn handle(pod: &pods::PodBorrow<'_>) -> Result<u32, types::Error> {
    pod.get::<Pod>().handle.number()
}

fn description(answer: &mut Answer) -> Result<pods::Description, Malformed> {
    Ok(pods::Description {
        name: answer.text()?,
        scope: answer.list(|answer| {
            Ok(pods::ScopeRule {
                target: answer.text()?,
                permission: if answer.bool()? { pods::Permission::Write } else { pods::Permission::Read },
                recursive: answer.bool()?,
            })
        })?,
        fence: answer.option(fence)?,
    })
}

fn fence(answer: &mut Answer) -> Result<pods::Fence, Malformed> {
    const ALL: [pods::Held; 3] = [pods::Held::Whole, pods::Held::Part, pods::Held::Off];
    Ok(pods::Fence { held: ALL[usize::from(answer.place(3)?)], missing: answer.list(Answer::text)? })
}

fn state(answer: &mut Answer) -> Result<u8, Malformed> {
    answer.place(4)
}

fn cursor(answer: &mut Answer) -> Result<pods::Cursor, Malformed> {
    Ok(pods::Cursor { items: answer.u64()?, digest: answer.text()? })
}

impl unix_socket::Guest for Component {
    type Exchange = Exchange;

    fn open(
        to: pods::PodBorrow<'_>,
        request: unix_socket::Request,
        within_ms: Option<u32>,
    ) -> Result<unix_socket::Exchange, types::Error> {
        let open = Request::new(number::OPEN).u32(handle(&to)?);
        let open = match request {
            unix_socket::Request::Run(text) => open.u8(0).bytes(text),
            unix_socket::Request::GetHistory => open.u8(1),
            unix_socket::Request::Shutdown => open.u8(2),
            unix_socket::Request::Listen => open.u8(3),
        };
        let pod = to.get::<Pod>();
        let number = within(|session| {
            let opened = session.ask(&open.option(within_ms), |answer| {
                Ok((answer.u32()?, answer.option(|answer| answer.or_error(state))?))
            });
            let (number, state) = opened?;
            pod.brought.asked.set(session.asked());
            pod.brought.state.set(state);
            pod.brought.cursor.take();
            Ok(number)
        })?;
        Ok(unix_socket::Exchange::new(Exchange(Handle::new(number, number::DROP_EXCHANGE))))
    }

    fn await_any(
        exchanges: Vec<unix_socket::ExchangeBorrow<'_>>,
        within_ms: u32,
    ) -> Result<unix_socket::Awaited, types::Error> {
        let count = u32::try_from(exchanges.len()).unwrap_or(u32::MAX);
        let mut request = Request::new(number::AWAIT_ANY).u32(count);
        for exchange in &exchanges {
            request = request.u32(exchange.get::<Exchange>().0.number()?);
        }
        ask(&request.u32(within_ms), |answer| {
            Ok(unix_socket::Awaited { ready: answer.list(Answer::u32)?, waited_ms: answer.u32()? })
        })
    }

    fn probe(pods: Vec<pods::PodBorrow<'_>>) -> Result<Vec<unix_socket::Reachability>, types::Error> {
        use unix_socket::Reachability;
        const ALL: [Reachability; 3] = [Reachability::Alive, Reachability::Stopped, Reachability::Denied];
        let count = u32::try_from(pods.len()).unwrap_or(u32::MAX);
        let mut request = Request::new(number::PROBE).u32(count);
        for pod in &pods {
            request = request.u32(handle(pod)?);
        }
        ask(&request, |answer| answer.list(|answer| Ok(ALL[usize::from(answer.place(3)?)])))
    }

    fn await_closed(pod: pods::PodBorrow<'_>, within_ms: Option<u32>) -> Result<bool, types::Error> {
        ask(&Request::new(number::AWAIT_CLOSED).u32(handle(&pod)?).option(within_ms), Answer::bool)
    }
}

/// An exchange of the gateway's.
struct Exchange(Handle);

impl unix_socket::GuestExchange for Exchange {
    fn read(&self, max: u32, within_ms: Option<u32>) -> Result<Vec<u8>, types::Error> {
        let request = Request::new(number::READ).u32(self.0.number()?).u32(max).option(within_ms);
        within(|session| session.ask_for_more(&request, Answer::last_bytes))
    }
}

impl scope_lock::Guest for Component {
    fn release(pod: pods::PodBorrow<'_>, within_ms: Option<u32>) -> Result<(), types::Error> {
        ask(&Request::new(number::RELEASE).u32(handle(&pod)?).option(within_ms), |_| Ok(()))
    }

    fn reclaim_stale(within_ms: Option<u32>) -> Result<u32, types::Error> {
        ask(&Request::new(number::RECLAIM_STALE).option(within_ms), Answer::u32)
    }
}
