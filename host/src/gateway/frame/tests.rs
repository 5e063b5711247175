//! What is written is read again; what is cut off or too long is refused; no length is believed.

use proptest::prelude::*;

use super::*;

/// The content of a request, by the document.
fn encode(request: &Request) -> Vec<u8> {
    let start = |number| Answer(vec![number]);
    let handle = |number, handle: &Handle| start(number).handle(*handle);
    let within = |answer: Answer, ms: &Option<u32>| answer.option(*ms, Answer::u32);
    let written = match request {
        Request::Find { name, purpose } => start(1).bytes(name.as_bytes()).u8(*purpose as u8),
        Request::List => start(2),
        Request::State(pod) => handle(3, pod),
        Request::Cursor(pod) => handle(4, pod),
        Request::SetCursor(pod, cursor) => handle(5, pod).cursor(cursor),
        Request::Forget(pod) => handle(6, pod),
        Request::DropPod(pod) => handle(7, pod),
        Request::Open { pod, request, within_ms } => {
            let start = handle(8, pod);
            let asked = match request {
                PodRequest::Run(text) => start.u8(0).bytes(text.as_bytes()),
                PodRequest::GetHistory => start.u8(1),
                PodRequest::Shutdown => start.u8(2),
                PodRequest::Listen => start.u8(3),
            };
            within(asked, within_ms)
        }
        Request::Read { exchange, max, within_ms } => within(handle(9, exchange).u32(*max), within_ms),
        Request::DropExchange(exchange) => handle(10, exchange),
        Request::Probe(pods) => pods.iter().fold(start(11).count(pods.len()), |all, pod| all.handle(*pod)),
        Request::AwaitClosed { pod, within_ms } => within(handle(12, pod), within_ms),
        Request::Release { pod, within_ms } => within(handle(13, pod), within_ms),
        Request::ReclaimStale { within_ms } => within(start(14), within_ms),
        Request::Commit => start(15),
        Request::AwaitAny { exchanges, within_ms } => {
            let count = start(16).count(exchanges.len());
            exchanges.iter().fold(count, |all, exchange| all.handle(*exchange)).u32(*within_ms)
        }
        Request::SpawnedBy(pod) => handle(17, pod),
    };
    written.finish()
}

fn any_handle() -> impl Strategy<Value = Handle> {
    any::<u32>().prop_map(Handle)
}

fn any_request() -> impl Strategy<Value = Request> {
    let within = any::<Option<u32>>;
    let purpose = prop_oneof![Just(Verb::List), Just(Verb::Send), Just(Verb::Read), Just(Verb::Stop)];
    let of_pod = prop_oneof![
        ".{0,40}".prop_map(PodRequest::Run),
        Just(PodRequest::GetHistory),
        Just(PodRequest::Shutdown),
        Just(PodRequest::Listen)
    ];
    prop_oneof![
        (".{0,40}", purpose).prop_map(|(name, purpose)| Request::Find { name, purpose }),
        Just(Request::List),
        any_handle().prop_map(Request::State),
        any_handle().prop_map(Request::Cursor),
        (any_handle(), any::<u64>(), ".{0,40}")
            .prop_map(|(pod, items, digest)| Request::SetCursor(pod, Cursor { items, digest })),
        any_handle().prop_map(Request::Forget),
        any_handle().prop_map(Request::DropPod),
        (any_handle(), of_pod, within()).prop_map(|(pod, request, within_ms)| Request::Open {
            pod,
            request,
            within_ms
        }),
        (any_handle(), any::<u32>(), within()).prop_map(|(exchange, max, within_ms)| Request::Read {
            exchange,
            max,
            within_ms
        }),
        any_handle().prop_map(Request::DropExchange),
        proptest::collection::vec(any_handle(), 0..20).prop_map(Request::Probe),
        (any_handle(), within()).prop_map(|(pod, within_ms)| Request::AwaitClosed { pod, within_ms }),
        (any_handle(), within()).prop_map(|(pod, within_ms)| Request::Release { pod, within_ms }),
        (proptest::collection::vec(any_handle(), 0..20), any::<u32>())
            .prop_map(|(exchanges, within_ms)| Request::AwaitAny { exchanges, within_ms }),
        any_handle().prop_map(Request::SpawnedBy),
        within().prop_map(|within_ms| Request::ReclaimStale { within_ms }),
        Just(Request::Commit),
    ]
}

