//! How long a connection is kept for what it waits for: who is kept, and where, is in [`places`](super::places).

use std::time::Duration;

/// A client that may come in has so long for the head of a request, from its first byte, and as long for its body.
pub const REQUEST_TIME: Duration = Duration::from_secs(30);
/// Its connection waits so long for the next request: longer than proxies keep one that they mean to use again
/// (60 s, some 2 minutes), so that it is they who close it.
pub const KEPT: Duration = Duration::from_secs(180);
/// A client that takes nothing for so long, with something to take, is gone.
pub const STALLED: Duration = Duration::from_secs(30);
/// It has a second more for so many bytes of an answer: a slower one holds what others wait for.
pub const TAKEN_A_SECOND: u64 = 16 << 10;
