//! A gateway, and a program that embeds wasmtime and runs the composition with no more than the gateway's port.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Stdio};
use std::sync::LazyLock;

use pod_tools_conformance::Place;
use serde_json::Value;
use wasmtime::component::{Component, Linker, ResourceTable, Val};
use wasmtime::{Engine, Store};
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::cli::{Refusal, at, bare, run};

/// A running `pod-tools gateway` for a place. Dropped, it is killed.
pub struct Gateway {
    pub child: Child,
    pub address: SocketAddr,
}

const TOKEN: &str = "c0ffee00c0ffee00c0ffee00c0ffee00";

impl Gateway {
    pub fn start<S: AsRef<OsStr>>(place: &Place, options: impl IntoIterator<Item = S>) -> Self {
        let token_file = place.root().join("token");
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&token_file);
        file.unwrap().write_all(TOKEN.as_bytes()).unwrap();
        let mut command = at(place, ["gateway", "--listen", "127.0.0.1:0"]);
        command
            .arg("--token-file")
            .arg(token_file)
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
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

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The composition, compiled once.
static COMPOSITION: LazyLock<(Engine, Component)> = LazyLock::new(|| composed("wasmtime"));

/// The composition for that host, compiled.
pub fn composed(host: &str) -> (Engine, Component) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("composed.wasm");
    let mut compose = bare();
    compose.args(["compose", "--for", host, "-o"]).arg(&file);
    let finished = run(compose);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let engine = Engine::default();
    let component = Component::from_file(&engine, file).unwrap();
    (engine, component)
}

/// What a composition has of WASI: it asks at `gateway`, and may connect to `allowed`.
pub fn wasi(gateway: SocketAddr, allowed: SocketAddr) -> WasiCtxBuilder {
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
        .env("POD_TOOLS_TOKEN", TOKEN);
    wasi
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

/// What a tool answers: its summary, and its content.
pub type Outcome = Result<(String, Option<String>), Refusal>;

/// An instance of the composition, which may connect to one port and has two variables. It is kept from call to call.
pub struct Host {
    store: Store<State>,
    call: wasmtime::component::Func,
}

impl Host {
    /// One that asks at `gateway`, and may connect to `allowed`.
    pub fn new(gateway: SocketAddr, allowed: SocketAddr) -> Self {
        let wasi = wasi(gateway, allowed).build();
        let (engine, component) = &*COMPOSITION;
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
        let mut store = Store::new(engine, State { wasi, table: ResourceTable::new() });
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
        let mut results = [Val::Bool(false)];
        let arguments = [Val::String(tool.into()), Val::String(input.to_string())];
        self.call.call(&mut self.store, &arguments, &mut results).unwrap();
        match &results[0] {
            Val::Result(Ok(Some(output))) => {
                Ok((text(field(output, "summary")).unwrap(), text(field(output, "content"))))
            }
            Val::Result(Err(Some(error))) => Err(Refusal {
                kind: text(field(error, "kind")).unwrap(),
                reason: text(field(error, "reason")).unwrap_or_default(),
                message: text(field(error, "message")).unwrap(),
            }),
            other => panic!("not the answer of a tool: {other:?}"),
        }
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
