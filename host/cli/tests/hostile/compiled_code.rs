//! Compiled code in the cache, which runs with all rights: planted, torn, or left open to others.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::{self, snapshot};
use crate::stranger::{give_away, is_root, mode, place_with_pod};

/// The files beneath a directory, and it itself, each with its permissions.
fn modes(directory: &Path) -> Vec<(PathBuf, u32)> {
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    let mut found = vec![(directory.to_owned(), mode(directory))];
    found.extend(snapshot(directory).into_keys().map(|path| (path.clone(), mode(&path))));
    found
}

#[test]
fn finds_compiled_code_that_a_careless_umask_left_open() {
    let (place, _pod) = place_with_pod();
    let home = place.root().join("cache");
    for _ in 0..2 {
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask 000; exec \"$@\"", "sh"]).arg(env!("CARGO_BIN_EXE_pod-tools"));
        shell.args(["call", "ListPods"]).args(place.options()).env("XDG_CACHE_HOME", &home);
        let said = cli::run(shell);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
        let found = modes(&home);
        assert!(found.iter().any(|(path, _)| path.is_file()), "nothing is cached");
        for (path, mode) in found {
            assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        }
    }
}

#[test]
fn plants_compiled_code() {
    let (place, _pod) = place_with_pod();
    let home = place.root().join("cache");
    let cache = home.join("pod-tools");
    let list = || {
        let mut command = cli::at(&place, ["call", "ListPods", "--json"]);
        command.env("XDG_CACHE_HOME", &home);
        cli::run(command)
    };
    list().ok();
    let code = snapshot(&cache).into_keys().find(|path| path.is_file()).unwrap();
    // Others get there.
    mode(&home, 0o755);
    mode(&cache, 0o755);
    let content = fs::read(&code).unwrap();
    let plants: [(&str, &dyn Fn()); 5] = [
        ("others than you can write to it", &|| mode(&code, 0o666)),
        ("a symbolic link", &|| {
            fs::rename(&code, home.join("elsewhere")).unwrap();
            symlink(home.join("elsewhere"), &code).unwrap();
        }),
        ("a FIFO", &|| {
            fs::remove_file(&code).unwrap();
            assert!(Command::new("mkfifo").arg(&code).status().unwrap().success());
        }),
        ("others than you can write to its directory", &|| mode(&cache, 0o777)),
        ("another user", &|| assert!(give_away(&code) || !is_root())),
    ];
    for (why, plant) in plants {
        mode(&cache, 0o755);
        let _ = fs::remove_file(&code);
        fs::write(&code, &content).unwrap();
        mode(&code, 0o600);
        plant();
        let said = list();
        said.ok();
        if why.ends_with("its directory") {
            let remedy = format!("`chmod go-w {}`", cache.display());
            assert!(said.stderr.contains(&remedy), "{remedy}: {}", said.stderr);
        }
        if why != "another user" || is_root() {
            assert!(said.stderr.contains(why), "{why}: {}", said.stderr);
        }
    }
}

#[test]
fn tears_compiled_code() {
    let (place, _pod) = place_with_pod();
    let home = place.root().join("cache");
    let list = || {
        let mut command = cli::at(&place, ["call", "ListPods", "--json"]);
        command.env("XDG_CACHE_HOME", &home);
        cli::run(command).ok()
    };
    list();
    let code = snapshot(&home).into_keys().find(|path| path.is_file()).unwrap();
    let content = fs::read(&code).unwrap();
    for at in (0..content.len()).step_by(content.len() / 8) {
        let mut changed = content.clone();
        changed[at] ^= 0x10;
        fs::write(&code, &changed).unwrap();
        list();
        assert!(fs::read(&code).unwrap() == content, "it was not compiled again");
        fs::write(&code, &content[..at]).unwrap();
        list();
    }
}
