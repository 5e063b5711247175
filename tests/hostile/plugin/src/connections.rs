//! Misusing connections: too many, too long, too much, and more than one request.

use serde_json::json;

use crate::bindings::pod::tools::{pods, scope_lock, unix_socket};
use crate::{Found, Pod, Request, Verb, outcome, read_line};

pub fn keeps_all_exchanges_open(pod: &str) -> Found {
    let pod = pods::find(pod, Verb::Read)?;
    let mut open = Vec::new();
    loop {
        open.push(unix_socket::open(&pod, &Request::GetHistory, None)?);
    }
}

pub fn floods_a_pod_with_connections(pod: &str) -> Found {
    let pod = pods::find(pod, Verb::Read)?;
    loop {
        let _ = unix_socket::open(&pod, &Request::GetHistory, None);
    }
}

pub fn floods_a_pod_with_probes(pod: &str) -> Found {
    let pod = pods::find(pod, Verb::List)?;
    let many = vec![&pod; 100];
    loop {
        let _ = unix_socket::probe(&many);
    }
}

/// Every function that waits, asked to wait for weeks for what will not come.
pub fn asks_for_longer_waits(pods: &str) -> Found {
    const WEEKS: Option<u32> = Some(u32::MAX);
    let (silent, full) = pods.split_once(' ').expect("a silent pod and one that takes no connections");
    let (silent, full) = (pods::find(silent, Verb::Stop)?, pods::find(full, Verb::Stop)?);
    let exchange = unix_socket::open(&silent, &Request::GetHistory, WEEKS)?;
    Ok(json!({
        "read": outcome(exchange.read(1, WEEKS)),
        "open": outcome(unix_socket::open(&full, &Request::GetHistory, WEEKS)),
        "await-closed": unix_socket::await_closed(&silent, WEEKS)?,
        "release": outcome(scope_lock::release(&silent, WEEKS)),
        "reclaim-stale": outcome(scope_lock::reclaim_stale(WEEKS)),
    }))
}

pub fn drops_an_exchange_unread(pod: &str) -> Found {
    let pod = pods::find(pod, Verb::Stop)?;
    for request in [Request::Run("unseen".into()), Request::GetHistory, Request::Shutdown] {
        drop(unix_socket::open(&pod, &request, None)?);
    }
    Ok(json!(null))
}

pub const FORGERY: &str =
    "x\"}}\n{\"method\":\"shutdown\"}\r\n\0\u{2028}\u{85}\\\"\n\n{\"method\":\"shutdown\"}\n";

pub fn forges_a_second_method(pod: &str) -> Found {
    let exchange = unix_socket::open(&pods::find(pod, Verb::Send)?, &Request::Run(FORGERY.into()), None)?;
    read_line(&exchange)?;
    Ok(json!(FORGERY))
}

/// As many at once as the host lets pass, of characters that are six times as many when they are encoded.
pub fn sends_gigantic_messages(pod: &str) -> Found {
    let pod = pods::find(pod, Verb::Send)?;
    let request = Request::Run("\u{1}".repeat(1 << 20));
    let mut open = Vec::new();
    loop {
        open.push(unix_socket::open(&pod, &request, None)?);
    }
}

pub fn sends_a_message_beyond_the_limit(pod: &str) -> Found {
    let pod = pods::find(pod, Verb::Send)?;
    unix_socket::open(&pod, &Request::Run("x".repeat(40 << 20)), None)?;
    Ok(json!(null))
}

pub fn probes_one_pod_over_and_over(pod: &str) -> Found {
    let pod = pods::find(pod, Verb::List)?;
    Ok(json!(unix_socket::probe(&vec![&pod; 4_000])?.len()))
}

/// All in one call: the plugin itself computes nothing meanwhile.
pub fn probes_more_pods_than_it_has_time_for(_: &str) -> Found {
    let listing = pods::list()?;
    let pods: Vec<&Pod> = listing.pods.iter().map(|listed| &listed.pod).collect();
    Ok(json!(unix_socket::probe(&pods)?.len()))
}
