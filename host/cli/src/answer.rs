//! `pod-tools answer`: a person's answer to what an agent asks to be permitted. It is the operator's act, by the pod's own
//! socket: no tool of the plugin's can give it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::json;

use crate::options::HostOptions;
use crate::pod::{Choice, PodName};
use crate::stdout::print;

/// How long a line of a pod may be, in bytes: a history is one.
const MAX_LINE: u64 = 256 << 20;
/// How long a pod has to answer.
const WAIT: Duration = Duration::from_secs(10);

/// Answer what an agent asks to be permitted
///
/// A pod of `pod-tools pod --acp --permit ask` pauses where its agent asks for permission. ReadPodOutput says what is
/// asked, and so does this command without an answer. `allow` allows it this once.
#[derive(Debug, clap::Args)]
pub struct AnswerArgs {
    /// The pod
    name: PodName,

    /// The question's id, which may be left out where only one is asked, and the answer, `allow` or `deny`. Without them:
    /// what is asked
    #[arg(value_name = "[ID] allow|deny", num_args = 0..=2)]
    words: Vec<String>,
}

/// A word that answers nothing.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no answer; it is `allow` or `deny`")]
pub struct NoAnswer(String);

/// What a pod tells that matters here.
#[derive(Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
enum Told {
    History {
        #[serde(default)]
        asked: Option<String>,
    },
    Answered {
        id: String,
    },
    Error {
        message: String,
    },
    Shutdown,
    #[serde(other)]
    Other,
}

pub async fn run(args: AnswerArgs, host: &HostOptions) -> anyhow::Result<ExitCode> {
    let AnswerArgs { name, words } = args;
    let (id, choice) = match words.as_slice() {
        [] => (None, None),
        [choice] => (None, Some(parse(choice)?)),
        [id, choice, ..] => (Some(id.clone()), Some(parse(choice)?)),
    };
    let base = host.base_dir.clone();
    let said = tokio::task::spawn_blocking(move || answer(&base, &name, id, choice)).await??;
    print(said).await?;
    Ok(ExitCode::SUCCESS)
}

fn parse(word: &str) -> Result<Choice, NoAnswer> {
    match word {
        "allow" => Ok(Choice::Allow),
        "deny" => Ok(Choice::Deny),
        other => Err(NoAnswer(other.to_owned())),
    }
}

fn answer(base: &Path, name: &PodName, id: Option<String>, choice: Option<Choice>) -> anyhow::Result<String> {
    let mut pod = Pod::connect(base, name)?;
    pod.send(&json!({"method": "get_history"}))?;
    let asked = loop {
        match pod.next()? {
            Told::History { asked } => break asked,
            Told::Shutdown => bail!("pod `{name}` shuts down"),
            Told::Answered { .. } | Told::Error { .. } | Told::Other => {}
        }
    };
    let Some(asked) = asked else { bail!("pod `{name}` asks nothing") };
    let Some(choice) = choice else { return Ok(format!("{asked}\n")) };
    let id = match id {
        Some(id) => id,
        None => {
            match asked.split("; ").map(|question| question.split_once(": ")).collect::<Vec<_>>().as_slice() {
                [Some((only, _))] => (*only).to_owned(),
                _ => bail!("pod `{name}` asks more than one thing; give the id: {asked}"),
            }
        }
    };
    pod.send(&json!({"method": "answer", "params": {"id": id, "option": choice}}))?;
    loop {
        match pod.next()? {
            Told::Answered { id: answered } if answered == id => return Ok(format!("answered {id}\n")),
            Told::Error { message } if message.starts_with("invalid method") => {
                bail!("pod `{name}` does not take the answer: {message}")
            }
            Told::Shutdown => bail!("pod `{name}` shuts down"),
            Told::Answered { .. } | Told::History { .. } | Told::Error { .. } | Told::Other => {}
        }
    }
}

struct Pod {
    reader: BufReader<UnixStream>,
}

impl Pod {
    fn connect(base: &Path, name: &PodName) -> anyhow::Result<Pod> {
        let socket = base.join(name.as_str()).join("sock");
        let stream = UnixStream::connect(&socket).with_context(|| {
            format!("pod `{name}` cannot be reached at `{}`; is it running?", socket.display())
        })?;
        stream.set_read_timeout(Some(WAIT)).context("cannot set a time limit")?;
        stream.set_write_timeout(Some(WAIT)).context("cannot set a time limit")?;
        Ok(Pod { reader: BufReader::new(stream) })
    }

    /// In one go: a native pod would lose a method that comes in pieces.
    fn send(&mut self, method: &serde_json::Value) -> anyhow::Result<()> {
        let line = format!("{method}\n");
        self.reader.get_mut().write_all(line.as_bytes()).context("the pod takes nothing")
    }

    fn next(&mut self) -> anyhow::Result<Told> {
        let mut line = Vec::new();
        self.reader
            .by_ref()
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .context("the pod does not answer")?;
        if line.last() != Some(&b'\n') {
            bail!("the pod has closed the connection");
        }
        // What it says beside that is of no concern, whatever it is.
        Ok(serde_json::from_slice(&line).unwrap_or(Told::Other))
    }
}
