//! How the tools are shown to a model and to its runtime: names, descriptions, schemas, effects.
//!
//! The schemas are constants in `schemas/`; a test compares them with those that `schemars` derives.

/// What a tool does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effects {
    /// It changes nothing that another call or program could see.
    pub read_only: bool,
    /// What it does cannot be taken back.
    pub destructive: bool,
    /// Doing it twice is the same as doing it once.
    pub idempotent: bool,
}

/// A tool, as it is shown to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The name by which it is called.
    pub name: &'static str,
    /// What it does and when to use it.
    pub description: &'static str,
    /// JSON Schema of the input.
    pub input_schema: &'static str,
    /// JSON Schema of the answer's `data`.
    pub data_schema: &'static str,
    /// Under which name `content` belongs into the answer's `data`, for hosts that give both as one object.
    pub content_property: Option<&'static str>,
    /// What it does to the world.
    pub effects: Effects,
}

pub(crate) const LIST_PODS: &str = "ListPods";
pub(crate) const SEND_TO_POD: &str = "SendToPod";
pub(crate) const READ_POD_OUTPUT: &str = "ReadPodOutput";
pub(crate) const STOP_POD: &str = "StopPod";
pub(crate) const WAIT_FOR_PODS: &str = "WaitForPods";

const DEFINITIONS: [Definition; 5] = [
    Definition {
        name: LIST_PODS,
        description: "Shows every spawned Pod: whether it can be reached (`alive`, `stopped`, \
             or `denied` where its socket fails a check) and the scope that was delegated to it.",
        input_schema: include_str!("../schemas/list-pods.input.json"),
        data_schema: include_str!("../schemas/list-pods.data.json"),
        content_property: None,
        // Releasing the allocations of dead processes is no change: such an allocation has no effect.
        effects: Effects { read_only: true, destructive: false, idempotent: true },
    },
    Definition {
        name: SEND_TO_POD,
        description: "Delivers a text message to a spawned Pod, which takes it as a user turn. Returns as soon as \
             the Pod has taken it, without waiting for the answer: read that with `ReadPodOutput`. A Pod that \
             is executing a turn refuses; try again when the turn is over, or have the message wait for that with \
             `when_busy`.",
        input_schema: include_str!("../schemas/send-to-pod.input.json"),
        data_schema: include_str!("../schemas/send-to-pod.data.json"),
        content_property: None,
        effects: Effects { read_only: false, destructive: false, idempotent: false },
    },
    Definition {
        name: READ_POD_OUTPUT,
        description: "Returns what the assistant of a spawned Pod has said since the last read, and the Pod's state \
             (`idle`, `running` or `paused`, where it is known). A cursor per Pod remembers what was read, so each \
             call gives new text only; if the Pod's history was rewritten meanwhile, all of it is given again and \
             the summary says so. It also says when the last message has no answer, why the last turn failed if \
             it did, what a person is asked while the Pod is paused, when more is left to read (a long text comes in parts), and `stopped` when the Pod can no \
             longer be reached. With `wait_seconds` it answers as soon as the Pod's run has ended: do that rather \
             than read again and again.",
        input_schema: include_str!("../schemas/read-pod-output.input.json"),
        data_schema: include_str!("../schemas/read-pod-output.data.json"),
        content_property: Some("text"),
        // It moves the cursor: the second read gives what is new since the first.
        effects: Effects { read_only: false, destructive: false, idempotent: false },
    },
    Definition {
        name: STOP_POD,
        description: "Shuts a spawned Pod down, waits until it is gone, and takes back the scope that was \
             delegated to it: its entry in the machine-wide registry is released, and another Pod can be spawned \
             over the same paths. Says so when the Pod did not confirm. If the Pod is still running after the \
             time limit, the call fails, nothing is released, and it can be tried again. With `descendants` it \
             stops the Pods that the Pod spawned first, and theirs.",
        input_schema: include_str!("../schemas/stop-pod.input.json"),
        data_schema: include_str!("../schemas/stop-pod.data.json"),
        content_property: None,
        // Names may repeat in the registry, so a second call may stop another pod.
        effects: Effects { read_only: false, destructive: true, idempotent: false },
    },
    Definition {
        name: WAIT_FOR_PODS,
        description: "Waits until one of several spawned Pods is done, or all of them are: its run has ended, it asks a \
             person something, or it has stopped. Says of each how it is, and gives none of their text: read that with \
             `ReadPodOutput`.",
        input_schema: include_str!("../schemas/wait-for-pods.input.json"),
        data_schema: include_str!("../schemas/wait-for-pods.data.json"),
        content_property: None,
        effects: Effects { read_only: true, destructive: false, idempotent: true },
    },
];

