//! The component: the trait over the imports, the exports over the tools. Nothing is decided here.

use alloc::string::String;
use alloc::vec::Vec;

use bindings::exports::pod::tools::tools as exported;
use bindings::pod::tools::{content, pods, scope_lock, types, unix_socket};

use crate::host::{self, Error, Host};

mod bindings {
    #![allow(missing_docs)]
    wit_bindgen::generate!({ path: "../wit", world: "plugin" });
}

struct Component;

bindings::export!(Component with_types_in bindings);

impl exported::Guest for Component {
    fn definitions() -> Vec<exported::Definition> {
        crate::definitions()
            .iter()
            .map(|tool| exported::Definition {
                name: tool.name.into(),
                description: tool.description.into(),
                input_schema: tool.input_schema.into(),
                data_schema: tool.data_schema.into(),
                content_property: tool.content_property.map(Into::into),
                effects: exported::Effects {
                    read_only: tool.effects.read_only,
                    destructive: tool.effects.destructive,
                    idempotent: tool.effects.idempotent,
                },
            })
            .collect()
    }

    fn call(name: String, input_json: String) -> Result<exported::Output, types::Error> {
        let crate::Output { summary, content, data } = crate::call(&Imports, &name, &input_json)?;
        Ok(exported::Output { summary, content, data })
    }

    fn transcript(name: String) -> Result<exported::Document, types::Error> {
        let crate::Document { media_type, text } = crate::transcript(&Imports, &name)?;
        Ok(exported::Document { media_type: media_type.into(), text })
    }
}

/// The host at the other side of the imports.
struct Imports;

impl Host for Imports {
    type Pod = pods::Pod;
    type Exchange = unix_socket::Exchange;

    fn find(&self, name: &str, purpose: host::Verb) -> Result<pods::Pod, Error> {
        let purpose = match purpose {
            host::Verb::List => pods::Verb::List,
            host::Verb::Send => pods::Verb::Send,
            host::Verb::Read => pods::Verb::Read,
            host::Verb::Stop => pods::Verb::Stop,
        };
        Ok(pods::find(name, purpose)?)
    }

    fn list(&self) -> Result<host::Listing<pods::Pod>, Error> {
        let pods::Listing { pods, unreadable } = pods::list()?;
        let pods = pods
            .into_iter()
            .map(|listed| host::Listed { pod: listed.pod, description: listed.description.into() })
            .collect();
        Ok(host::Listing { pods, unreadable })
    }

    fn forget(&self, pod: &pods::Pod) -> Result<(), Error> {
        Ok(pods::forget(pod)?)
    }

    fn spawned_by(&self, pod: &pods::Pod) -> Result<host::Spawned<pods::Pod>, Error> {
        let pods::Spawned { pods, others } = pods::spawned_by(pod)?;
        Ok(host::Spawned { pods, others })
    }

    fn bounds(&self) -> host::Bounds {
        let pods::CallBounds { operation_ms, call_ms, max_output } = pods::bounds();
        host::Bounds { operation_ms, call_ms, max_output }
    }

    fn describe(&self, pod: &pods::Pod) -> host::Description {
        pod.describe().into()
    }

    fn state(&self, pod: &pods::Pod) -> Result<host::State, Error> {
        Ok(pod.state()?.into())
    }

    fn cursor(&self, pod: &pods::Pod) -> Result<Option<host::Cursor>, Error> {
        Ok(pod.cursor()?.map(|pods::Cursor { items, digest }| host::Cursor { items, digest }))
    }

    fn set_cursor(&self, pod: &pods::Pod, cursor: host::Cursor) -> Result<(), Error> {
        let host::Cursor { items, digest } = cursor;
        Ok(pod.set_cursor(&pods::Cursor { items, digest })?)
    }

    fn open(
        &self,
        to: &pods::Pod,
        request: host::Request,
        within_ms: Option<u32>,
    ) -> Result<unix_socket::Exchange, Error> {
        let request = match request {
            host::Request::Run(text) => unix_socket::Request::Run(text),
            host::Request::GetHistory => unix_socket::Request::GetHistory,
            host::Request::Shutdown => unix_socket::Request::Shutdown,
            host::Request::Listen => unix_socket::Request::Listen,
        };
        Ok(unix_socket::open(to, &request, within_ms)?)
    }

