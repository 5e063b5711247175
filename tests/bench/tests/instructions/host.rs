//! A host for the plugin in which nothing is real but the plugin: pods are bytes that are ready, handed over
//! in pieces of a fixed size. What a call costs then depends on the plugin alone.

use wasmtime::component::{Component, HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{Config, Engine, Result, Store};

use self::bindings::PluginPre;
use self::bindings::pod::tools::{content, pods, scope_lock, types, unix_socket};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "plugin",
        imports: { default: trappable },
        with: {
            "pod:tools/pods.pod": super::Pod,
            "pod:tools/unix-socket.exchange": super::Exchange,
        },
    });
}

/// More than any workload takes.
const FUEL: u64 = 1 << 50;
/// What a Unix socket hands over at once, where the other side is quick.
const PIECE: usize = 64 << 10;

/// The compiled plugin.
pub struct Plugin {
    engine: Engine,
    plugin: PluginPre<Scripted>,
}

/// What a call cost.
#[derive(Debug, PartialEq, Eq)]
pub struct Costs {
    pub instructions: u64,
    pub host_calls: u64,
}

pub struct Called {
    pub summary: String,
    pub costs: Costs,
    /// What it has staged.
    pub cursor: Option<pods::Cursor>,
}

/// The world that one call finds.
pub struct Scripted {
    pods: usize,
    answer: Vec<u8>,
    cursor: Option<pods::Cursor>,
    host_calls: u64,
    table: ResourceTable,
}

pub struct Pod(usize);

pub struct Exchange {
    /// How much of the answer has been handed over.
    given: usize,
}

impl Scripted {
    /// So many pods, all alive.
    pub fn pods(pods: usize) -> Self {
        Self { pods, answer: Vec::new(), cursor: None, host_calls: 0, table: ResourceTable::new() }
    }

    /// One pod that is idle and answers whatever it is asked with these bytes.
    pub fn answering(answer: Vec<u8>) -> Self {
        Self { answer, ..Self::pods(1) }
    }

    /// With the cursor that an earlier call has left.
    pub fn read_before(self, cursor: Option<pods::Cursor>) -> Self {
        Self { cursor, ..self }
    }

    fn description(pod: usize) -> pods::Description {
        let rule = pods::ScopeRule {
            target: format!("/work/pod-{pod}"),
            permission: pods::Permission::Write,
            recursive: true,
        };
        pods::Description { name: format!("pod-{pod}"), scope: vec![rule], fence: None }
    }
}

impl Plugin {
    pub fn load() -> Self {
        let mut config = Config::new();
        config.consume_fuel(true).concurrency_support(false);
        let engine = Engine::new(&config).unwrap();
        let component = Component::from_binary(&engine, pod_tools_host::BUNDLED).unwrap();
        let mut linker = Linker::new(&engine);
        types::add_to_linker::<_, HasSelf<_>>(&mut linker, |world| world).unwrap();
        pods::add_to_linker::<_, HasSelf<_>>(&mut linker, |world| world).unwrap();
        unix_socket::add_to_linker::<_, HasSelf<_>>(&mut linker, |world| world).unwrap();
        scope_lock::add_to_linker::<_, HasSelf<_>>(&mut linker, |world| world).unwrap();
        content::add_to_linker::<_, HasSelf<_>>(&mut linker, |world| world).unwrap();
        let plugin = PluginPre::new(linker.instantiate_pre(&component).unwrap()).unwrap();
        Self { engine, plugin }
    }

    /// Calls a tool, which must succeed.
    pub fn call(&self, world: Scripted, tool: &str, input: &str) -> Called {
        let mut store = Store::new(&self.engine, world);
        store.set_fuel(FUEL).unwrap();
        let plugin = self.plugin.instantiate(&mut store).unwrap();
        let answer = plugin.pod_tools_tools().call_call(&mut store, tool, input).unwrap().unwrap();
        let instructions = FUEL - store.get_fuel().unwrap();
        let world = store.into_data();
        let costs = Costs { instructions, host_calls: world.host_calls };
        Called { summary: answer.summary, costs, cursor: world.cursor }
    }
}

impl types::Host for Scripted {}

impl pods::Host for Scripted {
    fn find(&mut self, name: String, _: pods::Verb) -> Result<Result<Resource<Pod>, types::Error>> {
        self.host_calls += 1;
        let number = name.strip_prefix("pod-").and_then(|number| number.parse().ok()).unwrap();
        Ok(Ok(self.table.push(Pod(number))?))
    }

