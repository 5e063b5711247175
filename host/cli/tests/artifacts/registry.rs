//! A registry: the real one of Debian's package `docker-registry`, on a loopback address.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A registry that runs until it is dropped.
pub struct Registry {
    process: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// Where it keeps what was pushed.
    storage: PathBuf,
    /// The name and the password that it asks for.
    pub login: Option<(String, String)>,
    _directory: Option<tempfile::TempDir>,
}

impl Registry {
    /// One that lets in anybody; `None`, said in the log, where this machine has no registry.
    pub fn start() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let storage = directory.path().join("storage");
        Self::start_with(Some(directory), storage, false)
    }

    /// One that lets in a single user.
    pub fn start_with_login() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let storage = directory.path().join("storage");
        Self::start_with(Some(directory), storage, true)
    }

    /// Another with the same content, under another name.
    pub fn mirror(&self) -> Self {
        Self::start_with(None, self.storage.clone(), false).unwrap()
    }

    fn start_with(directory: Option<tempfile::TempDir>, storage: PathBuf, login: bool) -> Option<Self> {
        let Some(program) = program() else {
            eprintln!("not run: this machine has no docker-registry");
            return None;
        };
        let place = storage.parent().unwrap();
        let file = tempfile::NamedTempFile::new_in(place).unwrap();
        let access =
            format!("auth: {{htpasswd: {{realm: here, path: {}}}}}\n", place.join("passwords").display());
        let configuration = format!(
            "version: 0.1\nlog: {{level: info, formatter: json}}\nhttp: {{addr: \"127.0.0.1:0\"}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\n{}",
            storage.display(),
            if login { &access } else { "" }
        );
        fs::write(file.path(), configuration).unwrap();
        let mut process = Command::new(program)
            .arg("serve")
            .arg(file.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut given = None;
        let address = said.by_ref().find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if let (Some(user), Some(password)) = (line["user"].as_str(), line["password"].as_str()) {
                given = Some((user.to_owned(), password.to_owned()));
            }
            Some(line["msg"].as_str()?.strip_prefix("listening on ")?.to_owned())
        });
        let address = address.expect("the registry says where it listens");
        // What it says later must not stop it.
        std::thread::spawn(move || said.for_each(drop));
        Some(Self { process, address, storage, login: given, _directory: directory })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain([Path::new("/usr/bin").to_owned()])
        .map(|directory| directory.join("docker-registry"))
        .find(|file| file.is_file())
}