    fn read(
        &self,
        exchange: &unix_socket::Exchange,
        max: u32,
        within_ms: Option<u32>,
    ) -> Result<Vec<u8>, Error> {
        Ok(exchange.read(max, within_ms)?)
    }

    fn await_any(
        &self,
        exchanges: &[&unix_socket::Exchange],
        within_ms: u32,
    ) -> Result<host::Awaited, Error> {
        let unix_socket::Awaited { ready, waited_ms } = unix_socket::await_any(exchanges, within_ms)?;
        Ok(host::Awaited { ready, waited_ms })
    }

    fn probe(&self, pods: &[&pods::Pod]) -> Result<Vec<host::Reachability>, Error> {
        let answers = unix_socket::probe(pods)?.into_iter().map(|answer| match answer {
            unix_socket::Reachability::Alive => host::Reachability::Alive,
            unix_socket::Reachability::Stopped => host::Reachability::Stopped,
            unix_socket::Reachability::Denied => host::Reachability::Denied,
        });
        Ok(answers.collect())
    }

    fn await_closed(&self, pod: &pods::Pod, within_ms: Option<u32>) -> Result<bool, Error> {
        Ok(unix_socket::await_closed(pod, within_ms)?)
    }

    fn append(&self, text: &str) {
        content::append(text);
    }

    fn release(&self, pod: &pods::Pod, within_ms: Option<u32>) -> Result<(), Error> {
        Ok(scope_lock::release(pod, within_ms)?)
    }

    fn reclaim_stale(&self, within_ms: Option<u32>) -> Result<u32, Error> {
        Ok(scope_lock::reclaim_stale(within_ms)?)
    }
}

impl From<pods::Description> for host::Description {
    fn from(description: pods::Description) -> Self {
        let scope = description.scope.into_iter().map(|rule| host::ScopeRule {
            permission: match rule.permission {
                pods::Permission::Read => host::Permission::Read,
                pods::Permission::Write => host::Permission::Write,
            },
            target: rule.target,
            recursive: rule.recursive,
        });
        let fence = description.fence.map(|fence| host::Fence {
            held: match fence.held {
                pods::Held::Whole => host::Held::Whole,
                pods::Held::Part => host::Held::Part,
                pods::Held::Off => host::Held::Off,
            },
            missing: fence.missing,
        });
        Self { name: description.name, scope: scope.collect(), fence }
    }
}

/// Converts the closed sets of the contract, one name for one name, in both directions.
macro_rules! same_names {
    ($($ours:path = $theirs:path { $($name:ident),* $(,)? })*) => {$(
        impl From<$theirs> for $ours {
            fn from(value: $theirs) -> Self {
                match value { $(<$theirs>::$name => Self::$name,)* }
            }
        }

        impl From<$ours> for $theirs {
            fn from(value: $ours) -> Self {
                match value { $(<$ours>::$name => Self::$name,)* }
            }
        }
    )*};
}

same_names! {
    host::ErrorKind = types::ErrorKind {
        InvalidArgument, ExecutionFailed, UnknownTool, Denied, Timeout, Limit, Internal,
    }
    host::State = pods::State { Unknown, Idle, Running, Paused }
    host::Reason = types::Reason {
        UnknownPod, AlreadyRunning, Unreachable, SocketTimeout, Closed, Protocol, PodError, StillRunning,
        LockBusy, LockDamaged, RegistryDamaged, StateUnwritable, DescriptorsExhausted, NotGranted,
        SocketRefused,
    }
}

impl From<types::Error> for Error {
    fn from(types::Error { kind, reason, message }: types::Error) -> Self {
        Self { kind: kind.into(), reason: reason.map(Into::into), message }
    }
}

impl From<Error> for types::Error {
    fn from(Error { kind, reason, message }: Error) -> Self {
        Self { kind: kind.into(), reason: reason.map(Into::into), message }
    }
}
