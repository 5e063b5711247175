//! What the operator has configured: which plugin is told what, and may connect where.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::Deserialize;
use zeroclaw_plugins::PluginManifest;
use zeroclaw_plugins::config::{PluginConfigResolver, resolve_plugin_config};
use zeroclaw_plugins::egress::{EgressHostService, EgressPolicy, EgressPolicyResolver};
use zeroclaw_plugins::error::PluginError;
use zeroclaw_plugins::instance::PluginInstanceScope;
use zeroclaw_plugins::services::{PluginHostServices, PluginStateService};

use crate::state::NoState;

/// ZeroClaw's default.
const CONNECTIONS: usize = 16;

#[derive(Deserialize)]
struct Configuration {
    plugins: Plugins,
}

#[derive(Deserialize)]
struct Plugins {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    config: HashMap<String, String>,
    egress_hosts: Vec<String>,
    egress_allow_private: Vec<String>,
}

/// The configuration.
#[derive(Clone)]
pub struct Operator(Arc<Vec<Entry>>);

impl Operator {
    pub fn read(file: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let configuration: Configuration =
            toml::from_str(&text).context("the configuration is not as ZeroClaw's")?;
        Ok(Self(Arc::new(configuration.plugins.entries)))
    }

    /// The entry of that instance.
    fn entry(&self, scope: &PluginInstanceScope) -> Result<Option<&Entry>, PluginError> {
        let key = scope.id().config_entry_key()?;
        Ok(self.0.iter().find(|entry| entry.name == key))
    }

    /// Its configuration for a plugin with that manifest, and no state.
    pub fn services(&self, manifest: PluginManifest) -> PluginHostServices {
        let operator = self.clone();
        let config = PluginConfigResolver::new(move |scope| {
            resolve_plugin_config(&manifest, scope, operator.entry(scope)?.map(|entry| &entry.config))
        });
        PluginHostServices::new(config, PluginStateService::new(NoState))
    }

    /// Where plugins may connect.
    pub fn egress(&self) -> EgressHostService {
        let operator = self.clone();
        EgressHostService::new(EgressPolicyResolver::new(move |request| match operator.entry(request) {
            Ok(Some(entry)) => {
                EgressPolicy::new(&entry.egress_hosts, &entry.egress_allow_private, &[], CONNECTIONS)
            }
            _ => EgressPolicy::deny_all(CONNECTIONS),
        }))
    }
}
