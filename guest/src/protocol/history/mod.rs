//! A pod's history: what each item is, how far a reader has read, and what is unread.

mod digest;
mod failures;
mod handover;
mod item;
mod position;
mod unread;

pub(crate) use failures::Failure;
pub(crate) use item::{ItemDecoder, ItemKind};
pub(crate) use position::Position;
pub(crate) use unread::Unread;
