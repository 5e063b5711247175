//! Plugins that were written to break out of their host, for the tests of hosts.
//!
//! [`COMPONENT`] is a plugin whose tools are attacks: the name of the tool selects one, the input is a text
//! that names pods or whatever the attack asks for. [`attacks`] lists them; [`raw_attacks`] lists those that
//! take a component of their own, which [`raw_component`] gives.

include!("../attacks.rs");

/// The plugin whose tools are the attacks of [`attacks`]. Besides, its tool `behaves` does what an honest
/// plugin does: it answers the length of the history of the pod that the input names.
pub const COMPONENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pod_tools_hostile_plugin.wasm"));

/// An adapter that delimits its sessions wrongly: how, the variable `FLAW` says.
pub const WRONG_ADAPTER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pod_tools_wrong_adapter.wasm"));

/// The component that does what its name says; `None` for a name that is not in [`raw_attacks`].
pub fn raw_component(attack: &str) -> Option<&'static [u8]> {
    macro_rules! by_name {
        ($($attack:ident)*) => {
            match attack {
                $(stringify!($attack) => {
                    Some(include_bytes!(concat!(env!("OUT_DIR"), "/", stringify!($attack), ".wasm")))
                })*
                _ => None,
            }
        };
    }
    raw_attacks!(by_name)
}
