//! The plugin in a host of somebody else's: the composition `plain` in wasmtime as a library, which asks a gateway for
//! all that it imports, against the library in its own process.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use anyhow::Context;
use pod_tools_bench_native::drive::{Request, serve};
use pod_tools_host::registry::FileRegistry;
use serde_json::Value;
use tokio::sync::Mutex;
use wasmtime::component::{Component, Func, Linker, ResourceTable, Val};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::history::Shape;
use crate::measure::{Effort, Pairs};
use crate::place::Place;
use crate::pods::Behaviour;
use crate::programs::Programs;
use crate::report::{Row, Unit};
use crate::sandboxed::forget_cursors;
use crate::side::{Lines, Side, Which};
use crate::workload;

/// A row, and the most that from afar ÷ in process may be.
pub struct Afar {
    pub name: String,
    pub history: Shape,
    request: Request,
    goal: f64,
}

pub fn all() -> Vec<Afar> {
    let row =
        |name: &str, history, request, goal| Afar { name: format!("afar: {name}"), history, request, goal };
    let short = Shape { items: 10, item_bytes: 200 };
    let read = |name: &str, history, anew, goal| {
        row(&format!("ReadPodOutput, {name}"), history, workload::read(anew), goal)
    };
    vec![
        row("SendToPod, short message", short, workload::send_short(), 2.0),
        read("history of 10 items, all new", short, true, 2.0),
        read("history of 10 items, nothing new", short, false, 2.0),
        read("10,000 items × 200 B, all new", Shape { items: 10_000, item_bytes: 200 }, true, 1.3),
        read("64 × 1 MiB, all new", Shape { items: 64, item_bytes: 1 << 20 }, true, 1.3),
    ]
}

const TOKEN: &str = "a-token-of-this-benchmark-alone";

/// A gateway of a place. Dropped, it is killed.
pub struct Gateway {
    _process: Lines,
    pub address: SocketAddr,
}

impl Gateway {
    fn start(place: &Place, programs: &Programs) -> anyhow::Result<Self> {
        let token = place.root().join("token");
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&token);
        file?.write_all(TOKEN.as_bytes())?;
        let mut command = programs.pod_tools_at(place)?;
        command.args(["gateway", "--token-file"]).arg(token);
        let mut process = Lines::start(&mut command)?;
        let started: Value = serde_json::from_str(&process.hear()?)?;
        let address = started["address"].as_str().context("a gateway says where it listens")?.parse()?;
        Ok(Self { _process: process, address })
    }
}

pub fn measure(afar: &Afar, programs: &Programs, effort: Effort) -> anyhow::Result<Row> {
    let place = Place::new(1, Behaviour::Answer(afar.history), 10)?;
    let gateway = Gateway::start(&place, programs)?;
    let composition = programs.composition()?;
    let mut from_afar = Command::new(std::env::current_exe()?);
    from_afar.arg("afar").arg(gateway.address.to_string()).arg(composition).arg(place.runtime_dir());
    let (mut from_afar, mut in_process) =
        (Side::run(Which::Sandboxed, &mut from_afar)?, Side::start(Which::Sandboxed, &place, programs)?);
    let request = |times, must_be_anew| match &afar.request {
        Request::Calls { tool, input, anew, .. } => {
            Request::Calls { tool: tool.clone(), input: input.clone(), times, anew: *anew || must_be_anew }
        }
        other => other.clone(),
    };
    // Both sides move the same cursor: to be compared, each is to be given all of the text.
    let text = |side: &mut Side| side.ask(&request(1, true)).map(|reply| reply.text);
    anyhow::ensure!(text(&mut from_afar)? == text(&mut in_process)?, "{}: two texts", afar.name);
    let pairs = Pairs::take(
        effort,
        1000,
        |calls| from_afar.sample(&request(calls, false)),
        |calls| in_process.sample(&request(calls, false)),
    )?;
    Ok(Row::new(&afar.name, Unit::Ratio, pairs.ratio(), Some(afar.goal)).with(&pairs))
}

#[derive(Debug, clap::Args)]
pub struct AfarArgs {
    gateway: SocketAddr,
    composition: PathBuf,
    runtime_dir: PathBuf,
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// An instance that is kept from call to call.
struct Elsewhere {
    instance: Mutex<(Store<State>, Func)>,
    registry: Arc<FileRegistry>,
}

struct Text(Option<String>);

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl pod_tools_bench_native::drive::Side for Elsewhere {
    type Output = Text;

    async fn call(&self, tool: &str, input: &str) -> Result<Text, String> {
        let (store, call) = &mut *self.instance.lock().await;
        let arguments = [Val::String(tool.into()), Val::String(input.into())];
        let mut results = [Val::Bool(false)];
        let called = call.call_async(store, &arguments, &mut results).await;
        called.map_err(|error| format!("{error:#}"))?;
        let [result] = results;
        match result {
            Val::Result(Ok(Some(output))) => {
                let Val::Record(fields) = *output else { return Err("not the answer of a tool".into()) };
                let content = fields.into_iter().find(|(name, _)| name == "content");
                Ok(Text(content.and_then(|(_, content)| match content {
                    Val::Option(Some(text)) => match *text {
                        Val::String(text) => Some(text),
                        _ => None,
                    },
                    _ => None,
                })))
            }
            other => Err(format!("{other:?}")),
        }
    }

    async fn forget_cursors(&self) -> Result<(), String> {
        forget_cursors(&self.registry)
    }

    async fn reload(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The side from afar, in a process of its own.
pub fn run(args: &AfarArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let instance = runtime.block_on(instance(args)).map_err(|error| anyhow::anyhow!("{error:#}"))?;
    let registry = Arc::new(FileRegistry::open(&args.runtime_dir)?);
    Ok(serve(Elsewhere { instance: Mutex::new(instance), registry })?)
}

async fn instance(args: &AfarArgs) -> wasmtime::Result<(Store<State>, Func)> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, &args.composition)?;
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    let mut wasi = WasiCtx::builder();
    wasi.allow_tcp(true)
        .socket_addr_check(|_, _| Box::pin(async { true }))
        .env("POD_TOOLS_GATEWAY", args.gateway.to_string())
        .env("POD_TOOLS_TOKEN", TOKEN);
    let mut store = Store::new(&engine, State { wasi: wasi.build(), table: ResourceTable::new() });
    let instance = linker.instantiate_async(&mut store, &component).await?;
    let none = || wasmtime::Error::msg("the composition exports no call of tools");
    let tools = instance.get_export_index(&mut store, None, "pod:tools/tools@0.1.0").ok_or_else(none)?;
    let call = instance.get_export_index(&mut store, Some(&tools), "call").ok_or_else(none)?;
    let call = instance.get_func(&mut store, call).ok_or_else(none)?;
    Ok((store, call))
}
