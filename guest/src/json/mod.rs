//! JSON out of pieces of any size, and of any length: a tokenizer, a scan for a value's end, and the text of
//! strings, none of which holds the input. Also what reads a JSON text that is there as a whole.
//!
//! Nothing here knows the pod protocol or the tools.

mod marks;
mod nesting;
mod not_json;
mod object;
mod quoted;
mod scan;
mod string;
mod tokenizer;
mod utf8;
mod word;

pub(crate) use nesting::Nesting;
pub(crate) use not_json::NotJson;
pub(crate) use object::Object;
pub(crate) use quoted::unquote;
pub(crate) use scan::ValueScan;
pub(crate) use string::TextSink;
pub(crate) use tokenizer::{Token, Tokenizer};
pub(crate) use word::Word;
