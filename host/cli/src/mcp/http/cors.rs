//! What a browser must be told before a page of an allowed origin can send a request and read the answer.
//!
//! No wildcards, and no cookies: who may come in is decided by the origin and by the token in the request.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
/// What clients of all revisions send.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "accept, authorization, content-type, last-event-id, mcp-method, mcp-name, mcp-protocol-version, \
     mcp-session-id",
);
const RESPONSE_HEADERS: HeaderValue =
    HeaderValue::from_static("mcp-session-id, mcp-protocol-version, www-authenticate, retry-after");
/// A browser asks again after an hour, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");
/// A page of a public site that reaches into a private network is announced by these.
const ASKS_FOR_PRIVATE_NETWORK: &str = "access-control-request-private-network";
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// Whether a browser asks if it may send a request. It shows no token then.
pub fn is_preflight<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    *request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// What may be sent.
pub fn allow_requests(asked: &HeaderMap, answer: &mut HeaderMap) {
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if asked.contains_key(ASKS_FOR_PRIVATE_NETWORK) {
        answer.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
}

/// Lets a page of an allowed origin read an answer; `None`: there is none.
pub fn allow_reading(origin: Option<HeaderValue>, answer: &mut HeaderMap) {
    // Also where none was named: what is kept of the answer is not for pages of another.
    answer.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
    }
}
