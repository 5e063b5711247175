//! The options that say where other machines are, and who asks there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;
use pod_tools_node::connection::Connection;
use pod_tools_node::identity::Identity;

use super::ssh::HostName;
use crate::secret_file;

/// Of a file of credentials, which holds a token of the server's beside the seed.
const MAX_BYTES: u64 = 64 << 10;

/// As they are given.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Pods of other machines")]
pub struct AfarArgs {
    /// The server of NATS that leads to other machines
    ///
    /// Their pods are NAME@NODE. A URL, `nats://HOST:4222` or `tls://HOST`; several with commas between
    #[arg(long, global = true, env = "POD_TOOLS_NATS", value_name = "URL")]
    pub nats: Option<String>,

    /// The key with which you ask there
    ///
    /// A file with the seed of an nkey (`SU…`), as `pod-tools node --new-key FILE` makes it, or one of NATS's .creds; yours
    /// alone to read
    #[arg(long, global = true, env = "POD_TOOLS_CREDS", value_name = "FILE")]
    pub creds: Option<PathBuf>,

    /// The machines there are, each with its key
    ///
    /// A file (TOML) with a `[[node]]` for each, and below it its `name` and `key`: whose answers are believed
    #[arg(long, global = true, env = "POD_TOOLS_NODES", value_name = "FILE")]
    pub nodes: Option<PathBuf>,

    /// Machines that ssh leads to
    ///
    /// Their pods are NAME@HOST; several with commas between. A HOST is a name that `ssh HOST` knows, without a password. What
    /// you may do there stands in its `authorized_keys`: restrict,command="pod-tools call --batch --grants FILE"
    #[arg(long, global = true, env = "POD_TOOLS_SSH", value_name = "HOST", value_delimiter = ',')]
    pub ssh: Vec<HostName>,

    /// The program that is run for --ssh
    #[arg(long, global = true, env = "POD_TOOLS_SSH_PROGRAM", value_name = "FILE", default_value = "ssh")]
    pub ssh_program: OsString,
}

impl AfarArgs {
    /// Connects as whom the options say.
    pub async fn connect(&self) -> anyhow::Result<(Connection, Identity)> {
        let url = self.nats.as_deref().context("there is no server; name one with --nats URL")?;
        let identity = self.identity()?;
        Ok((Connection::open(url, &identity).await?, identity))
    }

    /// Whoever is in the file of credentials.
    pub fn identity(&self) -> anyhow::Result<Identity> {
        let path =
            self.creds.as_deref().context("there is no key to ask with; name its file with --creds FILE")?;
        let bytes = secret_file::read(path, "file of credentials", MAX_BYTES)?;
        let shown = path.display();
        let text = String::from_utf8(bytes).with_context(|| format!("the file of credentials {shown}"))?;
        Identity::parse(&text).with_context(|| format!("the file of credentials {shown}"))
    }

    /// The file of nodes that they name.
    pub fn nodes_file(&self) -> anyhow::Result<&Path> {
        let nodes = self.nodes.as_deref();
        nodes.context("which machines there are is in no file; name one with --nodes FILE")
    }
}
