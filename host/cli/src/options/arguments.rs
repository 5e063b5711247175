//! The options once more as arguments: for another process that is to work on the same pods, with the same
//! rights, whatever directory and environment it is started in.

use std::path::Path;

use anyhow::Context;
use pod_tools_host::Grant;

use super::{Granted, HostOptions};
use crate::artifacts::Source;

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
        match &self.loading.component {
            Some(Source::File(file)) => add("component", text(file)?),
            Some(Source::Registry(reference)) => add("component", reference.to_string()),
            None => {}
        }
        if let Some(file) = &self.loading.verify_key {
            add("verify-key", text(file)?);
        }
        for registry in &self.loading.plain_http {
            add("plain-http", registry.to_string());
        }
        if let Some(time) = self.loading.load_timeout {
            add("load-timeout", format!("{}ms", time.as_millis()));
        }
        if let Some(bytes) = self.loading.max_component {
            add("max-component", bytes.to_string());
        }
        if let Some(bytes) = self.loading.compiler_memory {
            add("compiler-memory", bytes.to_string());
        }
        match &self.granted {
            Granted::Everything => {}
            Granted::These(grants) => grants.iter().for_each(|grant| add("grant", written(grant))),
            Granted::InFile(file) => add("grants", text(file)?),
        }
        for directory in &self.allow_sockets {
            add("allow-sockets", text(directory)?);
        }
        if let Some(file) = &self.audit {
            add("audit", text(file)?);
        }
        if let Some(reader) = &self.reader {
            add("reader", reader.to_string());
        }
        for setting in &self.limits.0 {
            add(setting.limit.name, setting.text.clone());
        }
        if self.loading.require_signature {
            arguments.push("--require-signature".to_owned());
        }
        Ok(arguments)
    }

    /// Nothing was said about grants, and so everything is granted.
    pub fn grants_everything(&self) -> bool {
        matches!(self.granted, Granted::Everything)
    }
}

/// A grant to the letter. Shown to people, what could steer a terminal is escaped in it.
fn written(grant: &Grant) -> String {
    let verbs: Vec<&str> = grant.verbs().iter().map(|verb| verb.as_str()).collect();
    format!("{}:{}", verbs.join(","), grant.pattern())
}

fn text(path: &Path) -> anyhow::Result<String> {
    let path =
        std::path::absolute(path).with_context(|| format!("{} has no absolute path", path.display()))?;
    let text = path.into_os_string().into_string();
    text.map_err(|path| anyhow::anyhow!("{} is not UTF-8, as a configuration has to be", path.display()))
}

#[cfg(test)]
mod tests {
    use crate::options::HostOptions;

    fn arguments(given: &[&str]) -> Vec<String> {
        HostOptions::parsed(&[&["--base-dir", "/base"], given].concat()).arguments().unwrap()
    }

    #[test]
    fn the_base_is_always_there_and_defaults_are_not() {
        assert_eq!(arguments(&[]), ["--base-dir", "/base"]);
        assert_eq!(arguments(&["--scope-lock", "/base/scope.lock"]), ["--base-dir", "/base"]);
    }

    #[test]
    fn what_was_given_is_given_again_and_says_the_same() {
        let given = [
            "--runtime-dir",
            "/me",
            "--scope-lock",
            "/lock",
            "--component",
            "/plugin.wasm",
            "--verify-key",
            "/key.pub",
            "--plain-http",
            "mirror.example:5000",
            "--load-timeout",
            "250ms",
            "--max-component",
            "4096",
            "--compiler-memory",
            "268435456",
            "--grants",
            "/grants.toml",
            "--allow-sockets",
            "/a",
            "--allow-sockets",
            "/b",
            "--audit",
            "/audit.jsonl",
            "--reader",
            "the reviewer",
            "--op-timeout",
            "250ms",
            "--max-output",
            "64KiB",
            "--require-signature",
        ];
        let again = arguments(&given);
        assert_eq!(again, [&["--base-dir", "/base"], &given[..]].concat());
        assert_eq!(arguments(&again.iter().skip(2).map(String::as_str).collect::<Vec<_>>()), again);
        assert_eq!(
            arguments(&["--spawner", "me", "--grant", "list", "--grant", "read,send:a\n*"])[2..],
            ["--runtime-dir", "/base/me", "--grant", "list:*", "--grant", "read,send:a\n*"]
        );
    }

    #[test]
    fn a_reference_is_given_on_as_it_is() {
        let reference = format!("oci://registry.example/owner/plugin:1@sha256:{}", "0".repeat(64));
        assert_eq!(arguments(&["--component", &reference])[2..], ["--component", &reference]);
    }

    #[test]
    fn relative_paths_become_absolute() {
        let here = std::env::current_dir().unwrap();
        let grants = here.join("grants.toml");
        assert_eq!(arguments(&["--grants", "grants.toml"])[2..], ["--grants", grants.to_str().unwrap()]);
    }
}
