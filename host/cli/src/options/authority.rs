//! From the options to what they stand for: the authority, the pods that there are, the audit log.

use std::path::Path;

use pod_tools_host::registry::{FileRegistry, Registry};
use pod_tools_host::{Authority, Grant, Limits, ToolError};

use super::remedy::{explained, remedy};
use super::{Granted, HostOptions};
use crate::audit::{AuditError, AuditLog};
use crate::grants_file::GrantsFile;

impl HostOptions {
    /// The names of the pods that are recorded now, each once. Makes no directory.
    pub fn recorded_pods(&self) -> anyhow::Result<Vec<String>> {
        if self.operators && !self.spawner_dir.exists() {
            return Ok(Vec::new());
        }
        let records = FileRegistry::open(&self.spawner_dir)
            .and_then(|registry| registry.load())
            .map_err(explained)?
            .records;
        let mut names: Vec<String> = records.into_iter().map(|record| record.pod_name).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Where grants are written, if that is a file.
    pub fn grants_file(&self) -> Option<&Path> {
        match &self.granted {
            Granted::InFile(file) => Some(file),
            Granted::Everything | Granted::These(_) => None,
        }
    }

    /// The authority that these options describe, with what the grants file said when it was read. It takes
    /// the place of an earlier one, if there was one.
    pub fn authority(
        &self,
        file: Option<&GrantsFile>,
        earlier: Option<&Authority>,
    ) -> Result<Authority, ToolError> {
        let spawner_dir = self.spawner_dir()?;
        let mut limits = Limits::default();
        limits.output = self.default_output;
        let mut builder =
            Authority::builder().remedy(remedy).runtime_dir(spawner_dir).scope_lock(&self.scope_lock);
        match &self.granted {
            Granted::Everything => builder = builder.grant(Grant::all()),
            Granted::These(grants) => {
                for grant in grants {
                    builder = builder.grant(grant.clone());
                }
            }
            // What has not been read grants nothing.
            Granted::InFile(path) => builder = builder.grants_file(path),
        }
        if let Some(file) = file {
            for grant in file.grants.iter().flatten() {
                builder = builder.grant(grant.value.clone());
            }
            file.given_limits().apply(&mut limits);
        }
        self.limits.apply(&mut limits);
        let listed = file.and_then(|file| file.allow_sockets.as_ref());
        let directories = match listed {
            _ if !self.allow_sockets.is_empty() => self.allow_sockets.clone(),
            Some(listed) => listed.iter().map(|directory| directory.value.clone()).collect(),
            None => vec![self.base_dir.clone(), spawner_dir.to_owned()],
        };
        for directory in directories {
            builder = builder.allow_sockets(directory);
        }
        if let Some(earlier) = earlier {
            builder = builder.replaces(earlier);
        }
        builder.limits(limits).build().map_err(explained)
    }

    /// The audit log, if there is to be one. `component` is what calls are made of, in its SHA-256.
    pub fn audit_log(&self, component: Option<&str>) -> Result<Option<AuditLog>, AuditError> {
        self.audit.as_deref().map(|file| AuditLog::open(file, component)).transpose()
    }
}