    fn list(&mut self) -> Result<Result<pods::Listing, types::Error>> {
        self.host_calls += 1;
        let listed = |number| -> Result<pods::Listed> {
            Ok(pods::Listed { pod: self.table.push(Pod(number))?, description: Self::description(number) })
        };
        let pods = (0..self.pods).map(listed).collect::<Result<_>>()?;
        Ok(Ok(pods::Listing { pods, unreadable: 0 }))
    }

    fn forget(&mut self, _: Resource<Pod>) -> Result<Result<(), types::Error>> {
        self.host_calls += 1;
        Ok(Ok(()))
    }

    fn spawned_by(&mut self, _: Resource<Pod>) -> Result<Result<pods::Spawned, types::Error>> {
        self.host_calls += 1;
        Ok(Ok(pods::Spawned { pods: Vec::new(), others: 0 }))
    }

    fn bounds(&mut self) -> Result<pods::CallBounds> {
        self.host_calls += 1;
        Ok(pods::CallBounds { operation_ms: 5000, call_ms: 30_000, max_output: None })
    }
}

impl pods::HostPod for Scripted {
    fn describe(&mut self, pod: Resource<Pod>) -> Result<pods::Description> {
        self.host_calls += 1;
        Ok(Self::description(self.table.get(&pod)?.0))
    }

    fn state(&mut self, _: Resource<Pod>) -> Result<Result<pods::State, types::Error>> {
        self.host_calls += 1;
        Ok(Ok(pods::State::Idle))
    }

    fn cursor(&mut self, _: Resource<Pod>) -> Result<Result<Option<pods::Cursor>, types::Error>> {
        self.host_calls += 1;
        Ok(Ok(self.cursor.clone()))
    }

    fn set_cursor(&mut self, _: Resource<Pod>, cursor: pods::Cursor) -> Result<Result<(), types::Error>> {
        self.host_calls += 1;
        self.cursor = Some(cursor);
        Ok(Ok(()))
    }

    fn drop(&mut self, pod: Resource<Pod>) -> Result<()> {
        self.table.delete(pod)?;
        Ok(())
    }
}

impl unix_socket::Host for Scripted {
    fn open(
        &mut self,
        _: Resource<Pod>,
        _: unix_socket::Request,
        _: Option<u32>,
    ) -> Result<Result<Resource<Exchange>, types::Error>> {
        self.host_calls += 1;
        Ok(Ok(self.table.push(Exchange { given: 0 })?))
    }

    fn await_any(
        &mut self,
        exchanges: Vec<Resource<Exchange>>,
        _: u32,
    ) -> Result<Result<unix_socket::Awaited, types::Error>> {
        self.host_calls += 1;
        let ready = (0..).zip(&exchanges).map(|(at, _)| at).collect();
        Ok(Ok(unix_socket::Awaited { ready, waited_ms: 0 }))
    }

    fn probe(
        &mut self,
        pods: Vec<Resource<Pod>>,
    ) -> Result<Result<Vec<unix_socket::Reachability>, types::Error>> {
        self.host_calls += 1;
        Ok(Ok(vec![unix_socket::Reachability::Alive; pods.len()]))
    }

    fn await_closed(&mut self, _: Resource<Pod>, _: Option<u32>) -> Result<Result<bool, types::Error>> {
        self.host_calls += 1;
        Ok(Ok(true))
    }
}

impl unix_socket::HostExchange for Scripted {
    fn read(
        &mut self,
        exchange: Resource<Exchange>,
        max: u32,
        _: Option<u32>,
    ) -> Result<Result<Vec<u8>, types::Error>> {
        self.host_calls += 1;
        let exchange = self.table.get_mut(&exchange)?;
        let rest = &self.answer[exchange.given..];
        let piece = rest[..rest.len().min(max as usize).min(PIECE)].to_vec();
        exchange.given += piece.len();
        Ok(Ok(piece))
    }

    fn drop(&mut self, exchange: Resource<Exchange>) -> Result<()> {
        self.table.delete(exchange)?;
        Ok(())
    }
}

impl content::Host for Scripted {
    fn append(&mut self, _: String) -> Result<()> {
        self.host_calls += 1;
        Ok(())
    }
}

impl scope_lock::Host for Scripted {
    fn release(&mut self, _: Resource<Pod>, _: Option<u32>) -> Result<Result<(), types::Error>> {
        self.host_calls += 1;
        Ok(Ok(()))
    }

    fn reclaim_stale(&mut self, _: Option<u32>) -> Result<Result<u32, types::Error>> {
        self.host_calls += 1;
        Ok(Ok(0))
    }
}
