//! How a composition is run in wasmCloud: an image, and a workload that grants it one port of the machine's loopback
//! and the messages of one caller.

use std::fmt;

/// `file` is the composition, as a shell reads it.
pub fn how_to_run(f: &mut fmt::Formatter<'_>, file: &str) -> fmt::Result {
    write!(
        f,
        "On the machine of the pods, for a host on that machine. A message of NATS takes 1 MiB unless its server was told
otherwise, and no answer is to be longer:

    pod-tools gateway --listen 127.0.0.1:8123 --token-file TOKEN-FILE --grants GRANTS-FILE --max-output 128KiB

The composition, in a registry, and the host, with what it has to grant: ports of the machine to workloads that name
them, none but those, and 256 MiB. With RUST_BACKTRACE set, each message would take many times as long:

    wash oci push REGISTRY/pod-tools:latest {file}
    env -u RUST_BACKTRACE wash host --allow-host-loopback --socket-egress enforce --default-heap-memory 256MiB

The workload, with what it is granted: one port, three variables, and the messages to one caller's tools. It is a
request over NATS to `runtime.host.HOST.workload.start`; HOST is the last token of the subject on which that host is
heard, `runtime.operator.heartbeat.*`. 127.255.255.254 is what `host.wasmcloud.internal` stands for, so no name has to
be looked up:

{WORKLOAD}

A call, and its answer, the line that `pod-tools call --batch` prints:

    nats request pods.v1.NODE.CALLER.ListPods '{{}}'

Whoever may publish to those subjects calls with the rights of that token: let the server's permissions say who."
    )
}

/// As wasmCloud takes it over NATS.
const WORKLOAD: &str = r#"    {
      "workloadId": "pod-tools",
      "workload": {
        "namespace": "default",
        "name": "pod-tools",
        "witWorld": {
          "components": [{
            "name": "pod-tools",
            "image": "REGISTRY/pod-tools:latest",
            "localResources": {
              "allowedHostLoopbackPorts": ["8123"],
              "environment": {
                "POD_TOOLS_GATEWAY": "127.255.255.254:8123",
                "POD_TOOLS_TOKEN": "the text of TOKEN-FILE",
                "POD_TOOLS_MAX_PAYLOAD": "1048576"
              }
            }
          }],
          "hostInterfaces": [{
            "namespace": "wasmcloud",
            "package": "messaging",
            "version": "0.2.0",
            "interfaces": ["handler", "consumer", "types"],
            "config": {"subscriptions": "pods.v1.NODE.CALLER.*"}
          }]
        }
      }
    }"#;
