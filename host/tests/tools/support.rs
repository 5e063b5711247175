//! What the tests of the four tools share: the bundled plugin, loaded once, and a [`Spawner`]:
//! a place for pods together with the authority over it.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use pod_tools_conformance::Place;
use pod_tools_host::{Answer, Authority, AuthorityBuilder, Limits, Output, PodTools, ToolError};
use serde_json::{Value, json};

use crate::remedy::remedy;

/// The bundled plugin. Compiled code is kept beneath the target directory, for the next run.
pub fn tools() -> &'static PodTools {
    static TOOLS: OnceLock<PodTools> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-component");
        PodTools::builder().cache_dir(Some(cache)).load().unwrap()
    })
}

/// Limits with more time than a test ever takes.
pub fn patient() -> Limits {
    let mut limits = Limits::default();
    limits.operation_time = Duration::from_secs(60);
    limits.call_time = Duration::from_secs(120);
    limits
}

/// Limits for tests in which an operation's time runs out: 300 ms.
pub fn hasty() -> Limits {
    let mut limits = patient();
    limits.operation_time = Duration::from_millis(300);
    limits
}

/// A place for pods and the authority over it.
pub struct Spawner {
    pub place: Place,
    pub authority: Authority,
}

impl Spawner {
    /// With all grants, and limits that no test reaches.
    pub fn new() -> Self {
        Self::with(&["list,send,read,stop"], patient())
    }

    /// With all grants, and these limits.
    pub fn limited(limits: Limits) -> Self {
        Self::with(&["list,send,read,stop"], limits)
    }

    /// With these grants and limits.
    pub fn with(grants: &[&str], limits: Limits) -> Self {
        let place = Place::new().unwrap();
        let authority = authority(&place, grants, limits);
        Self { place, authority }
    }

    /// The authority that another process over the same place would have: opened anew.
    pub fn reopen(&mut self, limits: Limits) {
        self.authority = authority(&self.place, &["list,send,read,stop"], limits);
    }

    /// Calls a tool.
    pub async fn call(&self, tool: &str, input: Value) -> Result<Answer, ToolError> {
        tools().call(&self.authority, tool, &input.to_string()).await
    }

    /// Calls a tool that must not fail, and takes delivery of its answer.
    pub async fn ask(&self, tool: &str, input: Value) -> Output {
        delivered(self.call(tool, input).await.unwrap()).await
    }

    pub async fn list(&self) -> Output {
        self.ask("ListPods", json!({})).await
    }

    pub async fn read(&self, name: &str) -> Output {
        self.ask("ReadPodOutput", json!({ "name": name })).await
    }

    pub async fn stop(&self, name: &str) -> Output {
        self.ask("StopPod", json!({ "name": name })).await
    }

    /// The error of a read that must fail.
    pub async fn read_fails(&self, name: &str) -> ToolError {
        self.call("ReadPodOutput", json!({ "name": name })).await.unwrap_err()
    }

    /// The error of a stop that must fail.
    pub async fn stop_fails(&self, name: &str) -> ToolError {
        self.call("StopPod", json!({ "name": name })).await.unwrap_err()
    }
}

fn authority(place: &Place, grants: &[&str], limits: Limits) -> Authority {
    over(place, grants).limits(limits).build().unwrap()
}

/// The builder of an authority over a place, with these grants.
pub fn over(place: &Place, grants: &[&str]) -> AuthorityBuilder {
    let builder = Authority::builder()
        .remedy(remedy)
        .allow_sockets(place.base())
        .runtime_dir(place.runtime_dir())
        .scope_lock(place.scope_lock());
    grants.iter().fold(builder, |builder, grant| builder.grant(grant.parse().unwrap()))
}

/// Takes delivery of an answer.
pub async fn delivered(answer: Answer) -> Output {
    let output = answer.output().clone();
    answer.delivered().await.unwrap();
    output
}

/// The data of an answer.
pub fn data(output: &Output) -> Value {
    serde_json::from_str(output.data.get()).unwrap()
}

/// Leaves a socket at which nobody listens.
pub fn dead_socket(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    // A process that another test is just starting may hold a copy until it runs.
    while UnixStream::connect(path).is_ok() {
        std::thread::yield_now();
    }
}
