//! Forged, reused and mistaken handles.

use serde_json::json;

use crate::bindings::pod::tools::{pods, unix_socket};
use crate::{Exchange, Found, Pod, Request, Verb};

pub fn uses_a_pod_that_it_dropped(pod: &str) -> Found {
    let pod = pods::find(pod, Verb::Read)?;
    let number = pod.handle();
    drop(pod);
    // SAFETY: there is none; this is what is tried.
    let ghost = unsafe { Pod::from_handle(number) };
    Ok(json!(ghost.describe().name))
}

pub fn uses_an_exchange_that_it_dropped(pod: &str) -> Found {
    let exchange = unix_socket::open(&pods::find(pod, Verb::Read)?, &Request::GetHistory, None)?;
    let number = exchange.handle();
    drop(exchange);
    // SAFETY: there is none; this is what is tried.
    let ghost = unsafe { Exchange::from_handle(number) };
    Ok(json!(ghost.read(1, None)?))
}

pub fn drops_a_pod_twice(pod: &str) -> Found {
    let pod = pods::find(pod, Verb::Read)?;
    let number = pod.handle();
    drop(pod);
    // SAFETY: there is none; this is what is tried.
    drop(unsafe { Pod::from_handle(number) });
    Ok(json!(null))
}

/// The input is the number.
pub fn uses_handles_that_it_never_got(number: &str) -> Found {
    let number = number.parse().expect("the input is a number");
    // SAFETY: there is none; this is what is tried.
    let ghost = unsafe { Pod::from_handle(number) };
    Ok(json!(ghost.describe().name))
}

pub fn takes_a_pod_for_an_exchange(pod: &str) -> Found {
    let pod = pods::find(pod, Verb::Read)?;
    // SAFETY: there is none; this is what is tried.
    let exchange = unsafe { Exchange::from_handle(pod.take_handle()) };
    Ok(json!(exchange.read(1, None)?))
}
