//! Requests of the gateway's protocol, from any bytes: what is understood is all that was written, to the byte, so that
//! no two frames mean the same and nothing is passed over.

use super::frame::{Begin, Handle, Request, VERSION};
use crate::imports::bindings::pod::tools::pods::Verb;
use crate::imports::bindings::pod::tools::unix_socket::Request as PodRequest;

#[cfg(test)]
#[allow(clippy::duplicate_mod, reason = "a property stands alone, and some programs take several")]
#[path = "corpus.rs"]
mod corpus;

/// The property of the content of these bytes, as a session's first frame and as a later one.
pub fn check(content: &[u8]) {
    if let Ok(begin) = Begin::decode(content) {
        let written = [&b"\0\x08\0\0\0podtools"[..], &begin.version.to_le_bytes()].concat();
        if begin.version == VERSION {
            assert_eq!(text(written, &begin.token), content);
        } else {
            // What follows in another version is not read.
            assert!(content.starts_with(&written) && begin.token.is_empty());
        }
    }
    if let Ok(request) = Request::decode(content) {
        assert_eq!(encode(&request), content, "{request:?}");
    }
}

/// A request as the protocol writes it.
fn encode(request: &Request) -> Vec<u8> {
    let of = |number: u8, handle: &Handle| [&[number][..], &handle.0.to_le_bytes()].concat();
    match request {
        Request::Find { name, purpose } => {
            let purpose = match purpose {
                Verb::List => 0,
                Verb::Send => 1,
                Verb::Read => 2,
                Verb::Stop => 3,
            };
            [text(vec![1], name), vec![purpose]].concat()
        }
        Request::List => vec![2],
        Request::State(pod) => of(3, pod),
        Request::Cursor(pod) => of(4, pod),
        Request::SetCursor(pod, cursor) => {
            text([of(5, pod), cursor.items.to_le_bytes().to_vec()].concat(), &cursor.digest)
        }
        Request::Forget(pod) => of(6, pod),
        Request::DropPod(pod) => of(7, pod),
        Request::Open { pod, request, within_ms } => {
            let mut written = of(8, pod);
            match request {
                PodRequest::Run(message) => {
                    written.push(0);
                    written = text(written, message);
                }
                PodRequest::GetHistory => written.push(1),
                PodRequest::Shutdown => written.push(2),
                PodRequest::Listen => written.push(3),
            }
            option(written, *within_ms)
        }
        Request::Read { exchange, max, within_ms } => {
            option([of(9, exchange), max.to_le_bytes().to_vec()].concat(), *within_ms)
        }
        Request::DropExchange(exchange) => of(10, exchange),
        Request::Probe(pods) => handles(11, pods),
        Request::AwaitClosed { pod, within_ms } => option(of(12, pod), *within_ms),
        Request::Release { pod, within_ms } => option(of(13, pod), *within_ms),
        Request::ReclaimStale { within_ms } => option(vec![14], *within_ms),
        Request::Commit => vec![15],
        Request::SpawnedBy(pod) => of(17, pod),
        Request::AwaitAny { exchanges, within_ms } => {
            [handles(16, exchanges), within_ms.to_le_bytes().to_vec()].concat()
        }
    }
}

fn handles(number: u8, handles: &[Handle]) -> Vec<u8> {
    let count = u32::try_from(handles.len()).unwrap().to_le_bytes();
    let handles = handles.iter().flat_map(|handle| handle.0.to_le_bytes());
    [number].into_iter().chain(count).chain(handles).collect()
}

fn text(mut written: Vec<u8>, text: &str) -> Vec<u8> {
    written.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
    written.extend(text.as_bytes());
    written
}

fn option(mut written: Vec<u8>, value: Option<u32>) -> Vec<u8> {
    written.push(value.is_some().into());
    written.extend(value.into_iter().flat_map(u32::to_le_bytes));
    written
}

#[cfg(test)]
#[test]
fn the_corpus_keeps_the_rules_of_the_gateways_frames() {
    corpus::check_each("gateway-frame", check);
}
