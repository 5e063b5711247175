//! The conformance kit against `pod-tools call --batch`: a test a case. It supports everything.

pod_tools_conformance::conformance! {
    command: [env!("CARGO_BIN_EXE_pod-tools"), "call", "--batch"],
}
