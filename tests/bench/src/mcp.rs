//! `pod-tools mcp` on pipes, against the least that a server with the same SDK can do: what is more than that should be
//! the call.

use std::process::Command;
use std::time::Instant;

use pod_tools_bench_native::drive::Request;
use pod_tools_bench_native::usage::Usage;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer, serve_server};
use serde_json::{Value, json};
use tokio::net::unix::pipe;

use crate::history::Shape;
use crate::measure::{Effort, Pairs, Sample, Spread};
use crate::place::Place;
use crate::pods::Behaviour;
use crate::programs::Programs;
use crate::report::{Row, Unit};
use crate::side::{Lines, Side, Which};

pub const NAME: &str = "mcp: ListPods, 1 live pod: what is more than a constant answer ÷ the library's call";

/// A server whose every tool gives the same answer.
struct Constant;

impl ServerHandler for Constant {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::default();
        info.capabilities = ServerCapabilities::builder().enable_tools().build();
        info
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, rmcp::ErrorData> {
        Ok(CallToolResult::success(vec![ContentBlock::text("1 pod(s) known")]).into())
    }
}

/// Serves it on standard input and output, which are pipes, on one thread.
pub fn run_constant() -> anyhow::Result<()> {
    use std::os::fd::AsFd;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let input = pipe::Receiver::from_owned_fd(std::io::stdin().as_fd().try_clone_to_owned()?)?;
        let output = pipe::Sender::from_owned_fd(std::io::stdout().as_fd().try_clone_to_owned()?)?;
        serve_server(Constant, (input, output)).await?.waiting().await?;
        Ok(())
    })
}

/// A client of a server that was started.
pub struct Client {
    lines: Lines,
    id: u64,
}

impl Client {
    pub fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut client = Self { lines: Lines::start(&mut command)?, id: 0 };
        client.ask(
            "initialize",
            &json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "bench", "version": "0" } }),
        )?;
        client.lines.tell(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)?;
        Ok(client)
    }

    /// The answer, as a line. What else comes meanwhile is passed over.
    fn ask(&mut self, method: &str, params: &Value) -> anyhow::Result<String> {
        self.tell(method, params)?;
        self.hear()
    }

    /// Asks, and leaves the answer for [`hear`](Self::hear).
    pub fn tell(&mut self, method: &str, params: &Value) -> anyhow::Result<()> {
        self.id += 1;
        let request = json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params });
        self.lines.tell(&request.to_string())
    }

    /// The next answer.
    pub fn hear(&mut self) -> anyhow::Result<String> {
        let mut answer = self.lines.hear()?;
        while answer.contains(r#""method":"#) {
            answer = self.lines.hear()?;
        }
        anyhow::ensure!(answer.contains(r#""result":"#), "{answer}");
        Ok(answer)
    }

    /// The server's process.
    pub fn process(&self) -> u32 {
        self.lines.id()
    }

    fn sample(&mut self, calls: u32) -> anyhow::Result<Sample> {
        let params = json!({ "name": "ListPods", "arguments": {} });
        let used = Usage::of_threads(self.lines.id())?;
        let began = Instant::now();
        for _ in 0..calls {
            self.ask("tools/call", &params)?;
        }
        let seconds = began.elapsed().as_secs_f64();
        Ok(Sample { seconds, usage: Usage::of_threads(self.lines.id())? - used })
    }
}

pub fn measure(programs: &Programs, effort: Effort) -> anyhow::Result<Row> {
    let place = Place::new(1, Behaviour::Answer(Shape { items: 10, item_bytes: 200 }), 10)?;
    let mut ours = programs.pod_tools_at(&place)?;
    ours.arg("mcp");
    let mut constant = Command::new(std::env::current_exe()?);
    constant.arg("constant");
    let (mut ours, mut constant) = (Client::start(ours)?, Client::start(constant)?);
    let mut library = Side::start(Which::Sandboxed, &place, programs)?;

    let mut of_library = Vec::new();
    let mut library_call = |times| -> anyhow::Result<()> {
        let call = Request::Calls { tool: "ListPods".into(), input: String::new(), times, anew: false };
        of_library.push(library.sample(&call)?.seconds / f64::from(times));
        Ok(())
    };
    let pairs = Pairs::take(
        effort,
        1000,
        |times| {
            library_call(times)?;
            ours.sample(times)
        },
        |times| constant.sample(times),
    )?;
    let library = Spread::of(of_library).median;
    let Spread { low, median, high } = pairs.difference();
    let value = Spread { low: low / library, median: median / library, high: high / library };
    Ok(Row::new(NAME, Unit::Ratio, value, Some(1.2)).with(&pairs))
}
