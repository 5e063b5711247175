//! The names that a session gives to its handles. Each is given once: after a drop it names nothing, a pod's is no
//! exchange's, and another session's is looked for in vain.

use std::collections::HashMap;

use wasmtime::component::Resource;

use super::frame::Handle;
use crate::call::exchange::Exchange;
use crate::call::gate::Pod;

/// The handles of one session that are alive.
#[derive(Debug, Default)]
pub(super) struct Handles {
    named: u32,
    alive: HashMap<u32, Named>,
}

/// What a name stands for: a place in the table of resources.
#[derive(Debug, Clone, Copy)]
enum Named {
    Pod(u32),
    Exchange(u32),
}

impl Handles {
    pub(super) fn name_pod(&mut self, pod: &Resource<Pod>) -> wasmtime::Result<Handle> {
        self.name(Named::Pod(pod.rep()))
    }

    pub(super) fn name_exchange(&mut self, exchange: &Resource<Exchange>) -> wasmtime::Result<Handle> {
        self.name(Named::Exchange(exchange.rep()))
    }

    pub(super) fn pod(&self, handle: Handle) -> wasmtime::Result<Resource<Pod>> {
        match self.alive.get(&handle.0) {
            Some(Named::Pod(place)) => Ok(Resource::new_borrow(*place)),
            _ => Err(unknown("pod", handle)),
        }
    }

    pub(super) fn exchange(&self, handle: Handle) -> wasmtime::Result<Resource<Exchange>> {
        match self.alive.get(&handle.0) {
            Some(Named::Exchange(place)) => Ok(Resource::new_borrow(*place)),
            _ => Err(unknown("exchange", handle)),
        }
    }

    /// The pod, whose handle is no more.
    pub(super) fn take_pod(&mut self, handle: Handle) -> wasmtime::Result<Resource<Pod>> {
        let place = self.pod(handle)?.rep();
        self.alive.remove(&handle.0);
        Ok(Resource::new_own(place))
    }

    /// The exchange, whose handle is no more.
    pub(super) fn take_exchange(&mut self, handle: Handle) -> wasmtime::Result<Resource<Exchange>> {
        let place = self.exchange(handle)?.rep();
        self.alive.remove(&handle.0);
        Ok(Resource::new_own(place))
    }

    fn name(&mut self, named: Named) -> wasmtime::Result<Handle> {
        let next = self.named.checked_add(1);
        self.named = next.ok_or_else(|| wasmtime::Error::msg("all names of handles were given"))?;
        self.alive.insert(self.named, named);
        Ok(Handle(self.named))
    }
}

fn unknown(what: &str, Handle(name): Handle) -> wasmtime::Error {
    wasmtime::Error::msg(format!("the session has no {what} with handle {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_thing_and_for_nothing_after_its_drop() {
        let mut handles = Handles::default();
        let pod = handles.name_pod(&Resource::new_own(7)).unwrap();
        let exchange = handles.name_exchange(&Resource::new_own(7)).unwrap();
        assert_ne!(pod, exchange);
        assert_eq!(handles.pod(pod).unwrap().rep(), 7);
        handles.pod(exchange).unwrap_err();
        handles.exchange(pod).unwrap_err();
        handles.take_exchange(pod).unwrap_err();
        assert_eq!(handles.take_pod(pod).unwrap().rep(), 7);
        handles.pod(pod).unwrap_err();
        // The place in the table is used again; the name is not.
        let next = handles.name_pod(&Resource::new_own(7)).unwrap();
        assert!(next != pod && next != exchange);
        assert!(handles.take_exchange(exchange).is_ok() && handles.exchange(exchange).is_err());
    }

    #[test]
    fn when_all_names_were_given_there_are_no_more() {
        let mut handles = Handles { named: u32::MAX - 1, ..Handles::default() };
        handles.name_pod(&Resource::new_own(0)).unwrap();
        handles.name_pod(&Resource::new_own(1)).unwrap_err();
    }
}