/// The tools, in a fixed order.
pub fn definitions() -> &'static [Definition] {
    &DEFINITIONS
}

#[cfg(test)]
mod tests {
    use schemars::generate::SchemaSettings;
    use schemars::transform::{RecursiveTransform, Transform};
    use schemars::{JsonSchema, Schema};
    use serde_json::{Value, json};

    use super::*;
    use crate::tools::input::{EmptyInput, ReadInput, SendToPodInput, StopInput, WaitInput};
    use crate::tools::wait_for_pods::WaitData;
    use crate::tools::{list::ListData, read::ReadData, send::SendData, stop::StopData};

    /// Without `format`: `uint32` and the like are Rust's own, and clients warn their users of each. With
    /// `properties` also where there are none: models refuse a schema of objects without.
    fn derived<T: JsonSchema>() -> Value {
        // A host refuses references.
        let generator = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let mut schema = generator.into_generator().into_root_schema_for::<T>();
        let for_models = |schema: &mut Schema| {
            schema.remove("format");
            if schema.get("type").is_some_and(|is| is == "object") {
                schema.ensure_object().entry("properties").or_insert_with(|| json!({}));
            }
        };
        RecursiveTransform(for_models).transform(&mut schema);
        serde_json::to_value(schema).unwrap()
    }

    #[test]
    fn the_schemas_are_those_that_schemars_derives_from_the_types() {
        let derived = [
            (derived::<EmptyInput>(), derived::<ListData>()),
            (derived::<SendToPodInput>(), derived::<SendData>()),
            (derived::<ReadInput>(), derived::<ReadData>()),
            (derived::<StopInput>(), derived::<StopData>()),
            (derived::<WaitInput>(), derived::<WaitData>()),
        ];
        for (tool, (input, data)) in definitions().iter().zip(derived) {
            for (what, constant, derived) in
                [("input", tool.input_schema, input), ("data", tool.data_schema, data)]
            {
                assert_eq!(
                    serde_json::from_str::<Value>(constant).unwrap(),
                    derived,
                    "schema of the {what} of {}; derived:\n{derived:#}",
                    tool.name
                );
            }
        }
    }

    #[test]
    fn the_tools_are_in_a_fixed_order_with_a_description_on_one_line() {
        let names: Vec<&str> = definitions().iter().map(|tool| tool.name).collect();
        assert_eq!(names, ["ListPods", "SendToPod", "ReadPodOutput", "StopPod", "WaitForPods"]);
        for tool in definitions() {
            assert!(!tool.description.is_empty(), "{}", tool.name);
            assert!(!tool.description.contains("  "), "{}", tool.name);
            assert!(!tool.description.contains('\n'), "{}", tool.name);
        }
    }

    #[test]
    fn the_content_has_a_name_that_the_data_does_not_use() {
        for tool in definitions() {
            let schema: Value = serde_json::from_str(tool.data_schema).unwrap();
            let taken = |name| schema["properties"].get(name).is_some();
            assert!(!tool.content_property.is_some_and(taken), "{}", tool.name);
            // Nor that under which a host adds the summary.
            assert!(!taken("summary"), "{}", tool.name);
        }
    }

    #[test]
    fn only_stopping_is_destructive_and_only_listing_and_waiting_are_read_only() {
        let effects: Vec<_> = definitions()
            .iter()
            .map(|tool| (tool.effects.read_only, tool.effects.destructive, tool.effects.idempotent))
            .collect();
        assert_eq!(
            effects,
            [
                (true, false, true),
                (false, false, false),
                (false, false, false),
                (false, true, false),
                (true, false, true)
            ]
        );
    }
}
