//! Who reads at a command line that is a person's. Agents and programs have cursors of their own, and the reader without a
//! name is that of `call`: what a person looks at is taken from none of them.

use pod_tools_host::registry::Reader;

use crate::options::HostOptions;

const NAME: &str = "pod-tools read";

/// The reader of `read`, `send --wait` and `ls`; `None`: whoever the options name.
pub fn of_person(host: &HostOptions) -> Option<Reader> {
    match host.reader {
        Some(_) => None,
        None => NAME.parse().ok(),
    }
}
