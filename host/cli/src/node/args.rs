//! The options of `pod-tools node`.

use std::path::PathBuf;
use std::time::Duration;

use pod_tools_node::NodeName;

use crate::caller_limits::CallerLimitArgs;
use crate::units::duration;

/// Serve this machine's pods to callers on other machines, over NATS
///
/// The plugin runs here, where the pods are, under this machine's grants; calls come over a NATS server. Each is signed by
/// its caller, for this node, this input and a time; each answer is signed by the node. The server and whoever else carries
/// them can lose and delay calls, and see what is in them, but can neither make one nor change one.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "From nothing:\n  \
    pod-tools node --new-key build-1.nk                  # says the node's public key\n  \
    pod-tools node --new-key alice.nk                    # and a caller's\n  \
    pod-tools node --print-config nats --grants callers.toml --nodes nodes.toml > nats.conf\n  \
    nats-server -c nats.conf &\n  \
    pod-tools node --name build-1 --nats nats://127.0.0.1:4222 --creds build-1.nk --grants callers.toml &\n  \
    pod-tools call ListPods --nats nats://127.0.0.1:4222 --creds alice.nk --nodes nodes.toml\n\n\
    callers.toml, which is followed:            nodes.toml, where callers are:\n    \
    [[caller]]                                  [[node]]\n    \
    name = \"alice\"                              name = \"build-1\"\n    \
    key = \"U…\"                                  key = \"U…\"\n    \
    grants = [\"list,read\", \"send:build-*\"]\n    \
    max-calls = 4                               # beside it max-rate, max-bytes: his own limits",
    after_long_help = "One line of JSON on standard output says that it serves: {\"node\":\"build-1\",\"key\":\"U…\"}.\n\n\
    A request that comes twice is carried out once. Read cursors move when a caller has said that its text was\n\
    delivered; each caller, and each of its readers, has cursors of its own. What was revoked in the grants file is\n\
    denied to calls that run at their next request.\n\n\
    Ctrl-C and SIGTERM end the calls in flight within 3 s, and then the node.\n\n\
    Exit status: 0 SIGTERM came, 1 the node failed, or another one has its name, 2 used wrongly, 130 interrupted."
)]
pub struct NodeArgs {
    /// The node's name; its pods are POD@NAME
    ///
    /// 1 to 63 letters and digits of ASCII, `-` and `_`. No two nodes at a server may have the same
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Node",
        required_unless_present_any = ["print_config", "new_key"]
    )]
    pub name: Option<NodeName>,

    /// How far callers' clocks may be off
    #[arg(
        long,
        value_name = "TIME",
        default_value = "30s",
        value_parser = duration,
        help_heading = "Node",
        hide_short_help = true
    )]
    pub skew: Duration,

    #[command(flatten)]
    pub caller_limits: CallerLimitArgs,

    /// Print a whole configuration of the server
    ///
    /// For the callers in --grants and the nodes in --nodes: what each key may do there, and no more
    #[arg(long, value_name = "SERVER", value_parser = ["nats"], help_heading = "Set up")]
    pub print_config: Option<String>,

    /// Make a key in this file, say its public part
    ///
    /// The file is yours alone, and must not be there yet
    #[arg(long, value_name = "FILE", conflicts_with_all = ["print_config", "name"], help_heading = "Set up")]
    pub new_key: Option<PathBuf>,
}
