//! The contract in `wit/`, as wasmtime generates it. Private: the public types are written by hand, so that
//! a change of the generator is no change of this crate's interface.

#![allow(missing_docs, reason = "the generator leaves out what the contract says")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
    imports: {
        "pod:tools/pods.forget": async | trappable,
        "pod:tools/unix-socket.[method]exchange.read": async | trappable,
        "pod:tools/pods.spawned-by": async | trappable,
        "pod:tools/unix-socket.await-any": async | trappable,
        "pod:tools/unix-socket.probe": async | trappable,
        "pod:tools/unix-socket.open": async | trappable,
        "pod:tools/unix-socket.await-closed": async | trappable,
        "pod:tools/scope-lock": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    trappable_error_type: { "pod:tools/types.error" => crate::call::host_error::HostError },
    with: {
        "pod:tools/pods.pod": crate::call::gate::Pod,
        "pod:tools/unix-socket.exchange": crate::call::exchange::Exchange,
    },
});
