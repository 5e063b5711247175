//! The conformance kit against the tools' logic as native code.

pod_tools_conformance::conformance! {
    command: [env!("CARGO_BIN_EXE_native-host"), "call", "--batch"],
    profile: "profile.json",
}
