//! What this program brings along and can push: the plugin, what places it in hosts that others wrote, and the contract.

use pod_tools_host::BUNDLED;

use crate::compose::parts;

/// The package of `wit/` in its binary encoding.
const WIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pod_tools_wit.wasm"));

/// A component of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// The bundled plugin
    Plugin,
    /// What supplies the plugin's imports from a gateway
    Remote,
    /// The adapter for hosts that call the tools of the contract
    AdapterPlain,
    /// The adapter for ACT
    AdapterAct,
    /// The adapter for wasmCloud, over NATS
    AdapterNats,
    /// What supplies the plugin's imports from a gateway, over connections of ZeroClaw's
    RemoteZeroclaw,
    /// The adapter for ZeroClaw
    AdapterZeroclaw,
    /// The contract: the package `pod:tools` of WIT
    Wit,
}

impl Part {
    pub fn binary(self) -> &'static [u8] {
        match self {
            Self::Plugin => BUNDLED,
            Self::Remote => parts::REMOTE,
            Self::AdapterPlain => parts::PLAIN,
            Self::AdapterAct => parts::ACT,
            Self::AdapterNats => parts::NATS,
            Self::RemoteZeroclaw => parts::REMOTE_ZEROCLAW,
            Self::AdapterZeroclaw => parts::ZEROCLAW,
            Self::Wit => WIT,
        }
    }

    /// The name of its file, for tools that make one of it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Plugin => "pod-tools-plugin.wasm",
            Self::Remote => "pod-tools-remote.wasm",
            Self::AdapterPlain => "pod-tools-adapter-plain.wasm",
            Self::AdapterAct => "pod-tools-adapter-act.wasm",
            Self::AdapterNats => "pod-tools-adapter-nats.wasm",
            Self::RemoteZeroclaw => "pod-tools-remote-zeroclaw.wasm",
            Self::AdapterZeroclaw => "pod-tools-adapter-zeroclaw.wasm",
            Self::Wit => "pod-tools-wit.wasm",
        }
    }
}
