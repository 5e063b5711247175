//! The options once more as arguments: for another process that is to work on the same pods, with the same
//! rights, whatever directory and environment it is started in.

use std::path::Path;

use anyhow::Context;

use super::{Granted, HostOptions};

impl HostOptions {
    /// Arguments that say what these options say, with absolute paths. The base is always among them: an
    /// agent's runtime hands its servers few variables, and `XDG_RUNTIME_DIR` is mostly not one of them.
    ///
    /// # Errors
    ///
    /// Fails for paths that are not UTF-8: no configuration file can hold them.
    pub fn arguments(&self) -> anyhow::Result<Vec<String>> {
        let mut arguments = Vec::new();
        let mut add = |option: &str, value: String| arguments.extend([format!("--{option}"), value]);
        add("base-dir", text(&self.base_dir)?);
        if !self.operators {
            add("runtime-dir", text(&self.spawner_dir)?);
        }
        if self.scope_lock != self.base_dir.join("scope.lock") {
            add("scope-lock", text(&self.scope_lock)?);
        }
        if let Some(component) = &self.component {
            add("component", text(component)?);
        }
        match &self.granted {
            Granted::Everything => {}
            Granted::These(grants) => grants.iter().for_each(|grant| add("grant", grant.to_string())),
            Granted::InFile(file) => add("grants", text(file)?),
        }
        for directory in &self.allow_sockets {
            add("allow-sockets", text(directory)?);
        }
        if let Some(file) = &self.audit {
            add("audit", text(file)?);
        }
        for setting in &self.limits.0 {
            add(setting.limit.name, setting.text.clone());
        }
        Ok(arguments)
    }

    /// Nothing was said about grants, and so everything is granted.
    pub fn grants_everything(&self) -> bool {
        matches!(self.granted, Granted::Everything)
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    let path =
        std::path::absolute(path).with_context(|| format!("{} has no absolute path", path.display()))?;
    let text = path.into_os_string().into_string();
    text.map_err(|path| anyhow::anyhow!("{} is not UTF-8, as a configuration has to be", path.display()))
}
