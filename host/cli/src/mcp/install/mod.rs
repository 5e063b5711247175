//! `pod-tools mcp --install CLIENT`: the server in an agent's own configuration, beside what is there; and
//! `--remove`, which leaves that to the byte as it was.
//!
//! The files are changed here, in place, and not by the clients' own commands: those write the whole file
//! anew. Codex's loses the comments in the entries of other servers, Claude Code's leaves an empty list
//! behind, neither can say how tools are to be called, and without the client on the path there is none. What
//! the clients' commands *list* is how the tests see that the entry is right.
//!
//! [`client`] knows where each client has its configuration, [`entry`] what it is to say; [`document`]
//! changes a text, in [`json`] or [TOML](toml_text), [`mod@file`] the file, under the client's [`lock`];
//! [`record`] keeps what it said before, [`grants`] are what the agent may do, [`mod@diff`] shows what is
//! changed.

mod client;
mod diff;
mod document;
mod entry;
mod file;
mod grants;
mod json;
mod lock;
mod record;
mod toml_text;
mod url;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::Value;

pub use self::client::Client;
use self::client::Places;
use self::diff::diff;
use self::entry::SERVER;
pub use self::entry::Server;
use self::file::{Found, Refusal, make_directories};
use self::grants::Grants;
use self::lock::ClientLock;
use self::record::{Record, Records, digest};
pub use self::url::ServerUrl;
use crate::options::HostOptions;
use crate::stdout::print;
use crate::streams::tell;

/// What is to be done to a client's configuration.
#[derive(Debug)]
pub struct Wanted {
    pub client: Client,
    /// Where the server is, if the client is not to start one.
    pub url: Option<ServerUrl>,
    /// Take the entry out.
    pub remove: bool,
    /// Show what would be done, and do nothing.
    pub dry_run: bool,
}

/// What stands where, while it is worked on.
struct Work {
    client: Client,
    records: Records,
    earlier: Option<Record>,
    found: Found,
    dry_run: bool,
    /// Held to the end.
    lock: Option<ClientLock>,
}

