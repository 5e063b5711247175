//! Waiting for many pods: how soon a run's end is answered, and what it costs to wait.
//!
//! The pods are this process's, so that it knows when a run has ended: that is when it begins to say so.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pod_tools_bench_native::usage::Usage;
use serde_json::json;

use crate::history::{Shape, event};
use crate::mcp::Client;
use crate::measure::{Effort, Spread};
use crate::place::Place;
use crate::pods::Behaviour;
use crate::programs::Programs;
use crate::report::{Row, Unit};
use crate::side::Lines;

/// What the rows have in common, to be chosen by.
pub const NAME: &str = "wait";

/// As many as one call may wait for.
const PODS: usize = 100;
/// As many calls as one client of an MCP server may have at once.
const CALLS: usize = 16;
/// How long is waited while nothing happens; the goal is for this long.
const REST: Duration = Duration::from_secs(30);
const REST_OF_QUICK: Duration = Duration::from_secs(3);
/// Longer than a row takes.
const WAIT_SECONDS: u32 = 100;

/// A pod in a run, which ends when this says so.
struct Running {
    status: PathBuf,
    clients: Arc<Mutex<Vec<UnixStream>>>,
}

impl Running {
    /// Listens, and tells of each client.
    fn start(place: &Place, name: &str, history: Arc<[u8]>, of_client: Sender<()>) -> anyhow::Result<Self> {
        let directory = place.base().join(name);
        let listener = UnixListener::bind(directory.join("sock"))?;
        let clients = Arc::new(Mutex::new(Vec::new()));
        let all = clients.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(heard) = client.try_clone() else { return };
                all.lock().unwrap_or_else(PoisonError::into_inner).push(client);
                let history = history.clone();
                std::thread::spawn(move || serve(heard, &history));
                if of_client.send(()).is_err() {
                    return;
                }
            }
        });
        let pod = Self { status: directory.join("status.json"), clients };
        pod.say_it_is("running")?;
        Ok(pod)
    }

    fn say_it_is(&self, state: &str) -> anyhow::Result<()> {
        let new = self.status.with_extension("new");
        std::fs::write(&new, json!({ "pod_name": "pod", "session_id": "0", "state": state }).to_string())?;
        Ok(std::fs::rename(new, &self.status)?)
    }

    /// Ends the run: gives the moment from which on whoever waits can know it.
    fn end(&self) -> anyhow::Result<Instant> {
        let mut clients = std::mem::take(&mut *self.clients.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = Instant::now();
        self.say_it_is("idle")?;
        for client in &mut clients {
            // Those of earlier calls are gone.
            let _ = client.write_all(b"{\"event\":\"run_end\",\"data\":{\"result\":\"finished\"}}\n");
        }
        Ok(ended)
    }
}

/// Answers those who ask for the history.
fn serve(client: UnixStream, history: &[u8]) {
    let Ok(mut says) = client.try_clone() else { return };
    for line in BufReader::new(client).lines().map_while(Result::ok) {
        if line.starts_with(r#"{"method":"get_history""#) && says.write_all(history).is_err() {
            return;
        }
    }
}

/// The pods, and who tells of their clients.
struct Pods {
    place: Place,
    pods: Vec<Running>,
    clients: Receiver<()>,
}

impl Pods {
    fn start(count: usize) -> anyhow::Result<Self> {
        let place = Place::new(count, Behaviour::Dead, count)?;
        let history: Arc<[u8]> = event(Shape { items: 10, item_bytes: 200 }).into();
        let (of_client, clients) = channel();
        let pod = |name: &String| Running::start(&place, name, history.clone(), of_client.clone());
        let pods = place.names().iter().map(pod).collect::<anyhow::Result<_>>()?;
        Ok(Self { place, pods, clients })
    }

    /// Waits until each has one client more.
    fn await_clients(&self) -> anyhow::Result<()> {
        Ok(self.pods.iter().try_for_each(|_| self.clients.recv())?)
    }
}

