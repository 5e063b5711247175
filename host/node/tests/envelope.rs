//! What a node and a caller refuse, each for its own reason.

use nkeys::KeyPair;
use pod_tools_node::answer::{Assembly, Piece, piece};
use pod_tools_node::nonces::{Nonces, Seen};
use pod_tools_node::refusal::Refusal;
use pod_tools_node::request::{Expected, Request, Verified, nonce, open};

const NOW: u64 = 1_000_000;
const INPUT: &[u8] = b"{\"name\":\"a\"}";

fn request(nonce: &str) -> Request {
    Request {
        caller: String::new(),
        node: "build-1".into(),
        instance: "first".into(),
        tool: "SendToPod".into(),
        reader: None,
        peek: false,
        input_sha256: String::new(),
        deadline: NOW + 1000,
        time: 1000,
        nonce: nonce.into(),
    }
}

fn expected(caller: &str, known: bool) -> Expected<'_> {
    let (node, instance, tool) = ("build-1", "first", "SendToPod");
    Expected { node, instance, caller, known, tool, now: NOW, skew: 100, longest: 5000 }
}

fn opened(request: Request, key: &KeyPair) -> Result<Verified, Refusal> {
    let (envelope, _) = request.seal(INPUT, key).unwrap();
    open(&envelope, INPUT, &expected(&key.public_key(), true))
}

#[test]
fn what_was_signed_arrives_and_what_was_not_is_refused() {
    let key = KeyPair::new_user();
    let sealed = request(&nonce().unwrap()).seal(INPUT, &key).unwrap();
    let public = key.public_key();
    let verified = open(&sealed.0, INPUT, &expected(&public, true)).unwrap();
    assert_eq!((verified.request().caller.as_str(), verified.digest()), (&*key.public_key(), &*sealed.1));

    assert_eq!(open(&sealed.0, b"{}", &expected(&public, true)), Err(Refusal::Altered));
    let unknown = open(&sealed.0, INPUT, &expected(&public, false));
    assert_eq!(unknown, Err(Refusal::UnknownCaller { key: key.public_key() }));
    let altered = sealed.0.replace("build-1", "build-2");
    assert_eq!(
        open(&altered, INPUT, &expected(&public, true)),
        Err(Refusal::Forged { key: key.public_key() })
    );
    let other = KeyPair::new_user().public_key();
    let other_key = KeyPair::new_user().public_key();
    let forged = sealed.0.replace(&key.public_key(), &other);
    assert_eq!(open(&forged, INPUT, &expected(&other, true)), Err(Refusal::Forged { key: other }));
    let account = request(&nonce().unwrap()).seal(INPUT, &KeyPair::new_account()).unwrap().0;
    let in_others_place = open(&sealed.0, INPUT, &expected(&other_key, true));
    assert_eq!(in_others_place, Err(Refusal::OtherCaller));
    assert!(matches!(open(&account, INPUT, &expected(&public, true)), Err(Refusal::Malformed(_))));
}

#[test]
fn another_node_tool_run_or_time_is_refused_by_its_name() {
    let key = KeyPair::new_user();
    let made = |change: &dyn Fn(&mut Request)| {
        let mut request = request(&nonce().unwrap());
        change(&mut request);
        opened(request, &key).map(drop)
    };
    let refused = made(&|request| request.node = "build-2".into());
    assert_eq!(refused, Err(Refusal::OtherNode { asked: "build-2".into(), here: "build-1".into() }));
    let refused = made(&|request| request.tool = "StopPod".into());
    assert_eq!(refused, Err(Refusal::OtherTool { signed: "StopPod".into(), asked: "SendToPod".into() }));
    assert_eq!(made(&|request| request.instance = "second".into()), Err(Refusal::Restarted));
    assert_eq!(made(&|request| request.deadline = NOW - 100), Ok(()));
    assert_eq!(made(&|request| request.deadline = NOW - 101), Err(Refusal::Late { by: 101, skew: 100 }));
    assert_eq!(made(&|request| request.deadline = NOW + 5100), Ok(()));
    let refused = made(&|request| request.deadline = NOW + 5101);
    assert_eq!(refused, Err(Refusal::Skewed { ahead: 5101, longest: 5000, skew: 100 }));
}

#[test]
fn a_repeated_request_gets_the_first_ones_outcome() {
    let key = KeyPair::new_user();
    let nonce_of_it = nonce().unwrap();
    let first = opened(request(&nonce_of_it), &key).unwrap();
    let mut nonces = Nonces::new(1, 100);
    assert_eq!(nonces.begin(&first, NOW), Ok(Seen::New));
    assert_eq!(nonces.begin(&first, NOW), Ok(Seen::Running));
    nonces.finish(&nonce_of_it, "sent");
    assert_eq!(nonces.begin(&first, NOW + 1100), Ok(Seen::Done("sent")));

    let reused = opened(Request { deadline: NOW + 999, ..request(&nonce_of_it) }, &key).unwrap();
    assert_eq!(nonces.begin(&reused, NOW), Err(Refusal::NonceReused));
    let second = opened(request(&nonce().unwrap()), &key).unwrap();
    assert_eq!(nonces.begin(&second, NOW), Err(Refusal::TooMany { most: 1 }));
    assert_eq!(nonces.begin(&second, NOW + 1101), Ok(Seen::New));
}

#[test]
fn an_answer_arrives_whole_in_pieces_or_not_at_all() {
    let (node, other) = (KeyPair::new_user(), KeyPair::new_user());
    let answer = vec![7; 2500];
    let cut = |start| piece(&answer, start, "r", 3048, &node).unwrap();
    let pieces: Vec<Piece> = [0, 1000, 2000].into_iter().filter_map(cut).collect();
    assert!(pieces.iter().all(|piece| piece.head.len() + piece.bytes.len() <= 3048));
    assert_eq!((cut(2500), cut(2501)), (None, None));
    let mut assembly = Assembly::new(&node.public_key(), "r", 2500);
    assert_eq!(assembly.take(&pieces[0]), Ok(None));
    assert!(matches!(assembly.take(&pieces[2]), Err(Refusal::Unexpected(_))));
    assert_eq!(assembly.take(&pieces[0]), Ok(None));
    let mut altered = pieces[1].clone();
    altered.bytes[0] = 8;
    assert_eq!(assembly.take(&altered), Err(Refusal::Altered));
    // Under a lower limit the rest comes in smaller pieces.
    let lower = piece(&answer, assembly.len(), "r", 2548, &node).unwrap().unwrap();
    assert_eq!((assembly.take(&lower), assembly.len()), (Ok(None), 1500));
    assert_eq!(assembly.take(&cut(1500).unwrap()), Ok(Some(answer.clone())));

    let fresh = |most| Assembly::new(&node.public_key(), "r", most);
    assert_eq!(fresh(999).take(&pieces[0]), Err(Refusal::TooLong { most: 999 }));
    let by_other = &piece(&answer, 0, "r", 3048, &other).unwrap().unwrap();
    assert_eq!(fresh(2500).take(by_other), Err(Refusal::Unexpected("signed by another node")));
    let of_other = &piece(&answer, 0, "s", 3048, &node).unwrap().unwrap();
    assert_eq!(fresh(2500).take(of_other), Err(Refusal::Unexpected("of another request")));
    assert_eq!(fresh(1).take(&piece(b"", 0, "r", 3048, &node).unwrap().unwrap()), Ok(Some(Vec::new())));
    assert_eq!(piece(b"", 0, "r", 2048, &node), Err(Refusal::NoRoom { limit: 2048 }));
}
