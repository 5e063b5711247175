//! Where a program is installed: what of the disk it needs beside its own file. Programs of npm are scripts in a directory
//! with all that they import, and are run by a Node that may be anywhere.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::pod::fence::has_programs;
use crate::pod::program;

/// The longest first line of a script that the system reads.
const FIRST_LINE: u64 = 256;

/// What a program needs of the disk.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Installation {
    /// What it reads: directories and files, without links.
    pub reads: Vec<PathBuf>,
    /// The directory in which the program is that runs it, where it looks for that by `PATH`.
    pub path: Option<PathBuf>,
}

impl Installation {
    /// Of a program in this file, which is one without links.
    pub fn of(file: &Path) -> Installation {
        let mut installation = Installation::default();
        // The outermost one: what a package imports is beside it as often as in it.
        let modules = file.ancestors().filter(|above| above.ends_with("node_modules")).last();
        installation.reads.extend(modules.filter(|modules| !has_programs(modules)).map(Path::to_owned));
        let interpreter = Interpreter::of(file).and_then(|interpreter| interpreter.file());
        if let Some(interpreter) = interpreter.filter(|interpreter| !has_programs(interpreter)) {
            installation.path = interpreter.parent().map(Path::to_owned);
            installation.reads.push(interpreter);
        }
        installation
    }
}

/// What runs a script.
#[derive(Debug, PartialEq, Eq)]
struct Interpreter(String);

impl Interpreter {
    fn of(script: &Path) -> Option<Interpreter> {
        let mut line = Vec::new();
        File::open(script).ok()?.take(FIRST_LINE).read_to_end(&mut line).ok()?;
        let line = line.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
        let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
        let first = words.next()?;
        if !first.ends_with("/env") {
            return Some(Interpreter(first.to_owned()));
        }
        let name = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
        Some(Interpreter(name.to_owned()))
    }

    fn file(&self) -> Option<PathBuf> {
        program::find(self.0.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_script_names_what_runs_it_and_a_program_does_not() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("program");
        for (text, interpreter) in [
            ("#!/usr/bin/env node\ncode", Some("node")),
            ("#!/usr/bin/env -S A=b node --flag\n", Some("node")),
            ("#! /bin/sh -e\n", Some("/bin/sh")),
            ("#!", None),
            ("\u{7f}ELF", None),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(Interpreter::of(&file).map(|it| it.0).as_deref(), interpreter, "{text:?}");
        }
    }

    #[test]
    fn a_program_of_npm_reads_what_is_installed_beside_it() {
        let dir = tempfile::TempDir::new().unwrap();
        let modules = dir.path().join("node_modules");
        let package = modules.join("@a/b/node_modules/c");
        std::fs::create_dir_all(&package).unwrap();
        let file = package.join("cli.js");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        // What runs it is where all programs are, which can be read anyway.
        assert_eq!(Installation::of(&file), Installation { reads: vec![modules], path: None });
        let runs = dir.path().canonicalize().unwrap().join("node");
        std::fs::write(&runs, "").unwrap();
        std::fs::set_permissions(&runs, std::fs::Permissions::from_mode(0o755)).unwrap();
        let script = dir.path().join("script");
        std::fs::write(&script, format!("#!{}\n", runs.display())).unwrap();
        let path = runs.parent().map(Path::to_owned);
        assert_eq!(Installation::of(&script), Installation { reads: vec![runs], path });
        assert_eq!(Installation::of(Path::new("/bin/cat")), Installation::default());
    }
}
