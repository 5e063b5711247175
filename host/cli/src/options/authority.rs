//! From the options to what they stand for: the authority, the pods that there are, the audit log.

use std::path::Path;

use pod_tools_host::registry::{FileRegistry, Record, Registry};
use pod_tools_host::{Authority, Grant, Limits, Setting, ToolError};

use super::remedy::{explained, remedy};
use super::{Audience, Granted, HostOptions};
use crate::audit::{AuditError, AuditLog};
use crate::grants_file::{GrantsFile, Placed, exposures};
use crate::operator_log::OPERATOR;

impl HostOptions {
    /// The pods that are recorded now. Makes no directory.
    pub fn records(&self) -> anyhow::Result<Vec<Record>> {
        if self.operators && !self.spawner_dir.exists() {
            return Ok(Vec::new());
        }
        let registry = FileRegistry::open(&self.spawner_dir).map_err(explained)?;
        Ok(registry.load().map_err(explained)?.records.iter().map(|record| (**record).clone()).collect())
    }

    /// Warns in the operator's log where a model that is served could change what it is granted: itself, or
    /// through a pod.
    pub fn warn_of_exposure(&self, grants_file: &Path) {
        let Audience::Model { directory } = &self.audience else { return };
        // A registry that cannot be read is told of by the calls.
        let records = self.records().unwrap_or_default();
        for why in exposures(grants_file, directory.as_deref(), &records) {
            tracing::warn!(target: OPERATOR, "{}: {why}", grants_file.display());
        }
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
        let grants = file.and_then(|file| file.grants.as_deref()).unwrap_or_default();
        self.authority_with(grants, file, earlier)
    }

    /// The same with these grants of the file, and none of its others.
    pub fn authority_with(
        &self,
        grants: &[Placed<Grant>],
        file: Option<&GrantsFile>,
        earlier: Option<&Authority>,
    ) -> Result<Authority, ToolError> {
        let spawner_dir = self.spawner_dir()?;
        let mut limits = Limits::default();
        limits.output = self.default_output;
        let is_operator = matches!(self.audience, Audience::Operator);
        let mut builder = Authority::builder()
            .remedy(if is_operator { remedy } else { remedy_for_a_model })
            .runtime_dir(spawner_dir)
            .scope_lock(&self.scope_lock);
        match &self.granted {
            Granted::Everything => builder = builder.grant(Grant::all()),
            Granted::These(grants) => {
                for grant in grants {
                    builder = builder.grant(grant.clone());
                }
            }
            // What has not been read grants nothing.
            Granted::InFile(path) if is_operator => builder = builder.grants_file(path),
            Granted::InFile(_) => {}
        }
        for grant in grants {
            builder = builder.grant(grant.value.clone());
        }
        if let Some(file) = file {
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
        let authority = builder.limits(limits).build().map_err(explained)?;
        Ok(match &self.reader {
            Some(reader) => authority.read_by(reader.clone()),
            None => authority,
        })
    }

    /// The audit log, if there is to be one. `component` is what calls are made of, in its SHA-256.
    pub fn audit_log(&self, component: Option<&str>) -> Result<Option<AuditLog>, AuditError> {
        self.audit.as_deref().map(|file| AuditLog::open(file, component)).transpose()
    }
}

/// The remedy as a model is told it: what it may reach is not its to change, so that is left out.
fn remedy_for_a_model(setting: Setting) -> &'static str {
    if setting == Setting::AllowedSockets { "" } else { remedy(setting) }
}
