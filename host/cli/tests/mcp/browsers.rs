//! Clients that are web pages, and proxies before the server: origins, hosts, and what they accept.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pod_tools_conformance::Place;

use crate::cli;
use crate::client::{Response, Served, initialize};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const PAGE: &str = "http://localhost:6274";

fn guarded(place: &Place) -> Served {
    let token = place.root().join("token");
    fs::write(&token, TOKEN).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    Served::start(place, &["--allow-origin", PAGE, "--token-file", token.to_str().unwrap()])
}

fn preflight(server: &Served, headers: &[(&str, &str)]) -> Response {
    let asked =
        [("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization")];
    server.exchange("OPTIONS", "/mcp", &[headers, &asked].concat(), b"")
}

/// Whether the page may read the answer.
fn readable(response: &Response) -> bool {
    assert_eq!(response.header("vary"), Some("Origin"), "{response:?}");
    assert_eq!(response.header("access-control-allow-credentials"), None);
    let exposed = response.header("access-control-expose-headers").unwrap_or("");
    let origin = response.header("access-control-allow-origin");
    assert_eq!(origin.is_some(), exposed.contains("mcp-session-id"), "{response:?}");
    assert!(origin.is_none_or(|origin| origin == PAGE), "{response:?}");
    origin.is_some()
}

#[test]
fn a_browser_may_ask_without_the_token_what_a_page_may_send() {
    let place = Place::new().unwrap();
    let server = guarded(&place);
    let allowed = preflight(&server, &[("Origin", PAGE)]);
    assert_eq!(allowed.status, 204);
    assert!(readable(&allowed));
    let words = |name: &str| allowed.header(name).unwrap().split(", ").collect::<Vec<_>>();
    assert_eq!(words("access-control-allow-methods"), ["GET", "POST", "DELETE"]);
    let headers = words("access-control-allow-headers");
    for header in [
        "authorization",
        "content-type",
        "mcp-protocol-version",
        "mcp-session-id",
        "mcp-method",
        "last-event-id",
    ] {
        assert!(headers.contains(&header), "{header}");
    }
    assert!(allowed.header("access-control-max-age").unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(allowed.header("access-control-allow-private-network"), None);
    let private = [("Origin", PAGE), ("Access-Control-Request-Private-Network", "true")];
    assert_eq!(preflight(&server, &private).header("access-control-allow-private-network"), Some("true"));

    let foreign = preflight(&server, &[("Origin", "http://evil.example")]);
    assert_eq!((foreign.status, readable(&foreign)), (403, false));
    assert_eq!(foreign.header("access-control-allow-methods"), None);
    // What no browser has asked is no such question.
    assert_eq!(server.exchange("OPTIONS", "/mcp", &[], b"").status, 401);
}

#[test]
fn a_page_of_an_allowed_origin_can_read_answers_and_refusals_and_no_other_can() {
    let place = Place::new().unwrap();
    let server = guarded(&place);
    let hello = initialize().to_string();
    let bearer = format!("Bearer {TOKEN}");
    let token = ("Authorization", &*bearer);
    for (status, path, headers, body) in [
        (200, "/mcp", &[token][..], &*hello),
        (401, "/mcp", &[], &hello),
        (404, "/", &[token], &hello),
        (400, "/mcp", &[token], "garbage"),
        (403, "/mcp", &[token, ("Host", "evil.example")], &hello),
        (406, "/mcp", &[token, ("Accept", "text/html")], &hello),
        (
            404,
            "/mcp",
            &[token, ("Mcp-Session-Id", "nobody")],
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
        ),
    ] {
        let of_page =
            server.exchange("POST", path, &[headers, &[("Origin", PAGE)]].concat(), body.as_bytes());
        assert_eq!((of_page.status, readable(&of_page)), (status, true), "{path} {headers:?}");
        let of_none = server.exchange("POST", path, headers, body.as_bytes());
        assert_eq!((of_none.status, readable(&of_none)), (status, false), "{path} {headers:?}");
        let foreign = [headers, &[("Origin", "http://localhost:6275")]].concat();
        let of_other = server.exchange("POST", path, &foreign, body.as_bytes());
        assert_eq!((of_other.status, readable(&of_other)), (403, false), "{path} {headers:?}");
    }
}

#[test]
fn ranges_of_media_types_are_accepted() {
    let place = Place::new().unwrap();
    let server = Served::start(&place, &[]);
    let hello = initialize().to_string();
    for (accept, status) in [
        ("*/*", 200),
        ("application/*, text/*;q=0.5", 200),
        ("application/json", 406),
        ("text/event-stream", 406),
        ("*/*, text/event-stream;q=0", 406),
    ] {
        assert_eq!(server.post(&[("Accept", accept)], hello.as_bytes()).status, status, "{accept}");
    }
}

#[test]
fn a_host_behind_a_proxy_counts_with_and_without_the_port_of_its_scheme() {
    let place = Place::new().unwrap();
    let server = Served::start(
        &place,
        &[
            "--allow-host",
            "pods.example:443",
            "--allow-host",
            "[fd00::1]:80",
            "--allow-origin",
            "https://a.example",
        ],
    );
    let hello = initialize().to_string();
    let status = |headers: &[(&str, &str)]| server.post(headers, hello.as_bytes()).status;
    for host in ["pods.example", "pods.example:443", "[fd00::1]", "[FD00:0::1]:80"] {
        assert_eq!(status(&[("Host", host)]), 200, "{host}");
    }
    for host in ["pods.example:80", "[fd00::1]:443", "[fd00::2]", "127.0.0.1"] {
        assert_eq!(status(&[("Host", host)]), 403, "{host}");
    }
    assert_eq!(status(&[("Origin", "https://a.example:443")]), 200);
    assert_eq!(status(&[("Origin", "https://a.example:8443")]), 403);
}

#[test]
fn what_is_no_host_or_origin_is_told_at_the_start() {
    let place = Place::new().unwrap();
    for (option, value) in [("--allow-host", "a b"), ("--allow-origin", "a.example"), ("--allow-origin", "*")]
    {
        let outcome = cli::run(cli::at(&place, ["mcp", "--http", "0", option, value]));
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains(option), "{outcome:?}");
    }
}
