//! One attack: the place it happens in, and what must hold after each of them.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pod_tools_conformance::{FakePod, Place, Script, Step, assistant, history};
use pod_tools_host::{Answer, Authority, ErrorKind, Limits, PodTools, Reason, ToolError};
use serde_json::Value;

use crate::honest::{HONEST, HOSTILE, Honest, authority, load};
use crate::process;
use crate::tree::{changed, files};

/// What the pods of a place answer when they are asked for their history.
pub const TEXT: &str = "nothing to see here";
/// Far more than any attack takes: it tells "bounded" from "for ever".
const LONG: Duration = Duration::from_secs(60);
/// Within this a component of some lines is compiled, on a busy machine too.
const LOAD: Duration = Duration::from_secs(2);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// What a call may take of memory beside its limits; as the README has it, with the registry that it reads, and all that
/// the honest calls take at the same time.
const GROWTH: u64 = 32 * MIB;
/// What the host may log of one attack, with all that it has to say itself.
const MAX_LOGGED: usize = 256 << 10;
/// The line of the client that comes last.
const LAST: &str = "that was all";

/// One attack at a time, from its preparation until nothing of it is left: descriptors and memory are those of
/// the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// Keeps attacks from happening, so that no descriptor and no memory of others is taken for theirs.
pub fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Limits that an attack reaches soon; but for its time, which a machine that has much else to do takes longer to give.
pub fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.cpu_time = LONG / 2;
    limits.memory = 64 << 20;
    limits.transfer = 8 << 20;
    limits.host_calls = 20_000;
    limits.handles = 5_000;
    limits
}

/// A pod that answers `get_history`, and `run` with a turn.
pub fn answering() -> Script {
    Script::new()
        .on("get_history", [Step::line(history(&[assistant(TEXT)]))])
        .on("run", [Step::text("{\"event\":\"turn_start\",\"data\":{\"turn\":0}}\n")])
}

/// A pod that answers each `run` once it is let; the last answer is repeated.
fn taking_turns(most: usize) -> Script {
    (1..=most).fold(Script::new(), |script, turn| {
        script.on("run", [Step::Wait(turn.to_string()), Step::text("{}\n")])
    })
}

/// What happens during an attack, with the pod `granted` and whether the attack goes on; it may start a pod.
type Meanwhile = Box<dyn FnOnce(&FakePod, &AtomicBool) -> Option<FakePod> + Send>;

/// What is called.
enum Target {
    /// A tool of the plugin that has them all.
    Tool,
    /// The same, by way of `transcript`.
    Transcript,
    /// `call` of a component of its own.
    RawCall,
    /// A component of its own, as it is loaded.
    RawLoad,
}

/// An attack that is about to happen.
pub struct Attack {
    name: &'static str,
    target: Target,
    input: String,
    grants: Vec<&'static str>,
    limits: Limits,
    granted: Script,
    extra: Vec<FakePod>,
    place: Place,
    expected: Vec<&'static str>,
    over_and_over: bool,
    may_change: Vec<&'static str>,
    lock_is_held: bool,
    contends: bool,
    delivered: bool,
    meanwhile: Option<Meanwhile>,
    alone: MutexGuard<'static, ()>,
}

/// What has become of it.
pub struct Aftermath {
    /// The plugin's data, or the call's error.
    pub result: Result<Value, ToolError>,
    /// What the pod `granted` was sent.
    pub received: Vec<String>,
    /// Goes on as long as this does.
    pods: [Option<FakePod>; 2],
    /// Where it happened.
    pub place: Place,
    _alone: MutexGuard<'static, ()>,
}

impl Attack {
    /// Calls the tool of that name, with the name of a pod that it was granted everything with.
    pub fn new(name: &'static str) -> Self {
        Self {
            alone: alone(),
            name,
            target: Target::Tool,
            input: "granted".into(),
            grants: vec!["list,send,read,stop:granted", "list,send,read,stop:outside"],
            limits: limits(),
            granted: answering(),
            place: Place::new().unwrap(),
            extra: Vec::new(),
            expected: Vec::new(),
            over_and_over: false,
            may_change: Vec::new(),
            lock_is_held: false,
            contends: false,
            delivered: false,
            meanwhile: None,
        }
    }

    /// Asks for the transcript of the pod of that name.
    pub fn transcript(name: &'static str) -> Self {
        Self { target: Target::Transcript, ..Self::new(name) }
    }

