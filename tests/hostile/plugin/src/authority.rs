//! Doing what was not granted.

use serde_json::{Value, json};

use crate::bindings::pod::tools::pods::Cursor;
use crate::bindings::pod::tools::{pods, scope_lock, unix_socket};
use crate::{Found, Pod, Request, Verb, outcome, read_line};

const VERBS: [Verb; 4] = [Verb::List, Verb::Send, Verb::Read, Verb::Stop];

/// Every request there is, with a handle that some other verb may have given.
pub fn tries_every_request(name: &str) -> Found {
    let finds: Vec<_> = VERBS.iter().map(|&verb| pods::find(name, verb)).collect();
    let mut answers = json!({});
    for (verb, found) in VERBS.iter().zip(&finds) {
        answers[format!("find to {verb:?}")] = outcome(found.as_ref().map_err(Clone::clone));
    }
    let Some(pod) = finds.into_iter().find_map(Result::ok) else { return Ok(answers) };
    answers["state"] = outcome(pod.state());
    answers["cursor"] = outcome(pod.cursor());
    answers["set-cursor"] = outcome(pod.set_cursor(&Cursor { items: 1, digest: "x".into() }));
    answers["run"] = exchange(&pod, Request::Run("let me in".into()));
    answers["get-history"] = exchange(&pod, Request::GetHistory);
    answers["probe"] = outcome(unix_socket::probe(&[&pod]));
    answers["list"] = outcome(pods::list());
    answers["reclaim-stale"] = outcome(scope_lock::reclaim_stale(None));
    answers["release"] = outcome(scope_lock::release(&pod, None));
    answers["forget"] = outcome(pods::forget(&pod));
    answers["await-closed"] = outcome(unix_socket::await_closed(&pod, Some(0)));
    answers["shutdown"] = exchange(&pod, Request::Shutdown);
    Ok(answers)
}

fn exchange(pod: &Pod, request: Request) -> Value {
    outcome(unix_socket::open(pod, &request, None).and_then(|exchange| read_line(&exchange)))
}

/// The input is the names, one a line. What comes back for each and every verb; and what is listed.
pub fn guesses_names(names: &str) -> Found {
    let guesses = names.lines().map(|name| {
        let answers = VERBS.iter().map(|&verb| outcome(pods::find(name, verb)));
        json!([name, answers.collect::<Vec<_>>()])
    });
    let guesses: Vec<_> = guesses.collect();
    let listing = pods::list()?;
    let listed: Vec<_> = listing.pods.iter().map(|listed| listed.description.name.clone()).collect();
    Ok(json!({ "guesses": guesses, "listed": listed, "unreadable": listing.unreadable }))
}

pub fn reaches_outside(name: &str) -> Found {
    let pod = pods::find(name, Verb::Send)?;
    Ok(json!({
        "run": exchange(&pod, Request::Run("let me in".into())),
        "get-history": exchange(&pod, Request::GetHistory),
        "shutdown": exchange(&pod, Request::Shutdown),
        "probe": format!("{:?}", unix_socket::probe(&[&pod])?),
        "await-closed": outcome(unix_socket::await_closed(&pod, None)),
        "state": pod.state()? != pods::State::Unknown,
        "release": outcome(scope_lock::release(&pod, None)),
        "forget": outcome(pods::forget(&pod)),
    }))
}

pub fn releases_a_living_pod(name: &str) -> Found {
    let pod = pods::find(name, Verb::Stop)?;
    Ok(json!([
        outcome(scope_lock::release(&pod, None)),
        outcome(scope_lock::release(&pod, Some(1_000))),
        outcome(pods::forget(&pod)),
    ]))
}

pub fn forgets_without_release(name: &str) -> Found {
    let (released, other) = (pods::find(name, Verb::Stop)?, pods::find(name, Verb::Stop)?);
    let before = outcome(pods::forget(&released));
    scope_lock::release(&released, None)?;
    Ok(json!([before, outcome(pods::forget(&other))]))
}

/// Released while it was gone; and forgotten once it is there again, which the second pod tells.
pub fn forgets_a_pod_that_came_back(pods: &str) -> Found {
    let (name, messenger) =
        pods.split_once(' ').expect("a pod that is gone, and one that tells of its return");
    let pod = pods::find(name, Verb::Stop)?;
    scope_lock::release(&pod, None)?;
    exchange(&pods::find(messenger, Verb::Send)?, Request::Run("released".into()));
    Ok(outcome(pods::forget(&pod)))
}

/// Takes the machine-wide lock as often as it can, so that nobody else gets it.
pub fn hammers_the_scope_lock(_: &str) -> Found {
    loop {
        scope_lock::reclaim_stale(None)?;
    }
}

/// Has the host read the table over and over, and computes nothing itself.
pub fn releases_without_end(pod: &str) -> Found {
    let pod = pods::find(pod, Verb::Stop)?;
    loop {
        let _ = scope_lock::release(&pod, Some(0));
    }
}
