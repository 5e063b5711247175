//! A wasmtime of one's own: the engine, the store and its limits are the embedder's, and the library adds the imports
//! of the pod tools to the linker, as `wasmtime-wasi` adds those of WASI.
//!
//! ```sh
//! base=$XDG_RUNTIME_DIR/insomnia
//! cargo run --locked --example own_wasmtime -- $base $base/pod-tools reviewer
//! ```

use std::error::Error;
use std::time::Duration;

use pod_tools_host::{Authority, BUNDLED, PodCtx, PodCtxView, PodView, add_to_linker};
use serde_json::json;
use wasmtime::component::{Component, Linker, ResourceTable, Val};
use wasmtime::{Config, Engine, Store, StoreLimits, StoreLimitsBuilder};

/// What the store of one call holds.
struct State {
    pods: PodCtx,
    table: ResourceTable,
    limits: StoreLimits,
}

impl PodView for State {
    fn pods(&mut self) -> PodCtxView<'_> {
        PodCtxView { ctx: &mut self.pods, table: &mut self.table }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [base, spawner, pod] = &arguments[..] else {
        return Err("usage: own_wasmtime BASE_DIR SPAWNER_DIR POD".into());
    };
    let grant = format!("read:{pod}").parse()?;
    let authority = Authority::builder().runtime_dir(spawner).allow_sockets(base).grant(grant).build()?;

    // Once in a process. The epoch is what interrupts a plugin that computes without end.
    let engine = Engine::new(Config::new().epoch_interruption(true))?;
    let component = Component::from_binary(&engine, BUNDLED)?;
    let mut linker = Linker::<State>::new(&engine);
    add_to_linker(&mut linker)?;
    let ticking = engine.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(100));
            ticking.increment_epoch();
        }
    });

    // Once a call: nothing survives it. The grants, and the limits on requests to pods, are enforced by the context;
    // the limits on the instance are the store's.
    let state = State {
        pods: PodCtx::new(&authority),
        table: ResourceTable::new(),
        limits: StoreLimitsBuilder::new().memory_size(64 << 20).trap_on_grow_failure(true).build(),
    };
    let mut store = Store::new(&engine, state);
    store.limiter(|state| &mut state.limits);
    store.set_epoch_deadline(100); // ticks: ten seconds, in which its waits count here
    store.set_hostcall_fuel(64 << 20); // bytes that it hands over at once

    let instance = linker.instantiate_async(&mut store, &component).await?;
    let tools = instance.get_export_index(&mut store, None, "pod:tools/tools@0.1.0").ok_or("no tools")?;
    let call = instance.get_export_index(&mut store, Some(&tools), "call").ok_or("no `call`")?;
    let call = instance.get_func(&mut store, call).ok_or("`call` is no function")?;
    let input = json!({ "name": pod }).to_string();
    let mut results = [Val::Bool(false)];
    call.call_async(&mut store, &[Val::String("ReadPodOutput".into()), Val::String(input)], &mut results)
        .await?;

    let output = match &results[0] {
        Val::Result(Ok(Some(output))) => output,
        Val::Result(Err(Some(error))) => return Err(text(error, "message").into()),
        other => return Err(format!("not the answer of a tool: {other:?}").into()),
    };
    println!("{}", text(output, "summary"));
    // A long content is handed over in pieces, before the one in the answer.
    println!("{}{}", store.data_mut().pods.take_content(), text(output, "content"));
    // The answer has been given: what the call has staged, its read cursor, may be stored.
    store.data_mut().pods.take_staged().store().await?;
    Ok(())
}

/// A field of a record that is a text or none.
fn text<'a>(record: &'a Val, field: &str) -> &'a str {
    let Val::Record(fields) = record else { return "" };
    match fields.iter().find(|(name, _)| name == field).map(|(_, value)| value) {
        Some(Val::String(text)) => text,
        Some(Val::Option(Some(value))) => {
            if let Val::String(text) = &**value {
                text
            } else {
                ""
            }
        }
        _ => "",
    }
}
