//! The fence around a pod's command. What tries to get out is `tests/hostile/agent`; its attempts are listed, with what
//! refuses each, in `tests/hostile/README.md`.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::thread;

use crate::harness::{Pod, World, deltas};

/// What may be without success where there is no fence either, as the machine lets nobody do it, or not this user.
const NOT_EVERYWHERE: [&str; 5] = [
    "changes_its_root",
    "connects_by_mptcp",
    "makes_a_device",
    "opens_a_file_by_its_number",
    "sets_a_variable_of_the_kernel",
];

/// What the agent is to leave alone, and what it is told of it.
struct Outside {
    world: World,
    arguments: Vec<String>,
    _listeners: (UnixListener, UnixListener),
    _other: Pod,
    memory: i32,
}

impl Outside {
    fn new() -> Outside {
        let world = World::new();
        let (scope, outside, home) = (world.work_dir("scope"), world.work_dir("outside"), world.work_dir("home"));
        fs::write(outside.join("secret"), "a secret\n").unwrap();
        fs::write(outside.join("empty"), "").unwrap();
        fs::write(outside.join("program"), "#!/bin/sh\necho a secret\n").unwrap();
        fs::set_permissions(outside.join("program"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink(outside.join("secret"), scope.join("found")).unwrap();
        fs::create_dir_all(home.join(".cache/pod-tools")).unwrap();

        let service = UnixListener::bind(outside.join("service")).unwrap();
        let name = format!("pod-tools-fence-{}", std::process::id());
        let by_name = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        // It ends with the test's process.
        thread::spawn(move || server.incoming().flatten().for_each(|mut client| drop(client.write_all(b"hello"))));
        // SAFETY: numbers go in, and the number of a new memory comes out.
        let memory = unsafe { libc::shmget(libc::IPC_PRIVATE, 4096, libc::IPC_CREAT | 0o600) };
        let other = world.pod("other", &[], &["cat"]);

        let base = world.base().canonicalize().unwrap();
        let arguments = [
            ("scope", scope.display().to_string()),
            ("outside", outside.display().to_string()),
            ("base", base.display().to_string()),
            ("home", home.display().to_string()),
            ("port", port.to_string()),
            ("abstract", name),
            ("memory", memory.to_string()),
            ("handle", handle(&outside.join("secret"))),
        ];
        let arguments = arguments.map(|(key, value)| format!("{key}={value}")).into();
        Outside { world, arguments, _listeners: (service, by_name), _other: other, memory }
    }

    /// A pod with the agent as its command.
    fn pod(&self, name: &str, options: &[&str]) -> Pod {
        let scope = format!("write:{}", self.world.path("scope").display());
        let command = [&[agent().display().to_string()][..], &self.arguments].concat();
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        self.world.pod_by(self.command(), name, &[&["--scope", &scope], options].concat(), &words)
    }

    fn command(&self) -> std::process::Command {
        let mut command = self.world.command(&self.world.base());
        command.env("HOME", self.world.path("home")).env_remove("XDG_CACHE_HOME").env_remove("XDG_CONFIG_HOME");
        command
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        // SAFETY: the memory is this test's.
        unsafe { libc::shmctl(self.memory, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

/// The program that tries to get out.
fn agent() -> PathBuf {
    let agent = Path::new(env!("CARGO_BIN_EXE_pod-tools")).with_file_name("fence-agent");
    assert!(agent.exists(), "build the whole workspace: `{}` is not there", agent.display());
    agent
}

/// The number of a file in its file system, as the kernel writes it, in hexadecimal digits.
fn handle(file: &Path) -> String {
    let path = CString::new(file.as_os_str().as_bytes()).unwrap();
    let mut handle = [0_u8; 8 + 128];
    handle[..4].copy_from_slice(&128_u32.to_ne_bytes());
    let mut mount = 0;
    // SAFETY: the handle has the room that stands at its beginning.
    let done = unsafe {
        libc::syscall(libc::SYS_name_to_handle_at, libc::AT_FDCWD, path.as_ptr(), handle.as_mut_ptr(), &raw mut mount, 0)
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    handle.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the agent says of an attempt.
fn attempt(pod: &Pod, name: &str) -> String {
    let mut client = pod.connect();
    client.run(&format!("{name} pod={}", pod.id()));
    let events = client.until_either("run_end", "error");
    let last = &events[events.len() - 1];
    assert_eq!(last["event"], "run_end", "{name}: {last}");
    deltas(&events).trim().to_owned()
}

/// The attempts in the table of the README.
fn written_down() -> BTreeSet<String> {
    let readme = include_str!("../../../../tests/hostile/README.md");
    let (_, table) = readme.split_once("\n## From behind the fence\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn each_attempt_succeeds_without_the_fence_and_none_behind_it() {
    let outside = Outside::new();
    let free = outside.pod("free", &["--enforce", "off"]);
    let list = attempt(&free, "list");
    let attempts: Vec<&str> = list.lines().collect();
    assert_eq!(attempts.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), written_down());
    let told: Vec<String> = attempts.iter().map(|name| attempt(&free, name)).collect();
    for (name, told) in attempts.iter().zip(&told) {
        assert!(told == "out" || NOT_EVERYWHERE.contains(name), "without the fence, {name}: {told}");
    }
    let counted = told.iter().filter(|told| *told == "out").count();
    assert!(counted >= 30, "only {counted} succeed without the fence");
    drop(free);

    // It says itself that it is whole.
    let fenced = outside.pod("fenced", &[]);
    assert_eq!(fenced.json("status.json")["fence"], serde_json::json!({"enforce": "strict"}));
    let out: Vec<String> = attempts
        .iter()
        .map(|name| format!("{name}: {}", attempt(&fenced, name)))
        .filter(|told| !told.contains(": refused: "))
        .collect();
    assert!(out.is_empty(), "behind the fence: {out:#?}");
    assert_eq!(fs::read_to_string(outside.world.path("outside/secret")).unwrap(), "a secret\n");
}