    /// Calls a component of its own.
    pub fn raw(name: &'static str) -> Self {
        Self { target: Target::RawCall, ..Self::new(name) }
    }

    /// Loads a component of its own, which is asked for its tools.
    pub fn raw_load(name: &'static str) -> Self {
        // With no authority, and the default limits.
        Self { target: Target::RawLoad, limits: Limits::default(), ..Self::new(name) }
    }

    pub fn input(mut self, input: impl Into<String>) -> Self {
        self.input = input.into();
        self
    }

    pub fn grants(mut self, grants: &[&'static str]) -> Self {
        self.grants = grants.to_vec();
        self
    }

    pub fn limit(mut self, set: impl FnOnce(&mut Limits)) -> Self {
        set(&mut self.limits);
        self
    }

    /// With a CPU time that is soon used up.
    pub fn in_little_time(self) -> Self {
        self.limit(|limits| limits.cpu_time = Duration::from_millis(400))
    }

    /// What the pod `granted` does.
    pub fn script(mut self, script: Script) -> Self {
        self.granted = script;
        self
    }

    /// One more pod, which is granted only if a grant says so.
    pub fn pod(mut self, name: &'static str, script: Script) -> Self {
        let pod = FakePod::start(&self.place, name, script).unwrap();
        self.extra.push(pod);
        self
    }

    /// A pod that has a record and an allocation, and is gone.
    pub fn gone(self, name: &str) -> Self {
        self.place.record(self.place.native_record(name)).unwrap();
        self
    }

    /// One more record, of a pod that there is not, or of one that there is by another name.
    pub fn record(self, record: Value) -> Self {
        self.place.record(record).unwrap();
        self
    }

    /// Many more records, of pods that are not there.
    pub fn records(self, records: impl IntoIterator<Item = Value>) -> Self {
        self.place.record_all(records).unwrap();
        self
    }

    /// The methods that `granted` will have seen, in any order of connections. None otherwise.
    pub fn sends(mut self, methods: &[&'static str]) -> Self {
        self.expected = methods.to_vec();
        self
    }

    /// The one method that `granted` will have seen, however often.
    pub fn sends_over_and_over(self, method: &'static str) -> Self {
        Self { over_and_over: true, ..self.sends(&[method]) }
    }

    /// Files beneath the base that will have changed; the others have not.
    pub fn changes(mut self, files: &[&'static str]) -> Self {
        self.may_change = files.to_vec();
        self
    }

    /// The attack itself keeps the scope lock busy: a listing of others may say so.
    pub fn contending_for_the_lock(mut self) -> Self {
        self.contends = true;
        self
    }

    /// Another process holds the scope lock all the time.
    pub fn under_a_held_lock(mut self) -> Self {
        self.lock_is_held = true;
        self
    }

    /// The answer is delivered, so what the plugin has staged is kept.
    pub fn delivered(mut self) -> Self {
        self.delivered = true;
        self
    }

    /// What happens at the same time, with the pod `granted` at hand. A pod that it starts stays.
    pub fn meanwhile(mut self, what: impl FnOnce(&FakePod) -> Option<FakePod> + Send + 'static) -> Self {
        self.meanwhile = Some(Box::new(|granted, _| what(granted)));
        self
    }

    /// What is done before the pod `granted` answers `run` for the first time, the second, and so on, for as long as
    /// the attack goes on and at most so often.
    pub fn before_each_turn(mut self, most: usize, mut what: impl FnMut(usize) + Send + 'static) -> Self {
        self.granted = taking_turns(most);
        self.meanwhile = Some(Box::new(move |granted, goes_on| {
            for turn in 1..=most {
                while granted.received().len() < turn {
                    if !goes_on.load(Ordering::Relaxed) {
                        return None;
                    }
                    std::thread::yield_now();
                }
                what(turn);
                granted.open_gate(&turn.to_string());
            }
            None
        }));
        self
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Attacks, and checks that the host lives, that other calls were not disturbed, that nothing is left
    /// behind, and that nobody was reached who was not granted.
    pub fn run(self) -> Aftermath {
        let name = self.name;
        let (honest_tools, hostile) = (&*HONEST, &*HOSTILE);

        let alone = self.alone;
        let place = self.place;
        let _extra = self.extra;
        let start = |name: &str, script| FakePod::start(&place, name, script).unwrap();
        let granted = start("granted", self.granted);
        let bystanders = [("other", start("other", answering())), ("outside", outside(&place))];
        let honest_pod = start("honest", answering());
        place.record(place.native_record("dead")).unwrap();
        let us = i64::from(std::process::id());
        let allocated = place.recorded().unwrap();
        let allocations: Vec<Value> = allocated
            .iter()
            .map(|name| match name.as_str() {
                "gone" => place.stale_allocation(name),
                name => place.native_allocation(name, us),
            })
            .collect();
        place.write_table(&allocations).unwrap();
        let held = self.lock_is_held.then(|| {
            let lock = fs::File::open(place.scope_lock()).unwrap();
            lock.try_lock().unwrap();
            lock
        });

        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let honest = || Honest {
            authority: authority(&place, &["list,read:honest", "list:dead"], Limits::default()),
            lists: !self.lock_is_held && !self.contends,
        };
        // What is made once and kept, such as the image of a component's memory, is made by these.
        runtime.block_on(async {
            honest().calls(honest_tools).await;
            honest().behaves(hostile).await;
        });

        let logged = process::logged();
        let descriptors = process::descriptors();
        // A component holds descriptors of its own, and so does an authority: they are gone when descriptors are
        // counted again.
        let (attacker, honest) = (authority(&place, &self.grants, self.limits.clone()), honest());
        let raw = match self.target {
            Target::Tool | Target::Transcript | Target::RawLoad => None,
            Target::RawCall => {
                Some(load(pod_tools_hostile::raw_component(name).expect("the attack is listed")))
            }
        };
        let before = files(&place.base());
        let memory = process::reset_peak_memory();
        let meanwhile = self.meanwhile;
        let under_way = AtomicBool::new(true);
        let (result, started) = std::thread::scope(|threads| {
            let started = threads.spawn(|| meanwhile.and_then(|what| what(&granted, &under_way)));
            let others = async {
                let mut rounds = 0;
                while under_way.load(Ordering::Relaxed) || rounds == 0 {
                    honest.calls(honest_tools).await;
                    honest.behaves(hostile).await;
                    rounds += 1;
                }
            };
            let attack = async {
                let result =
                    call(&self.target, raw.as_ref().unwrap_or(hostile), &attacker, name, &self.input).await;
                under_way.store(false, Ordering::Relaxed);
                let answer = match result? {
                    (data, Some(answer)) if self.delivered => {
                        answer.delivered().await?;
                        data
                    }
                    (data, _) => data,
                };
                Ok(answer)
            };
            let result = runtime.block_on(async {
                let both = async { tokio::join!(attack, others).0 };
                tokio::time::timeout(LONG, both).await.expect("the call ends")
            });
            (result, started.join().unwrap())
        });
        let peak = process::peak_memory();
        let (memory_limit, transfer) = (self.limits.memory as u64, self.limits.transfer as u64);
        let handles = self.limits.handles as u64;

        drop(raw);

        // The host lives: the same engine serves another call, and so does the other.
        runtime.block_on(async {
            honest.calls(honest_tools).await;
            honest.behaves(hostile).await;
        });
        drop((attacker, honest));

        let deadline = Instant::now() + LONG;
        while process::descriptors() != descriptors {
            // What tokio's threads still finish tells nobody when it is done.
            assert!(Instant::now() < deadline, "{:?}\nwas {descriptors:?}", process::descriptors());
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(held);
        let lock = fs::File::open(place.scope_lock()).unwrap();
        lock.try_lock().expect("nobody holds the scope lock");
        drop(lock);

        let after = files(&place.base());
        let mut changed = changed(&before, &after);
        changed.retain(|file| !self.may_change.iter().any(|allowed| Path::new(allowed) == file));
        assert_eq!(changed, Vec::<PathBuf>::new(), "files have changed");

        match (memory, peak) {
            (Some(memory), Some(peak)) => {
                let took = peak.saturating_sub(memory);
                let most = memory_limit + 4 * transfer + handles / 4 * KIB + GROWTH;
                assert!(took < most, "the host took {} MiB more, at most it may {}", took / MIB, most / MIB);
            }
            _ => eprintln!("peak memory: not run, this system does not tell it"),
        }
        let logged = process::logged() - logged;
        assert!(logged < MAX_LOGGED, "the host logged {logged} bytes");

        for (name, pod) in &bystanders {
            assert_eq!(
                seen(&socket_of(&place, name), pod),
                Vec::<String>::new(),
                "`{name}` was sent something"
            );
            assert_eq!(pod.connections(), 1, "`{name}` was connected to");
        }
        for method in methods(&seen(&place.socket("honest"), &honest_pod)) {
            assert_eq!(method, "get_history");
        }
        let received = seen(&place.socket("granted"), &granted);
        let mut methods = methods(&received);
        if self.over_and_over {
            methods.dedup();
        }
        assert_eq!(methods, self.expected, "what `granted` was sent");
        Aftermath { result, place, received, pods: [Some(granted), started], _alone: alone }
    }
}

/// Makes the call; the plugin's data, and the answer that has not been delivered yet.
async fn call(
    target: &Target,
    tools: &PodTools,
    attacker: &Authority,
    name: &str,
    input: &str,
) -> Result<(Value, Option<Answer>), ToolError> {
    if let Target::RawLoad = target {
        let component = pod_tools_hostile::raw_component(name).expect("the attack is listed");
        let builder = PodTools::builder().component_bytes(component).cache_dir(None).concurrent_calls(8);
        let load = tokio::task::spawn_blocking(|| builder.load_time(LOAD).load());
        let loaded = load.await.expect("loading does not panic")?;
        return Ok((loaded.definitions().len().into(), None));
    }
    if let Target::Transcript = target {
        return Ok((tools.transcript(attacker, name).await?.text.into(), None));
    }
    let answer = tools.call(attacker, name, input).await?;
    let line = serde_json::to_string(answer.output()).unwrap();
    assert!(!line.contains(['\n', '\r']), "an answer is one line of JSON");
    // Data may be nested deeper than anybody reads.
    let data = serde_json::from_str(answer.output().data.get()).unwrap_or_default();
    Ok((data, Some(answer)))
}

impl Aftermath {
    /// The error that the call ended in.
    #[track_caller]
    pub fn error(&self) -> &ToolError {
        self.result.as_ref().expect_err("the attack fails")
    }

    /// The pod `granted`.
    pub fn granted(&self) -> &FakePod {
        self.pods[0].as_ref().expect("it lives as long as this does")
    }

    /// The call ended in an error of that kind, whose message holds these words.
    #[track_caller]
    pub fn fails(self, kind: ErrorKind, says: &str) {
        let error = self.error();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(says), "{error}");
        assert!(error.message.len() < 4096, "{} bytes of message", error.message.len());
    }

    /// What the plugin has found out.
    #[track_caller]
    pub fn found(&self) -> &Value {
        self.result.as_ref().expect("the attack comes back")
    }
}

/// A pod that was granted in name, and lies beneath no granted directory.
fn outside(place: &Place) -> FakePod {
    let socket = socket_of(place, "outside");
    let mut record = place.native_record("outside");
    record["socket_path"] = socket.to_str().unwrap().into();
    place.record(record).unwrap();
    FakePod::start_unrecorded(&socket, "outside", answering()).unwrap()
}

fn socket_of(place: &Place, name: &str) -> PathBuf {
    if name == "outside" { place.root().join("elsewhere").join("sock") } else { place.socket(name) }
}

/// What a pod was sent, now that all who connected to it are gone.
fn seen(socket: &Path, pod: &FakePod) -> Vec<String> {
    // Connections are accepted in their order, and this is the last.
    let mut last = UnixStream::connect(socket).unwrap();
    last.write_all(format!("{LAST}\n").as_bytes()).unwrap();
    last.shutdown(std::net::Shutdown::Write).unwrap();
    last.read_to_end(&mut Vec::new()).unwrap();
    pod.await_closed(1);
    let mut received = pod.received();
    received.retain(|line| line != LAST);
    received
}

fn methods(lines: &[String]) -> Vec<String> {
    let method =
        |line: &String| serde_json::from_str::<Value>(line).ok()?["method"].as_str().map(str::to_owned);
    lines.iter().map(|line| method(line).unwrap_or_else(|| line.clone())).collect()
}

/// The `reason` words that a plugin has found for a request.
pub fn reason(found: &Value) -> &str {
    found["reason"].as_str().unwrap_or(found.as_str().unwrap_or(""))
}

/// The reason as the plugin writes it.
pub fn word(reason: Reason) -> String {
    format!("Reason::{reason:?}")
}
