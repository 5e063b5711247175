//! A host in memory that plays pods by a script, and notes what it was asked.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use pod_tools_guest::host::{
    Awaited, Bounds, Cursor, Description, Error, ErrorKind, Fence, Held, Host, Listed, Listing, Permission,
    Reachability, Reason, Request, ScopeRule, Spawned, State, Verb,
};
use pod_tools_guest::{Output, call};

/// What an exchange gives, read by read; behind the last step is the end of the connection.
#[derive(Clone)]
pub enum Step {
    Bytes(Vec<u8>),
    Fail(Error),
}

/// The bytes, in one piece.
pub fn says(text: impl Into<Vec<u8>>) -> Step {
    Step::Bytes(text.into())
}

/// Nothing comes within the time.
pub fn silence() -> Step {
    Step::Fail(Error::failed(Reason::SocketTimeout, "nothing came within 5 s"))
}

pub fn fails(reason: Reason, message: &str) -> Error {
    Error::failed(reason, message)
}

pub fn denied(message: &str) -> Error {
    Error { kind: ErrorKind::Denied, reason: Some(Reason::NotGranted), message: message.into() }
}

/// One pod of the script. The results are what the host answers.
pub struct Pod {
    pub name: String,
    pub scope: Vec<ScopeRule>,
    pub fence: Option<Fence>,
    pub found: Result<(), Error>,
    pub state: Result<State, Error>,
    pub cursor: RefCell<Option<Cursor>>,
    pub reachability: Reachability,
    /// One a connection; when they are used up, the pod is unreachable.
    pub exchanges: RefCell<VecDeque<Result<Vec<Step>, Error>>>,
    pub closed: Result<bool, Error>,
    pub released: Result<(), Error>,
    pub forgotten: Result<(), Error>,
    pub spawned: Vec<&'static str>,
    pub others: u32,
}

pub fn pod(name: &str) -> Pod {
    Pod {
        name: name.into(),
        scope: Vec::new(),
        fence: None,
        found: Ok(()),
        state: Ok(State::Unknown),
        cursor: RefCell::new(None),
        reachability: Reachability::Alive,
        exchanges: RefCell::default(),
        closed: Ok(true),
        released: Ok(()),
        forgotten: Ok(()),
        spawned: Vec::new(),
        others: 0,
    }
}

impl Pod {
    pub fn scope(mut self, permission: Permission, target: &str, recursive: bool) -> Self {
        self.scope.push(ScopeRule { permission, target: target.into(), recursive });
        self
    }

    pub fn fenced(mut self, held: Held, missing: &[&str]) -> Self {
        let missing = missing.iter().map(|one| (*one).to_owned()).collect();
        self.fence = Some(Fence { held, missing });
        self
    }

    pub fn in_state(mut self, state: State) -> Self {
        self.state = Ok(state);
        self
    }

    pub fn reachable(mut self, reachability: Reachability) -> Self {
        self.reachability = reachability;
        self
    }

    pub fn answering(self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.exchanges.borrow_mut().push_back(Ok(steps.into_iter().collect()));
        self
    }

    pub fn refusing(self, error: Error) -> Self {
        self.exchanges.borrow_mut().push_back(Err(error));
        self
    }
}

/// What the host was asked, in order.
type Asked = Rc<RefCell<Vec<String>>>;

/// An open connection, which notes when it is closed.
pub struct Exchange {
    steps: RefCell<VecDeque<Step>>,
    asked: Asked,
}

impl Exchange {
    /// Whether nothing comes for ever.
    fn waits(&self) -> bool {
        matches!(self.steps.borrow().front(), Some(Step::Fail(error)) if error.reason == Some(Reason::SocketTimeout))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.asked.borrow_mut().push("close".into());
    }
}

/// The host.
pub struct Script {
    pub pods: Vec<Pod>,
    pub unreadable: u32,
    pub listed: Result<(), Error>,
    pub reclaimed: Result<u32, Error>,
    pub bounds: Bounds,
    pub asked: Asked,
    /// What was handed over of the answer's content.
    handed: RefCell<String>,
}

pub fn host(pods: impl IntoIterator<Item = Pod>) -> Script {
    Script {
        pods: pods.into_iter().collect(),
        unreadable: 0,
        listed: Ok(()),
        reclaimed: Ok(0),
        bounds: Bounds { operation_ms: 5000, call_ms: 30_000, max_output: None },
        asked: Asked::default(),
        handed: RefCell::default(),
    }
}

impl Script {
    pub fn call(&self, tool: &str, input: &str) -> Result<Output, Error> {
        self.handed.take();
        let mut output = call(self, tool, input)?;
        let handed = self.handed.take();
        if !handed.is_empty() {
            output.content = Some(handed + &output.content.unwrap_or_default());
        }
        Ok(output)
    }

    /// What the host was asked, in order, reads left out.
    pub fn asked(&self) -> Vec<String> {
        self.asked.borrow().iter().filter(|line| !line.starts_with("read")).cloned().collect()
    }

    pub fn was_asked(&self, what: &str) -> bool {
        self.asked.borrow().iter().any(|line| line == what)
    }

    fn note(&self, line: impl Into<String>) {
        self.asked.borrow_mut().push(line.into());
    }
}

impl Host for Script {
    type Pod = usize;
    type Exchange = Exchange;