/// The rows: of one call that waits for all of them, and of a call for each.
pub fn measure(programs: &Programs, effort: Effort) -> anyhow::Result<Vec<Row>> {
    let mut rows = of_one_call(programs, effort)?;
    rows.extend(of_a_call_each(programs, effort)?);
    Ok(rows)
}

fn of_one_call(programs: &Programs, effort: Effort) -> anyhow::Result<Vec<Row>> {
    let pods = Pods::start(PODS)?;
    let mut command = programs.pod_tools_at(&pods.place)?;
    command.args(["call", "--batch", "--call-timeout", "300s"]);
    let mut host = Lines::start(&mut command)?;
    let input = json!({ "names": pods.place.names(), "for": "any", "wait_seconds": WAIT_SECONDS });
    let call = json!({ "tool": "WaitForPods", "input": input }).to_string();
    let mut at_rest = None;
    let mut seconds = Vec::new();
    for pod in &pods.pods {
        host.tell(&call)?;
        pods.await_clients()?;
        if at_rest.is_none() {
            at_rest = Some(rest(host.id(), effort)?);
        }
        let ended = pod.end()?;
        let answer = host.hear()?;
        seconds.push(ended.elapsed().as_secs_f64());
        anyhow::ensure!(answer.contains("1 of 100 pod(s) done"), "{answer}");
        pod.say_it_is("running")?;
    }
    Ok(rows(&format!("WaitForPods, {PODS} pods"), seconds, at_rest))
}

fn of_a_call_each(programs: &Programs, effort: Effort) -> anyhow::Result<Vec<Row>> {
    let pods = Pods::start(CALLS)?;
    let mut command = programs.pod_tools_at(&pods.place)?;
    command.args(["mcp", "--call-timeout", "300s"]);
    let mut host = Client::start(command)?;
    for name in pods.place.names() {
        let input = json!({ "name": name, "wait_seconds": WAIT_SECONDS });
        host.tell("tools/call", &json!({ "name": "ReadPodOutput", "arguments": input }))?;
    }
    pods.await_clients()?;
    let at_rest = rest(host.process(), effort)?;
    let mut seconds = Vec::new();
    for (pod, name) in pods.pods.iter().zip(pods.place.names()) {
        let ended = pod.end()?;
        let answer = host.hear()?;
        seconds.push(ended.elapsed().as_secs_f64());
        anyhow::ensure!(answer.contains(&format!("pod `{name}`: ")), "{answer}");
    }
    Ok(rows(&format!("ReadPodOutput over MCP, {CALLS} pods in a call each"), seconds, Some(at_rest)))
}

/// What a process uses while it waits, in milliseconds for as long as [`REST`].
fn rest(process: u32, effort: Effort) -> anyhow::Result<f64> {
    let length = if effort.quick { REST_OF_QUICK } else { REST };
    let before = Usage::of_threads(process)?;
    std::thread::sleep(length);
    let used = Usage::of_threads(process)? - before;
    Ok(used.cpu * 1e3 * REST.div_duration_f64(length))
}

fn rows(what: &str, seconds: Vec<f64>, at_rest: Option<f64>) -> Vec<Row> {
    let samples = seconds.len();
    let millis = seconds.iter().map(|seconds| seconds * 1e3);
    let longest = millis.clone().fold(0.0, f64::max);
    let mut answered = Row::new(
        &format!("{NAME}: {what}: from a run's end to the answer"),
        Unit::Milliseconds,
        Spread::of(millis.collect()),
        Some(50.0),
    );
    answered.samples = samples;
    let longest = Row::new(
        &format!("{NAME}: {what}: the longest of these"),
        Unit::Milliseconds,
        Spread::exactly(longest),
        Some(50.0),
    );
    let at_rest = at_rest.map(|used| {
        let name = format!("{NAME}: {what}: processor time of 30 s of waiting");
        Row::new(&name, Unit::Milliseconds, Spread::exactly(used), Some(20.0))
    });
    [answered, longest].into_iter().chain(at_rest).collect()
}
