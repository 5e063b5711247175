//! A gateway, and a program that embeds wasmtime and runs the composition with no more than the gateway's port.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use pod_tools_conformance::Place;
use serde_json::Value;
use wasmtime::component::{Component, Linker, ResourceTable, Val};
use wasmtime::{Config, Engine, Store, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::cli::{Refusal, at, bare, run};

/// A running `pod-tools gateway` for a place. Dropped, it is killed.
pub struct Gateway {
    pub child: Child,
    pub address: SocketAddr,
}

pub const TOKEN: &str = "c0ffee00c0ffee00c0ffee00c0ffee00";

impl Gateway {
    pub fn start<S: AsRef<OsStr>>(place: &Place, options: impl IntoIterator<Item = S>) -> Self {
        let token_file = token_file(place, "token", TOKEN);
        let mut command = at(place, ["gateway", "--listen", "127.0.0.1:0"]);
        command.arg("--token-file").arg(token_file).args(options);
        Self::run(command)
    }

    /// Starts one that is put together otherwise, but for its address.
    pub fn run(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let started: Value = serde_json::from_str(&line).unwrap();
        Self { child, address: started["address"].as_str().unwrap().parse().unwrap() }
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Writes a token into a file that is its owner's alone.
pub fn token_file(place: &Place, name: &str, token: &str) -> PathBuf {
    private_file(&place.root().join(name), token)
}

/// Writes a text into a file that is its owner's alone.
pub fn private_file(path: &Path, text: &str) -> PathBuf {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
    path.to_owned()
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A composition that is compiled.
pub struct Program {
    pub engine: Engine,
    pub component: Component,
}

/// What a call may compute, in instructions of a plugin; those that are not hostile need far less.
pub const FUEL: u64 = 2_000_000_000;
/// What each memory of a composition may have, in bytes.
const MEMORY: usize = 512 << 20;

impl Program {
    pub fn compile(composition: &[u8]) -> Self {
        let engine = Engine::new(Config::new().consume_fuel(true)).unwrap();
        let component = Component::new(&engine, composition).unwrap();
        Self { engine, component }
    }
}

/// The composition that is made for wasmtime.
pub static COMPOSITION: LazyLock<Program> = LazyLock::new(|| composed("wasmtime"));

/// The composition for that host, compiled.
pub fn composed(host: &str) -> Program {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("composed.wasm");
    let mut compose = bare();
    compose.args(["compose", "--for", host, "-o"]).arg(&file);
    let finished = run(compose);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    Program::compile(&fs::read(file).unwrap())
}

/// What a composition has of WASI: it asks at `gateway`, may connect to `allowed`, and has these variables beside.
pub fn wasi(gateway: SocketAddr, allowed: SocketAddr, variables: &[(&str, &str)]) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.allow_tcp(true)
        .socket_addr_check(move |address, purpose| {
            let is_allowed = match purpose {
                SocketAddrUse::TcpConnect => address == allowed,
                // Whoever connects has a port of his own.
                SocketAddrUse::TcpBind => address.port() == 0,
                _ => false,
            };
            Box::pin(async move { is_allowed })
        })
        .env("POD_TOOLS_GATEWAY", gateway.to_string())
        .envs(variables);
    wasi.build()
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    limits: StoreLimits,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// What a tool answers: its summary, and its content.
pub type Outcome = Result<(String, Option<String>), Refusal>;

/// What a tool answers.
#[derive(Debug)]
pub struct Output {
    pub summary: String,
    pub content: Option<String>,
    pub data: String,
}

/// An instance of the composition, which may connect to one port and has two variables. It is kept from call to call.
pub struct Host {
    store: Store<State>,
    call: wasmtime::component::Func,
}

impl Host {
    /// One that asks at `gateway`, and may connect to `allowed`.
    pub fn new(gateway: SocketAddr, allowed: SocketAddr) -> Self {
        Self::running(&COMPOSITION, TOKEN, gateway, allowed)
    }

    /// The same, with another program and another caller's token.
    pub fn running(program: &Program, token: &str, gateway: SocketAddr, allowed: SocketAddr) -> Self {
        Self::with(program, gateway, allowed, &[("POD_TOOLS_TOKEN", token)])
    }

    /// The same, with these variables beside the gateway's address.
    pub fn with(
        program: &Program,
        gateway: SocketAddr,
        allowed: SocketAddr,
        variables: &[(&str, &str)],
    ) -> Self {
        let wasi = wasi(gateway, allowed, variables);
        let Program { engine, component } = program;
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
        let limits = StoreLimitsBuilder::new().memory_size(MEMORY).build();
        let mut store = Store::new(engine, State { wasi, table: ResourceTable::new(), limits });
        store.limiter(|state| &mut state.limits);
        store.set_fuel(FUEL).unwrap();
        let instance = linker.instantiate(&mut store, component).unwrap();
        let tools = instance.get_export_index(&mut store, None, "pod:tools/tools@0.1.0").unwrap();
        let call = instance.get_export_index(&mut store, Some(&tools), "call").unwrap();
        let call = instance.get_func(&mut store, call).unwrap();
        Self { store, call }
    }

    pub fn of(gateway: &Gateway) -> Self {
        Self::new(gateway.address, gateway.address)
    }

    pub fn call(&mut self, tool: &str, input: &Value) -> Outcome {
        self.invoke(tool, &input.to_string()).unwrap().map(|output| (output.summary, output.content))
    }

    /// The same, with any text as the input; fails where the program ends before it answers.
    pub fn invoke(&mut self, tool: &str, input: &str) -> wasmtime::Result<Result<Output, Refusal>> {
        self.store.set_fuel(FUEL)?;
        let mut results = [Val::Bool(false)];
        let arguments = [Val::String(tool.into()), Val::String(input.into())];
        self.call.call(&mut self.store, &arguments, &mut results)?;
        Ok(match &results[0] {
            Val::Result(Ok(Some(output))) => Ok(Output {
                summary: text(field(output, "summary")).unwrap(),
                content: text(field(output, "content")),
                data: text(field(output, "data")).unwrap(),
            }),
            Val::Result(Err(Some(error))) => Err(Refusal {
                kind: text(field(error, "kind")).unwrap(),
                reason: text(field(error, "reason")).unwrap_or_default(),
                message: text(field(error, "message")).unwrap(),
            }),
            other => panic!("not the answer of a tool: {other:?}"),
        })
    }
}

fn field<'a>(record: &'a Val, name: &str) -> &'a Val {
    let Val::Record(fields) = record else { panic!("no record: {record:?}") };
    &fields.iter().find(|(field, _)| field == name).unwrap().1
}

/// A text, or the name of a case; `None` where there is none.
fn text(value: &Val) -> Option<String> {
    match value {
        Val::String(text) | Val::Enum(text) => Some(text.clone()),
        Val::Option(value) => text(value.as_deref()?),
        other => panic!("no text: {other:?}"),
    }
}
