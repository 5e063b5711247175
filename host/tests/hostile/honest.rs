//! Those who have nothing to do with the attack: the bundled plugin, and honest calls at the same time.

use std::sync::LazyLock;

use pod_tools_conformance::{Place, assistant, history};
use pod_tools_host::{Authority, Limits, PodTools, ToolError};

use crate::attack::TEXT;
use crate::remedy::remedy;

/// The bundled plugin, in an engine of its own.
pub static HONEST: LazyLock<PodTools> = LazyLock::new(|| PodTools::builder().cache_dir(None).load().unwrap());

/// The plugin whose tools are the attacks.
pub static HOSTILE: LazyLock<PodTools> = LazyLock::new(|| load(pod_tools_hostile::COMPONENT));

pub fn load(component: &[u8]) -> PodTools {
    let tools = PodTools::builder().component_bytes(component).cache_dir(None).concurrent_calls(8);
    tools.load().unwrap()
}

pub fn authority(place: &Place, grants: &[&str], limits: Limits) -> Authority {
    let builder = Authority::builder()
        .remedy(remedy)
        .allow_sockets(place.base())
        .runtime_dir(place.runtime_dir())
        .scope_lock(place.scope_lock())
        .limits(limits);
    let granted = grants.iter().fold(builder, |builder, grant| builder.grant(grant.parse().unwrap()));
    granted.build().unwrap()
}

/// A call of the bundled plugin, by an operator who was granted everything; its answer is delivered.
pub fn honest_call(place: &Place, tool: &str, input: &str) -> Result<(String, Option<String>), ToolError> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let authority = authority(place, &["list,send,read,stop"], Limits::default());
        let answer = HONEST.call(&authority, tool, input).await?;
        let output = (answer.output().summary.clone(), answer.output().content.clone());
        answer.delivered().await?;
        Ok(output)
    })
}

/// Calls that have nothing to do with the attack, and answer every time the same. They move no cursor.
pub struct Honest {
    pub authority: Authority,
    pub lists: bool,
}

impl Honest {
    pub async fn calls(&self, tools: &PodTools) {
        if self.lists {
            let list = tools.call(&self.authority, "ListPods", "").await.unwrap();
            assert_eq!(list.output().summary, "2 pod(s) known");
        }
        let read = tools.call(&self.authority, "ReadPodOutput", r#"{"name":"honest"}"#).await.unwrap();
        assert_eq!(read.output().content.as_deref(), Some(TEXT));
    }

    /// The same engine as the attack's.
    pub async fn behaves(&self, hostile: &PodTools) {
        let answer = hostile.call(&self.authority, "behaves", "honest").await.unwrap();
        let length = history(&[assistant(TEXT)]).to_string().len() + 1;
        assert_eq!(answer.output().data.get(), length.to_string());
    }
}