/// Exit status 1 where the configuration is left as it was, with the reason and what to write by hand.
///
/// # Errors
///
/// Fails where it cannot be told what to write, or where.
pub async fn run(wanted: Wanted, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let var = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let places = Places::of(var).context("HOME is not set: there is no configuration without it")?;
    let client = wanted.client;
    if wanted.remove {
        return match remove(&wanted, &places).await {
            Err(error) => refused(&error, || {
                let (servers, file) = (client.servers(), client.configuration(&places));
                format!("By hand: take `{SERVER}` out of `{servers}` in {}.", file.display())
            }),
            Ok(()) => Ok(ExitCode::SUCCESS),
        };
    }
    let (server, grants) = match wanted.url.clone() {
        Some(url) => (Server::At(url), Grants::Given),
        None => started(host, &places)?,
    };
    match install(&wanted, &places, &server, &grants).await {
        Err(error) => refused(&error, || {
            let file = client.configuration(&places);
            let entry = server.alone(client);
            let by_hand =
                format!("By hand: this goes into {}, beside what is there:\n{entry}", file.display());
            by_hand + &grants.by_hand()
        }),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

/// This program with these options, and grants where they name none.
fn started(host: &HostOptions, places: &Places) -> anyhow::Result<(Server, Grants)> {
    let grants = Grants::of(host, &places.own())?;
    let host = match grants.file() {
        Some(file) => &host.granted_by(file),
        None => host,
    };
    Ok((this_program(host)?, grants))
}

/// This program with these options, as a client starts it.
///
/// # Errors
///
/// Fails where a path is not UTF-8, and where this program does not know where it is.
pub fn this_program(host: &HostOptions) -> anyhow::Result<Server> {
    let executable = std::env::current_exe().context("cannot tell where this program is")?;
    let executable = executable
        .into_os_string()
        .into_string()
        .map_err(|path| anyhow::anyhow!("{} is not UTF-8, as a configuration has to be", path.display()))?;
    Ok(Server::Started { executable, arguments: host.arguments()? })
}

fn refused(error: &anyhow::Error, by_hand: impl FnOnce() -> String) -> anyhow::Result<ExitCode> {
    tell(format_args!("pod-tools: {error:#}"));
    if error.is::<Refusal>() {
        tell(format_args!("It is unchanged. {}", by_hand().trim_end()));
    }
    Ok(ExitCode::from(1))
}

async fn install(wanted: &Wanted, places: &Places, server: &Server, grants: &Grants) -> anyhow::Result<()> {
    let configuration = wanted.client.configuration(places);
    // It is made before the lock, which lies in it.
    let directory = configuration.parent().unwrap_or(Path::new("/"));
    let mut made_directories = match wanted.dry_run {
        true => Vec::new(),
        false => make_directories(directory).map_err(|error| Refusal {
            file: configuration.clone(),
            why: format!("cannot be made: {}: {error}", directory.display()),
        })?,
    };
    let outcome = write_entry(wanted, places, server, grants, &configuration, &mut made_directories).await;
    if outcome.is_err() {
        made_directories.iter().rev().for_each(|directory| drop(fs::remove_dir(directory)));
    }
    outcome
}

async fn write_entry(
    wanted: &Wanted,
    places: &Places,
    server: &Server,
    grants: &Grants,
    configuration: &Path,
    made_directories: &mut Vec<PathBuf>,
) -> anyhow::Result<()> {
    let client = wanted.client;
    let work = Work::begin(wanted, places, configuration).await?;
    let Work { found, records, .. } = &work;
    if let Some(earlier) = &work.earlier
        && earlier.configuration != configuration
        && earlier.configuration.exists()
    {
        let elsewhere = earlier.configuration.display();
        let why =
            format!("is not where it was installed before, which is {elsewhere}; --remove it there first");
        return Err(found.refused(why).into());
    }
    let before = work.without()?;
    let with = document::with(client, before.as_deref().unwrap_or_default(), server)
        .map_err(|why| found.refused(why))?;
    let is_there = found.text.as_ref() == Some(&with.text);
    print(diff(found.target(), found.text.as_deref(), Some(&with.text))).await?;
    if let Grants::ToBeMade(file) = grants {
        let made = if work.dry_run { "would be made" } else { "is made" };
        tell(format_args!("{} {made}: listing and reading, no sending, no stopping.", file.display()));
    }
    if work.dry_run {
        tell(format_args!("Nothing has been changed: this was --dry-run."));
        return Ok(());
    }
    grants.make()?;
    if is_there {
        tell(format_args!("{} has `{SERVER}` already, just so.", found.named().display()));
        return Ok(());
    }
    if let Some(earlier) = &work.earlier {
        let mut all = earlier.made_directories.clone();
        all.append(made_directories);
        *made_directories = all;
    }
    let record = Record {
        configuration: configuration.to_owned(),
        existed: before.is_some(),
        made_servers: with.made_servers,
        made_directories: made_directories.clone(),
        entry: server.entry(client),
        written: digest(&with.text),
    };
    records.keep(&record, before.as_deref())?;
    if let Err(error) = found.replace(&with.text) {
        match &work.earlier {
            Some(earlier) => records.keep(earlier, None)?,
            None => records.forget(),
        }
        return Err(error.into());
    }
    told(&work, server, grants);
    Ok(())
}

/// Says what is there now.
fn told(work: &Work, server: &Server, grants: &Grants) {
    let (client, word) = (work.client, work.client.word());
    let file = work.found.named().display();
    tell(format_args!("{file} has `{SERVER}` now. {}", client.note()));
    match (server, grants.file()) {
        (Server::Started { .. }, Some(file)) => {
            tell(format_args!("What the agent may do with pods, and how to allow more: {}", file.display()));
        }
        (Server::Started { .. }, None) => {}
        (Server::At(url), _) if url.is_local() => {
            tell(format_args!("What agents may do with pods is said where that server is started."));
        }
        (Server::At(_), _) => tell(format_args!(
            "What agents may do with pods is said where that server is started. Where it asks for a token, write the \
             header `Authorization: Bearer …` into the entry."
        )),
    }
    if work.found.text.is_some() {
        tell(format_args!("What the file said before: {}", work.records.backup().display()));
    }
    tell(format_args!("To undo it: pod-tools mcp --install {word} --remove"));
}

async fn remove(wanted: &Wanted, places: &Places) -> anyhow::Result<()> {
    let client = wanted.client;
    let records = Records::of(client, &places.own());
    // Where it was installed, wherever the client looks by now.
    let configuration = match records.load()? {
        Some(record) => record.configuration,
        None => client.configuration(places),
    };
    let work = Work::begin(wanted, places, &configuration).await?;
    let Work { found, .. } = &work;
    let text = found.text.as_deref().unwrap_or_default();
    if document::entry(client, text).map_err(|why| found.refused(why))?.is_none() {
        tell(format_args!("{} has no `{SERVER}`: there is nothing to remove.", configuration.display()));
        if !work.dry_run {
            work.records.forget();
        }
        return Ok(());
    }
    let after = work.without()?;
    print(diff(found.target(), found.text.as_deref(), after.as_deref())).await?;
    if work.dry_run {
        tell(format_args!("Nothing has been changed: this was --dry-run."));
        return Ok(());
    }
    match &after {
        Some(text) => found.replace(text)?,
        None => found.delete()?,
    }
    drop(work.lock);
    let made = work.earlier.into_iter().flat_map(|record| record.made_directories);
    // Those in which something else is by now stay.
    made.collect::<Vec<_>>().iter().rev().for_each(|directory| drop(fs::remove_dir(directory)));
    work.records.forget();
    tell(format_args!("{} has no `{SERVER}` any more.", configuration.display()));
    Ok(())
}

impl Work {
    async fn begin(wanted: &Wanted, places: &Places, configuration: &Path) -> anyhow::Result<Self> {
        let records = Records::of(wanted.client, &places.own());
        let lock = if wanted.dry_run { None } else { ClientLock::take(wanted.client, configuration).await? };
        Ok(Self {
            client: wanted.client,
            earlier: records.load()?,
            records,
            found: Found::read(configuration)?,
            dry_run: wanted.dry_run,
            lock,
        })
    }

    /// What the configuration says without our entry; `None` where there is none then.
    fn without(&self) -> anyhow::Result<Option<String>> {
        let Some(text) = &self.found.text else { return Ok(None) };
        let entry = document::entry(self.client, text).map_err(|why| self.found.refused(why))?;
        let Some(entry) = entry else { return Ok(Some(text.clone())) };
        if !is_ours(&entry, self.earlier.as_ref()) {
            let why = format!(
                "has a server `{SERVER}` that is not this one: rename or remove it, if this one is to be there"
            );
            return Err(self.found.refused(why).into());
        }
        // To the byte, as long as nobody else has changed it.
        if let Some(earlier) = &self.earlier
            && let Some(before) = self.records.before(earlier, Some(text))
        {
            return Ok(before);
        }
        let made = self.earlier.as_ref().is_some_and(|earlier| earlier.made_servers);
        let without = document::without(self.client, text, made).map_err(|why| self.found.refused(why))?;
        let existed = self.earlier.as_ref().is_none_or(|earlier| earlier.existed);
        Ok((existed || !document::is_empty(&without)).then_some(without))
    }
}

/// Whether an entry of our name is one that was written by an installation, or starts this program.
fn is_ours(entry: &Value, earlier: Option<&Record>) -> bool {
    let url = |entry: &Value| entry.get("url").or(entry.get("httpUrl")).cloned();
    if earlier.is_some_and(|record| {
        record.entry == *entry || (url(entry).is_some() && url(entry) == url(&record.entry))
    }) {
        return true;
    }
    let command = match &entry["command"] {
        Value::Array(all) => all.first().and_then(Value::as_str),
        other => other.as_str(),
    };
    command.and_then(|it| Path::new(it).file_name()).is_some_and(|name| name == "pod-tools")
}
