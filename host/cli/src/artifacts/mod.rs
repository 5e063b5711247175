//! `pod-tools push` and `pull`, and components out of registries: signed, named by their digests, and believed for that
//! alone.
//!
//! - `reference`, `digest`, `source`: what is asked for
//! - `transport`, `authentication`, `distribution`: the way there, and the protocol
//! - `manifest`, `interfaces`, `part`: what lies there
//! - `signature`, `trust`: who signed it, and whose signatures count
//! - `fetch`, `store`, `component_file`: what comes of it
//!
//! A registry is not trusted, and need not be: whatever it gives is of a bounded size within a bounded time, and has the
//! digest that was asked for. That is why its protocol is spoken here, over a client that has such bounds (`ureq`): the
//! ready-made one (`oci-client`) reads manifests, tokens and errors of any length into memory, follows ten redirects to
//! wherever they lead, and takes a second HTTP client of some fifty crates along.

mod authentication;
pub mod component_file;
mod digest;
mod distribution;
mod error;
mod fetch;
mod interfaces;
mod manifest;
mod part;
pub mod pull;
pub mod push;
mod reference;
mod signature;
mod source;
mod store;
mod transport;
mod trust;

pub use self::error::ArtifactError;
pub use self::fetch::Bounds;
pub use self::reference::Registry;
pub use self::source::Source;
pub use self::trust::Trust;
