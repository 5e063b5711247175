//! Revisions of the protocol: which are offered, and what each of them has.

use pod_tools_conformance::Place;
use serde_json::json;

use crate::client::{Piped, Served, initialize, newest, request};

#[test]
fn the_revision_that_has_batches_is_not_offered() {
    let place = Place::new().unwrap();
    for (asked, given) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2024-11-05"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
    ] {
        let mut client = Piped::unread(&place, &[]);
        client.read();
        let mut hello = initialize();
        hello["params"]["protocolVersion"] = json!(asked);
        client.send(&hello);
        assert_eq!(client.answer(0)["result"]["protocolVersion"], given, "{asked}");
    }
    let mut client = Piped::unread(&place, &[]);
    client.read();
    client.send(&newest(1, "server/discover", json!({})));
    let offered = client.answer(1)["result"]["supportedVersions"].clone();
    let offered: Vec<&str> =
        offered.as_array().unwrap().iter().map(|version| version.as_str().unwrap()).collect();
    assert!(offered.contains(&"2026-07-28") && !offered.contains(&"2025-03-26"), "{offered:?}");
}

#[test]
fn what_the_newest_revision_no_longer_has_is_not_found() {
    let place = Place::new().unwrap();
    let server = Served::start(&place, &[]);
    let uri = json!({ "uri": "pod://child/transcript" });
    for (method, params) in [
        ("ping", json!({})),
        ("initialize", json!({})),
        ("logging/setLevel", json!({})),
        ("logging/setLevel", json!({ "level": "info" })),
        ("resources/subscribe", json!({})),
        ("resources/subscribe", uri.clone()),
        ("resources/unsubscribe", json!({})),
        ("resources/unsubscribe", uri),
        ("no/such/method", json!({})),
    ] {
        let message = newest(1, method, params);
        let name = message["params"]["uri"].as_str().unwrap_or("");
        let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method), ("Mcp-Name", name)];
        let headers = if name.is_empty() { &headers[..2] } else { &headers };
        let response = server.post(headers, message.to_string().as_bytes());
        assert_eq!(
            (response.status, &response.answer()["error"]["code"]),
            (404, &json!(-32601)),
            "{message}"
        );
        if method != "initialize" {
            let mut client = Piped::unread(&place, &[]);
            client.read();
            client.send(&newest(0, "server/discover", json!({})));
            client.answer(0);
            client.send(&message);
            assert_eq!(client.answer(1)["error"]["code"], -32601, "{message}");
        }
    }
    // Of the earlier ones they are, and bad parameters are bad parameters.
    let mut client = Piped::start(&place, &[]);
    client.send(&request(1, "logging/setLevel", json!({ "level": "loud" })));
    assert_eq!(client.answer(1)["error"]["code"], -32602);
    client.send(&request(2, "logging/setLevel", json!({ "level": "info" })));
    assert_eq!(client.answer(2)["result"], json!({}));
}