    fn find(&self, name: &str, purpose: Verb) -> Result<usize, Error> {
        self.note(format!("find {name} {purpose:?}"));
        let Some(index) = self.pods.iter().position(|pod| pod.name == name) else {
            return Err(Error {
                kind: ErrorKind::InvalidArgument,
                reason: Some(Reason::UnknownPod),
                message: format!("no spawned pod named `{name}`"),
            });
        };
        self.pods[index].found.clone().map(|()| index)
    }

    fn list(&self) -> Result<Listing<usize>, Error> {
        self.note("list");
        self.listed.clone()?;
        let pods = (0..self.pods.len()).map(|pod| Listed { pod, description: self.describe(&pod) }).collect();
        Ok(Listing { pods, unreadable: self.unreadable })
    }

    fn forget(&self, &pod: &usize) -> Result<(), Error> {
        self.note("forget");
        self.pods[pod].forgotten.clone()
    }

    fn spawned_by(&self, &pod: &usize) -> Result<Spawned<usize>, Error> {
        self.note("spawned-by");
        let Pod { spawned, others, .. } = &self.pods[pod];
        let place = |name: &&str| self.pods.iter().position(|pod| pod.name == *name);
        Ok(Spawned { pods: spawned.iter().filter_map(place).collect(), others: *others })
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn describe(&self, &pod: &usize) -> Description {
        let Pod { name, scope, fence, .. } = &self.pods[pod];
        Description { name: name.clone(), scope: scope.clone(), fence: fence.clone() }
    }

    fn state(&self, &pod: &usize) -> Result<State, Error> {
        self.note("state");
        self.pods[pod].state.clone()
    }

    fn cursor(&self, &pod: &usize) -> Result<Option<Cursor>, Error> {
        Ok(self.pods[pod].cursor.borrow().clone())
    }

    fn set_cursor(&self, &pod: &usize, cursor: Cursor) -> Result<(), Error> {
        self.note("set-cursor");
        assert!(cursor.digest.len() <= 128);
        *self.pods[pod].cursor.borrow_mut() = Some(cursor);
        Ok(())
    }

    fn open(&self, &to: &usize, request: Request, within_ms: Option<u32>) -> Result<Self::Exchange, Error> {
        self.note(match (request, within_ms) {
            (Request::Run(text), None) => format!("open run {text}"),
            (Request::GetHistory, None) => "open get-history".into(),
            (Request::Shutdown, Some(ms)) => format!("open shutdown within {ms}"),
            other => format!("open {other:?}"),
        });
        let unreachable = || Err(fails(Reason::Unreachable, "nothing takes connections"));
        let steps = self.pods[to].exchanges.borrow_mut().pop_front().unwrap_or_else(unreachable)?;
        Ok(Exchange { steps: RefCell::new(steps.into()), asked: self.asked.clone() })
    }

    fn read(&self, exchange: &Self::Exchange, max: u32, within_ms: Option<u32>) -> Result<Vec<u8>, Error> {
        assert!(max > 0);
        self.note(match within_ms {
            Some(ms) => format!("read within {ms}"),
            None => "read".into(),
        });
        let mut steps = exchange.steps.borrow_mut();
        match steps.pop_front() {
            None => Ok(Vec::new()),
            Some(Step::Fail(error)) => Err(error),
            Some(Step::Bytes(mut bytes)) => {
                if bytes.len() > max as usize {
                    let rest = bytes.split_off(max as usize);
                    steps.push_front(Step::Bytes(rest));
                }
                Ok(bytes)
            }
        }
    }

    /// What has not been read is there at once; otherwise the time passes.
    fn await_any(&self, exchanges: &[&Self::Exchange], within_ms: u32) -> Result<Awaited, Error> {
        let ready: Vec<u32> = (0..).zip(exchanges).filter(|(_, it)| !it.waits()).map(|(at, _)| at).collect();
        let waited_ms = if ready.is_empty() { within_ms } else { 0 };
        self.note(format!("await-any of {} within {within_ms}", exchanges.len()));
        Ok(Awaited { ready, waited_ms })
    }

    fn probe(&self, pods: &[&usize]) -> Result<Vec<Reachability>, Error> {
        self.note("probe");
        Ok(pods.iter().map(|&&pod| self.pods[pod].reachability).collect())
    }

    fn await_closed(&self, &pod: &usize, within_ms: Option<u32>) -> Result<bool, Error> {
        self.note(format!("await-closed {within_ms:?}"));
        self.pods[pod].closed.clone()
    }

    fn append(&self, text: &str) {
        self.handed.borrow_mut().push_str(text);
    }

    fn release(&self, &pod: &usize, _within_ms: Option<u32>) -> Result<(), Error> {
        self.note("release");
        self.pods[pod].released.clone()
    }

    fn reclaim_stale(&self, within_ms: Option<u32>) -> Result<u32, Error> {
        self.note(format!("reclaim-stale {within_ms:?}"));
        self.reclaimed.clone()
    }
}

/// A history event, line end included.
pub fn history(items: &[&str]) -> String {
    format!(
        "{{\"event\":\"history\",\"data\":{{\"items\":[{}],\"greeting\":{{\"pod_name\":\"x\",\"tools\":[\"Bash\"]}}}}}}\n",
        items.join(",")
    )
}

pub fn message(role: &str, text: &str) -> String {
    serde_json::json!({"type": "message", "role": role, "content": [{"type": "text", "text": text}]})
        .to_string()
}

/// The answer's data.
pub fn data(output: &Output) -> serde_json::Value {
    serde_json::from_str(&output.data).unwrap()
}
