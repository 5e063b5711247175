//! What a host of the pod tools plugin is tested with: places to put pods, and pods that do as they are told.
//!
//! A [`Place`] is a temporary directory with a base, a spawner's directory, a registry and a scope lock. A
//! [`FakePod`] listens in it and follows a [`Script`]: data, not code. What the pod saw can be asked for
//! afterwards.
//!
//! ```
//! use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
//!
//! let place = Place::new()?;
//! let script = Script::new().on("get_history", [Step::line(history(&[assistant("hello")]))]);
//! let pod = FakePod::start(&place, "child", script)?;
//! # use std::io::{BufRead, BufReader, Write};
//! let mut client = std::os::unix::net::UnixStream::connect(place.socket("child"))?;
//! client.write_all(b"{\"method\":\"get_history\"}\n")?;
//! let mut line = String::new();
//! BufReader::new(client).read_line(&mut line)?;
//! assert!(line.contains("hello"));
//! assert_eq!(pod.methods(), ["get_history"]);
//! # Ok::<(), std::io::Error>(())
//! ```

#![deny(missing_docs)]

mod place;
mod pod;
mod script;

pub use place::Place;
pub use pod::FakePod;
pub use script::{Script, Step, assistant, event, history, user};
