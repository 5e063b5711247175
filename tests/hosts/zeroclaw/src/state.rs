//! Where plugins would keep state: there is none, and the pod tools ask for none.

use async_trait::async_trait;
use zeroclaw_plugins::instance::PluginInstanceScope;
use zeroclaw_plugins::services::{PluginStateBackend, PluginStateError, PluginStateKey, PluginStateValue};

pub struct NoState;

#[async_trait]
impl PluginStateBackend for NoState {
    async fn get(
        &self,
        _: &PluginInstanceScope,
        _: &PluginStateKey,
    ) -> Result<Option<PluginStateValue>, PluginStateError> {
        Err(PluginStateError::Unavailable)
    }

    async fn put(
        &self,
        _: &PluginInstanceScope,
        _: &PluginStateKey,
        _: &[u8],
        _: Option<u64>,
    ) -> Result<u64, PluginStateError> {
        Err(PluginStateError::Unavailable)
    }

    async fn delete(
        &self,
        _: &PluginInstanceScope,
        _: &PluginStateKey,
        _: u64,
    ) -> Result<(), PluginStateError> {
        Err(PluginStateError::Unavailable)
    }
}
