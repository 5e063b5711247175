#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod answer;
pub mod case;
pub mod cases;
pub mod failure;
pub mod flaw;
pub mod harness;
pub mod host;
mod listening;
pub mod need;
mod place;
mod pod;
mod profile;
pub mod report;
pub mod run;
mod script;
pub mod transcript;
pub mod trial;

pub use host::HostCommand;
pub use place::Place;
pub use pod::FakePod;
pub use profile::{Profile, ProfileError};
pub use script::{Script, Step, assistant, event, history, user};
