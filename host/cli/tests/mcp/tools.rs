//! Tools as they are shown, their arguments, their failures, their log lines.

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use serde_json::{Value, json};

use crate::cli;
use crate::client::{PATIENT, Piped, call, request, text};

#[test]
fn tools_are_shown_with_the_components_schemas_and_effects() {
    let place = Place::new().unwrap();
    let defined = cli::run(cli::at(&place, ["tools", "--json"]));
    let defined: Value = serde_json::from_str(&defined.stdout).unwrap();
    let mut client = Piped::start(&place, &[]);
    client.send(&request(1, "tools/list", json!({})));
    let answer = client.answer(1);
    let shown = answer["result"]["tools"].as_array().unwrap();
    assert_eq!(shown.len(), defined.as_array().unwrap().len());
    for (shown, defined) in shown.iter().zip(defined.as_array().unwrap()) {
        assert_eq!(shown["name"], defined["name"]);
        assert_eq!(shown["description"], defined["description"]);
        assert_eq!(shown["inputSchema"], defined["input_schema"]);
        let (hints, effects) = (&shown["annotations"], &defined["effects"]);
        assert_eq!(hints["readOnlyHint"], effects["read_only"]);
        assert_eq!(hints["destructiveHint"], effects["destructive"]);
        assert_eq!(hints["idempotentHint"], effects["idempotent"]);
        // The tools reach pods of this machine, and nothing else.
        assert_eq!(hints["openWorldHint"], false);
        assert_eq!(shown["_meta"]["anthropic/alwaysLoad"], true);
        let mut data = shown["outputSchema"].clone();
        for property in ["summary"].into_iter().chain(defined["content_property"].as_str()) {
            assert_eq!(data["properties"][property]["type"], "string");
            data["properties"].as_object_mut().unwrap().remove(property);
            data["required"].as_array_mut().unwrap().retain(|name| name != property);
        }
        assert_eq!(data, defined["data_schema"]);
    }
}

#[test]
fn arguments_are_checked_before_a_pod_hears_of_them() {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "child", Script::new()).unwrap();
    let mut client = Piped::start(&place, &[]);
    let cases = [
        ("SendToPod", json!({ "name": "child" }), "missing field `message`"),
        ("SendToPod", json!({ "name": "child", "message": 7 }), "expected a string"),
        ("ReadPodOutput", json!({}), "missing field `name`"),
        ("StopPod", json!({ "name": null }), "expected a string"),
    ];
    for (id, (tool, arguments, words)) in (1..).zip(cases) {
        let answer = client.ask(id, tool, arguments);
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        assert_eq!(answer["result"]["_meta"]["pod-tools/error"]["kind"], "invalid-argument");
        assert!(text(&answer).contains(words), "{}", text(&answer));
    }
    assert_eq!(pod.connections(), 0);
}

#[test]
fn the_text_is_for_the_model_and_the_structure_for_programs() {
    let place = Place::new().unwrap();
    let items = history(&[assistant("one\ntwo")]);
    let _pod = FakePod::start(&place, "child", Script::new().on("get_history", [Step::line(items)])).unwrap();
    let mut client = Piped::start(&place, &[]);
    let answer = client.ask(1, "ReadPodOutput", json!({ "name": "child" }));
    assert_eq!(text(&answer), "pod `child`: 2 new line(s) of assistant text; now idle\n\none\ntwo");
    let structure = &answer["result"]["structuredContent"];
    assert_eq!(structure["text"], "one\ntwo");
    assert_eq!((&structure["state"], &structure["new_items"]), (&json!("idle"), &json!(1)));
    assert_eq!((&structure["remaining_items"], &structure["rewritten"]), (&json!(0), &json!(false)));
    assert_eq!(structure["summary"], "pod `child`: 2 new line(s) of assistant text; now idle");
}

/// What the models of these clients are shown of a result: the structure, where there is any, or the text.
fn shown_in_place_of_text(answer: &Value) -> String {
    match answer["result"].get("structuredContent") {
        Some(structure) => structure.to_string(),
        None => text(answer).to_owned(),
    }
}

