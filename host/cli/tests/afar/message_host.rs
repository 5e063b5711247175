//! A host of messages, as wasmCloud is one: it hands the composition a message, and takes what is published.

use std::path::PathBuf;
use std::sync::LazyLock;

use wasmtime::Store;
use wasmtime::component::{Func, Linker, ResourceTable, Val};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::host::{FUEL, Gateway, Program, TOKEN, composed, wasi};

/// The composition, compiled once.
static COMPOSITION: LazyLock<Program> = LazyLock::new(|| composed("wasmcloud"));

/// A message that was published.
pub struct Published {
    pub subject: String,
    pub body: String,
    /// Whether the watched file was there at that time.
    pub watched_was_there: bool,
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    watched: PathBuf,
    refuses: bool,
    published: Vec<Published>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// An instance of the composition, kept from message to message.
pub struct MessageHost {
    store: Store<State>,
    handle: Func,
}

impl MessageHost {
    /// One with the gateway's port, and these variables beside the usual ones.
    pub fn with(gateway: &Gateway, variables: &[(&str, &str)]) -> Self {
        let variables = [&[("POD_TOOLS_TOKEN", TOKEN)], variables].concat();
        let wasi = wasi(gateway.address, gateway.address, &variables);
        let table = ResourceTable::new();
        let state = State { wasi, table, watched: PathBuf::new(), refuses: false, published: Vec::new() };
        let Program { engine, component } = &*COMPOSITION;
        let mut linker = Linker::<State>::new(engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
        let mut consumer = linker.instance("wasmcloud:messaging/consumer@0.2.0").unwrap();
        consumer
            .func_new("publish", |mut store, _, arguments, results| {
                results[0] = store.data_mut().publish(&arguments[0]);
                Ok(())
            })
            .unwrap();
        let mut store = Store::new(engine, state);
        store.set_fuel(FUEL).unwrap();
        let instance = linker.instantiate(&mut store, component).unwrap();
        let handler =
            instance.get_export_index(&mut store, None, "wasmcloud:messaging/handler@0.2.0").unwrap();
        let handle = instance.get_export_index(&mut store, Some(&handler), "handle-message").unwrap();
        let handle = instance.get_func(&mut store, handle).unwrap();
        Self { store, handle }
    }

    pub fn of(gateway: &Gateway) -> Self {
        Self::with(gateway, &[])
    }

    /// Notes with each message whether that file is there.
    pub fn watch(&mut self, file: PathBuf) {
        self.store.data_mut().watched = file;
    }

    /// Whether what is published is refused from now on.
    pub fn refuse(&mut self, refuses: bool) {
        self.store.data_mut().refuses = refuses;
    }

    /// Hands over a message, and gives what the handler has returned, with what was published meanwhile.
    pub fn hand(
        &mut self,
        subject: &str,
        payload: &[u8],
        reply_to: Option<&str>,
    ) -> (Result<(), String>, Vec<Published>) {
        let reply_to = reply_to.map(|subject| Box::new(Val::String(subject.into())));
        let message = Val::Record(vec![
            ("subject".into(), Val::String(subject.into())),
            ("body".into(), Val::List(payload.iter().copied().map(Val::U8).collect())),
            ("reply-to".into(), Val::Option(reply_to)),
        ]);
        let mut results = [Val::Bool(false)];
        self.store.set_fuel(FUEL).unwrap();
        self.handle.call(&mut self.store, &[message], &mut results).unwrap();
        let returned = match &results[0] {
            Val::Result(Ok(None)) => Ok(()),
            Val::Result(Err(Some(reason))) => Err(text(reason)),
            other => panic!("not what a handler returns: {other:?}"),
        };
        (returned, std::mem::take(&mut self.store.data_mut().published))
    }

    /// Calls a tool, and gives the line of its answer, which must be the only thing that is published.
    pub fn call(&mut self, tool: &str, input: &str) -> String {
        let subject = format!("pods.v1.node.caller.{tool}");
        let (returned, published) = self.hand(&subject, input.as_bytes(), Some("reply"));
        let [Published { subject, body, .. }] = &published[..] else {
            panic!("{} answers; {returned:?}", published.len());
        };
        assert_eq!((returned, &**subject), (Ok(()), "reply"), "{body}");
        body.clone()
    }
}

impl State {
    fn publish(&mut self, message: &Val) -> Val {
        let Val::Record(fields) = message else { panic!("no message: {message:?}") };
        let [(_, subject), (_, Val::List(body)), (_, Val::Option(None))] = &fields[..] else {
            panic!("not the message of an answer: {message:?}");
        };
        let bytes = body.iter().map(|byte| if let Val::U8(byte) = byte { *byte } else { panic!("{byte:?}") });
        self.published.push(Published {
            subject: text(subject),
            body: String::from_utf8(bytes.collect()).unwrap(),
            watched_was_there: self.watched.exists(),
        });
        let refused = || Some(Box::new(Val::String("nobody takes it".into())));
        Val::Result(if self.refuses { Err(refused()) } else { Ok(None) })
    }
}

fn text(value: &Val) -> String {
    let Val::String(text) = value else { panic!("no text: {value:?}") };
    text.clone()
}
