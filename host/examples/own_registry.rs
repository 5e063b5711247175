//! A registry of one's own: a runtime that knows its pods already answers for them itself, and keeps how far each was
//! read; there is no `spawned_pods.json`.
//!
//! ```sh
//! pod-tools pod reviewer -- my-agent --print &
//! cargo run --locked --example own_registry -- $XDG_RUNTIME_DIR/insomnia reviewer
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pod_tools_host::registry::{Reader, Record, Records, Registry, RegistryError, StoredCursor};
use pod_tools_host::{Authority, PodTools};
use serde_json::json;

/// What this runtime knows of its pods, by their names: the record, and how far each of its models has read.
type Pods = BTreeMap<String, (Arc<Record>, BTreeMap<Option<Reader>, StoredCursor>)>;

#[derive(Default)]
struct Children(Mutex<Pods>);

impl Children {
    fn pods(&self) -> MutexGuard<'_, Pods> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing here waits for a lock on a file, so no function has a use for the time that it may wait.
impl Registry for Children {
    fn load(&self) -> Result<Arc<Records>, RegistryError> {
        let records = self.pods().values().map(|(record, _)| record.clone()).collect();
        Ok(Arc::new(Records { records, unreadable: Vec::new() }))
    }

    fn remove(&self, record: &Record, _: Duration) -> Result<(), RegistryError> {
        self.pods().retain(|_, (known, _)| known.socket_path != record.socket_path);
        Ok(())
    }

    fn cursor(&self, reader: Option<&Reader>, pod: &str) -> Result<Option<StoredCursor>, RegistryError> {
        Ok(self.pods().get(pod).and_then(|(_, read)| read.get(&reader.cloned()).cloned()))
    }

    fn set_cursor(
        &self,
        reader: Option<&Reader>,
        pod: &str,
        base: Option<&StoredCursor>,
        new: StoredCursor,
        _: Duration,
    ) -> Result<(), RegistryError> {
        if let Some((_, read)) = self.pods().get_mut(pod) {
            // Another call may have moved the cursor since this one read it: the one with more items stays.
            let reader = reader.cloned();
            let is_ahead = read.get(&reader).is_some_and(|read| new.items > read.items);
            if read.get(&reader) == base || is_ahead {
                read.insert(reader, new);
            }
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [base, pod] = &arguments[..] else { return Err("usage: own_registry BASE_DIR POD".into()) };
    let record = Record {
        pod_name: pod.clone(),
        socket_path: Path::new(base).join(pod).join("sock"),
        scope_delegated: Vec::new(),
        callback_address: None,
        fence: None,
    };
    let children = Arc::new(Children::default());
    children.pods().insert(pod.clone(), (Arc::new(record), BTreeMap::new()));

    let tools = PodTools::bundled()?;
    let grant = "list,read,stop".parse()?;
    let authority =
        Authority::builder().registry(children.clone()).allow_sockets(base).grant(grant).build()?;
    for tool in ["ListPods", "ReadPodOutput", "ReadPodOutput", "StopPod"] {
        let answer = tools.call(&authority, tool, &json!({ "name": pod }).to_string()).await?;
        println!("{}", answer.output().summary);
        answer.delivered().await?;
        let read = children.cursor(None, pod)?.map_or(0, |cursor| cursor.items);
        println!("  {} pod(s), {read} item(s) read", children.load()?.records.len());
    }
    Ok(())
}