#[test]
fn clients_that_show_the_structure_in_place_of_the_text_get_long_text_readable_and_once() {
    for (name, since) in [("claude-code", 2025), ("codex-mcp-client", 2025), ("claude-code", 2026)] {
        let place = Place::new().unwrap();
        let said = history(&[assistant("one\n\"two\"")]);
        let _pod =
            FakePod::start(&place, "child", Script::new().on("get_history", [Step::line(said)])).unwrap();
        let mut client = Piped::unread(&place, &[]);
        client.read();
        let info = json!({ "name": name, "version": "1" });
        let mut meta = json!({});
        if since == 2026 {
            meta = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": info,
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        } else {
            let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info });
            client.send(&request(0, "initialize", hello));
            client.answer(0);
        }
        client.send(&request(1, "tools/list", json!({ "_meta": meta })));
        // A tool that promises a structure has to give one.
        let tools = client.answer(1);
        let promises: Vec<bool> = tools["result"]["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool.get("outputSchema").is_some())
            .collect();
        assert_eq!(promises, [true, true, false, true, true], "{name}");
        let mut ask = |id, tool| {
            let mut asked = call(id, tool, json!({ "name": "child" }));
            asked["params"]["_meta"] = meta.clone();
            client.send(&asked);
            client.answer(id)
        };
        let read = ask(2, "ReadPodOutput");
        let expected = "pod `child`: 2 new line(s) of assistant text; now idle\n\none\n\"two\"";
        assert_eq!(shown_in_place_of_text(&read), expected, "{name}: {read}");
        assert_eq!(read.to_string().matches("two").count(), 1, "{name}: {read}");
        let nothing = ask(3, "ReadPodOutput");
        assert_eq!(shown_in_place_of_text(&nothing), "pod `child` idle; no new assistant text", "{name}");
        let listed = shown_in_place_of_text(&ask(4, "ListPods"));
        assert!(listed.contains(r#""summary":"1 pod(s) known""#) && listed.contains("child"), "{listed}");
    }
}

#[test]
fn an_empty_listing_names_the_directory_that_was_looked_in() {
    let place = Place::new().unwrap();
    let mut client = Piped::start(&place, &[]);
    let answer = client.ask(1, "ListPods", json!({}));
    let expected = format!("no spawned pods; looked in {}", place.runtime_dir().display());
    assert_eq!(text(&answer), expected);
    assert_eq!(answer["result"]["structuredContent"]["summary"], expected);
    let people = cli::run(cli::at(&place, ["call", "ListPods"]));
    assert_eq!(people.stdout.trim_end(), expected);
    // Programs get the tool's own words, and know their own options.
    let programs = cli::run(cli::at(&place, ["call", "ListPods", "--json"]));
    assert_eq!(programs.ok()["summary"], "no spawned pods");
}

#[test]
fn a_denied_call_says_which_grant_it_takes() {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "child", Script::new()).unwrap();
    let mut client = Piped::start(&place, &["--grant", "list"]);
    let answer = client.ask(1, "StopPod", json!({ "name": "child" }));
    assert_eq!(answer["result"]["isError"], true);
    assert!(answer["result"].get("structuredContent").is_none(), "{answer}");
    assert!(text(&answer).contains("stop:child"), "{}", text(&answer));
    assert_eq!(pod.connections(), 0);
}

#[test]
fn who_asked_for_progress_hears_that_a_call_goes_on() {
    let place = Place::new().unwrap();
    let pod = FakePod::start(&place, "child", Script::new()).unwrap();
    let mut client = Piped::start(&place, &PATIENT);
    let mut asked = call(1, "ReadPodOutput", json!({ "name": "child" }));
    asked["params"]["_meta"] = json!({ "progressToken": "p" });
    client.send(&asked);
    pod.await_lines(1);
    let mut last = 0.0;
    for _ in 0..2 {
        let progress = client.await_message(|message| message["method"] == "notifications/progress");
        let params = &progress["params"];
        assert_eq!(params["progressToken"], "p");
        assert_eq!(params["total"], 100.0);
        let at = params["progress"].as_f64().unwrap();
        assert!(at > last, "{progress}");
        last = at;
    }
}

#[test]
fn log_lines_reach_a_client_at_its_own_level() {
    let place = Place::new().unwrap();
    let plugin = place.root().join("plugin.wasm");
    std::fs::write(&plugin, pod_tools_hostile::COMPONENT).unwrap();
    let mut client = Piped::start(&place, &["--component", plugin.to_str().unwrap()]);
    // This plugin's conversations are attacks.
    let trap = json!({ "uri": "pod://traps_at_once/transcript" });
    client.send(&request(1, "resources/read", trap.clone()));
    assert_eq!(client.answer(1)["error"]["data"]["kind"], "internal");
    client.send(&request(2, "logging/setLevel", json!({ "level": "debug" })));
    client.answer(2);
    client.send(&request(3, "resources/read", trap));
    client.answer(3);
    // The plugin's own words, and the host's about it.
    for (logger, words) in [("pod_tools_host::plugin", "at once"), ("pod_tools_host", "trapped")] {
        client.await_message(|message| {
            message["method"] == "notifications/message"
                && message["params"]["logger"].as_str().unwrap().starts_with(logger)
                && message["params"]["data"].as_str().unwrap().contains(words)
        });
    }
    client.send(&request(4, "logging/setLevel", json!({ "level": "nonsense" })));
    assert_eq!(client.answer(4)["error"]["code"], -32602);
}

#[test]
fn a_request_of_the_newest_revision_hears_what_it_asked_for_and_no_more() {
    let place = Place::new().unwrap();
    let plugin = place.root().join("plugin.wasm");
    std::fs::write(&plugin, pod_tools_hostile::COMPONENT).unwrap();
    let mut client = Piped::unread(&place, &["--component", plugin.to_str().unwrap()]);
    client.read();
    for (id, level, lines) in [(1, Some("debug"), true), (2, Some("error"), false), (3, None, false)] {
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        if let Some(level) = level {
            meta["io.modelcontextprotocol/logLevel"] = json!(level);
        }
        let trap = json!({ "_meta": meta, "uri": "pod://traps_at_once/transcript" });
        client.send(&request(id, "resources/read", trap));
        let mut heard = 0;
        while client.receive()["id"] != id {
            heard += 1;
        }
        assert_eq!(heard > 0, lines, "{level:?}");
    }
}
