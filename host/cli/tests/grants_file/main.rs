//! The grants file as the command line takes it: what it grants, what is wrong with it, how it is explained,
//! and how it is followed while a process runs.

#![allow(clippy::unwrap_used)]

#[path = "../support/cli.rs"]
mod cli;

mod bad;
mod check;
mod following;
mod granted;

use std::path::PathBuf;

use pod_tools_conformance::Place;

/// Writes a grants file beside the base of a place.
fn write(place: &Place, text: &str) -> PathBuf {
    let path = place.root().join("grants.toml");
    std::fs::write(&path, text).unwrap();
    path
}