/// What a request says, for comparisons.
fn said(request: &Request) -> String {
    format!("{request:?}")
}

proptest! {
    #[test]
    fn a_request_is_read_as_it_was_written_and_neither_shortened_nor_lengthened(request in any_request()) {
        let content = encode(&request);
        prop_assert_eq!(said(&Request::decode(&content).unwrap()), said(&request));
        for end in 0..content.len() {
            // A list without its last element ends too early as well.
            prop_assert!(Request::decode(&content[..end]).is_err(), "{end} of {content:?}");
        }
        for more in 1..3 {
            let longer = [&content[..], &vec![0; more]].concat();
            prop_assert_eq!(Request::decode(&longer).unwrap_err(), Malformed::Long(more));
        }
    }

    #[test]
    fn what_is_no_request_is_refused_and_what_is_one_is_written_the_same(content in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(request) = Request::decode(&content) {
            prop_assert_eq!(&encode(&request), &content);
        }
        if let Ok(begin) = Begin::decode(&content) {
            prop_assert_ne!(begin.version, VERSION);
        }
    }

    #[test]
    fn a_beginning_is_read_as_it_was_written_and_no_shorter(token in ".{0,40}", version in any::<u16>()) {
        let written = |version: u16| Answer(vec![0]).bytes(b"podtools").u16(version).bytes(token.as_bytes()).finish();
        let content = written(VERSION);
        prop_assert_eq!(Begin::decode(&content).unwrap(), Begin { version: VERSION, token: token.clone() });
        for end in 0..content.len() {
            prop_assert!(Begin::decode(&content[..end]).is_err());
        }
        prop_assert_eq!(Begin::decode(&[&content[..], &[0]].concat()), Err(Malformed::Long(1)));
        prop_assert_eq!(Begin::decode(&written(version)).unwrap().version, version);
    }
}

#[test]
fn lengths_beyond_what_is_there_are_refused_before_anything_is_taken_for_them() {
    let most = u32::MAX.to_le_bytes();
    for (content, what) in [
        ([&[1][..], &most, b"x"].concat(), "name"),
        ([&[5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &most].concat(), "digest"),
        ([&[8, 0, 0, 0, 0, 0][..], &most].concat(), "message"),
        ([&[11][..], &most, &[0; 100]].concat(), "handles"),
        // Four bytes for two handles.
        (vec![11, 2, 0, 0, 0, 1, 0, 0, 0], "handles"),
    ] {
        assert_eq!(Request::decode(&content).unwrap_err(), Malformed::Short(what));
    }
}

#[test]
fn what_is_unknown_or_no_text_is_named() {
    for (content, message) in [
        (vec![0, 8], "0 is no request of a session that has begun"),
        (vec![18], "18 is no request of a session that has begun"),
        (vec![1, 1, 0, 0, 0, b'x', 4], "4 is no purpose"),
        (vec![1, 1, 0, 0, 0, 0xff, 0], "its name is not UTF-8"),
        (vec![8, 0, 0, 0, 0, 4], "4 is no request to a pod"),
        (vec![14, 2], "2 is no option"),
        (Vec::new(), "it ends before its number"),
    ] {
        assert_eq!(Request::decode(&content).unwrap_err().to_string(), message);
    }
    for content in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"", &[0], &[1, 8, 0, 0, 0]] {
        assert_eq!(Begin::decode(content), Err(Malformed::NoBegin));
    }
}

#[test]
fn errors_have_the_places_of_their_words_in_the_contract() {
    use crate::imports::bindings::pod::tools::types::{ErrorKind, Reason};
    let written = |kind, reason| {
        Answer(Vec::new()).error(&Error { kind, reason, message: "m".into() }).finish()[..2].to_vec()
    };
    assert_eq!(written(ErrorKind::InvalidArgument, Some(Reason::UnknownPod)), [0, 1]);
    assert_eq!(written(ErrorKind::ExecutionFailed, Some(Reason::AlreadyRunning)), [1, 2]);
    assert_eq!(written(ErrorKind::Denied, Some(Reason::SocketRefused)), [3, 15]);
    assert_eq!(written(ErrorKind::Internal, None), [6, 0]);
    assert_eq!([State::Unknown, State::Idle, State::Running, State::Paused].map(|it| it as u8), [0, 1, 2, 3]);
    let reachable = [Reachability::Alive, Reachability::Stopped, Reachability::Denied];
    assert_eq!(reachable.map(|it| it as u8), [0, 1, 2]);
}
