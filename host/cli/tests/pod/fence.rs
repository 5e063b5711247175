//! The fence around a pod's command. What tries to get out is `tests/hostile/agent`; its attempts are listed, with what
//! refuses each, in `tests/hostile/README.md`, which that crate's own test compares with it.

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

use serde_json::Value;

use crate::harness::{Client, Pod, World, deltas, eventually};

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
        let (scope, outside, home) =
            (world.work_dir("scope"), world.work_dir("outside"), world.work_dir("home"));
        fs::write(outside.join("secret"), "a secret\n").unwrap();
        fs::write(outside.join("empty"), "").unwrap();
        fs::write(outside.join("program"), "#!/bin/sh\necho a secret\n").unwrap();
        fs::set_permissions(outside.join("program"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink(outside.join("secret"), scope.join("found")).unwrap();
        fs::create_dir_all(home.join(".cache/pod-tools")).unwrap();

        let service = UnixListener::bind(outside.join("service")).unwrap();
        let name = format!("pod-tools-fence{}", outside.display());
        let by_name = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        // It ends with the test's process.
        thread::spawn(move || {
            server.incoming().flatten().for_each(|mut client| drop(client.write_all(b"hello")))
        });
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
        command
            .env("HOME", self.world.path("home"))
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_CONFIG_HOME");
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
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            path.as_ptr(),
            handle.as_mut_ptr(),
            &raw mut mount,
            0,
        )
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

#[test]
fn each_attempt_succeeds_without_the_fence_and_none_behind_it() {
    let outside = Outside::new();
    let free = outside.pod("free", &["--enforce", "off"]);
    let list = attempt(&free, "list");
    let attempts: Vec<&str> = list.lines().collect();
    let told: Vec<String> = attempts.iter().map(|name| attempt(&free, name)).collect();
    for (name, told) in attempts.iter().zip(&told) {
        assert!(told == "out" || NOT_EVERYWHERE.contains(name), "without the fence, {name}: {told}");
    }
    let readme = include_str!("../../../../README.md");
    assert!(
        readme.contains(&format!("{} ways out were tried", attempts.len())),
        "there are {}",
        attempts.len()
    );
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

/// What a command of `sh` in a pod with that scope answers.
fn told_by(world: &World, options: &[&str], script: &str) -> String {
    let pod = world.pod("x", options, &["sh", "-c", &format!("exec 2>&1; {script}; true")]);
    let mut client = pod.connect();
    client.run("");
    let events = client.until_either("run_end", "error");
    deltas(&events)
}

fn rule(kind: &str, directory: &Path) -> String {
    format!("{kind}:{}", directory.display())
}

#[test]
fn a_command_does_within_its_scope_what_the_scope_says() {
    let world = World::new();
    let (written, read, also) = (world.work_dir("written"), world.work_dir("read"), world.work_dir("also"));
    for directory in [&read, &also] {
        fs::write(directory.join("file"), "found\n").unwrap();
    }
    let script = format!(
        "pwd; cd {written}; mkdir d && echo new >d/file && mv d/file file && ln file d/hard && chmod 600 file && cat d/hard; \
         cat {read}/file {also}/file; echo changed >{read}/file || echo kept; chmod 777 {read}/file || echo kept; \
         echo x >/tmp/x && cat /tmp/x >/dev/null && echo $TMPDIR; sort </etc/passwd >/dev/null && echo sorted",
        written = written.display(),
        read = read.display(),
        also = also.display(),
    );
    let (written_rule, read_rule, also_rule) =
        (rule("write", &written), rule("read", &read), rule("read", &also));
    let options = ["--scope", &*written_rule, "--scope", &read_rule, "--also", &also_rule];
    let told = told_by(&world, &options, &script);
    let lines: Vec<&str> = told.lines().filter(|line| !line.contains(": ")).collect();
    let begins = world.base().parent().unwrap().canonicalize().unwrap().display().to_string();
    assert_eq!(lines, [&*begins, "new", "found", "found", "kept", "kept", "/tmp", "sorted"], "{told}");
    assert_eq!(fs::read_to_string(written.join("file")).unwrap(), "new\n");
}

#[test]
fn of_a_flat_directory_the_command_has_what_is_directly_in_it() {
    let world = World::new();
    let (flat, deep) = (world.work_dir("flat"), world.work_dir("flat/deep"));
    fs::write(flat.join("file"), "shallow").unwrap();
    fs::write(deep.join("file"), "deep").unwrap();
    let script =
        format!("cd {}; cat file; echo x >new && cat new; cat deep/file; mkdir more", flat.display());
    let told = told_by(&world, &["--scope", &rule("write-flat", &flat)], &script);
    assert!(told.starts_with("shallowx\n") && !told.contains("deep\n"), "{told}");
    assert!(told.contains("deep/file: No such file") && !flat.join("more").exists(), "{told}");
}

#[test]
fn pods_and_the_operators_state_are_out_of_sight_in_a_scope_that_holds_them() {
    let outside = Outside::new();
    // All of it: the base directory, the operator's cache, what else there is.
    let all = rule("write", outside.world.base().parent().unwrap());
    let pod = outside.pod("wide", &["--also", &all]);
    assert_eq!(attempt(&pod, "reads_by_an_absolute_path"), "out");
    for name in [
        "reads_the_directory_of_a_pod",
        "opens_the_scope_lock",
        "lies_about_its_own_state",
        "reads_the_registry_of_the_operator",
        "writes_to_the_cache_of_compiled_code",
        "opens_the_lock_of_its_life_to_write",
        "changes_the_mode_of_the_lock_of_its_life",
        "opens_a_file_by_its_number",
        "connects_to_another_pod",
    ] {
        assert!(attempt(&pod, name).starts_with("refused: "), "{name}");
    }
    drop(pod);
    // Nor can what is above them be moved away, and something else be put in its place.
    let home = outside.world.work_dir("home");
    let script = format!(
        "mv {0} {0}.away; mv {1} {1}.away",
        home.join(".cache").display(),
        outside.world.base().display()
    );
    let script = format!("exec 2>&1; {script}; true");
    let pod = outside.world.pod_by(outside.command(), "y", &["--scope", &all], &["sh", "-c", &script]);
    let mut client = pod.connect();
    client.run("");
    let told = deltas(&client.until_either("run_end", "error"));
    assert_eq!(told.lines().filter(|line| line.contains("busy")).count(), 2, "{told}");
    assert!(outside.world.base().join("other").exists(), "{told}");
}

#[test]
fn a_scope_among_the_pods_is_refused_and_so_is_the_root_directory() {
    let world = World::new();
    fs::create_dir_all(world.base().join("within")).unwrap();
    let within = rule("read", &world.base().join("within"));
    for (scope, reason) in
        [(&*within, "lies within"), ("read:/", "cannot be behind a fence"), ("read:/proc/self", "cannot")]
    {
        let (code, said) = world.refused("x", &["--scope", scope], &["cat"]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(reason), "{said}");
        assert!(world.traces("x").is_empty());
    }
    let (_, said) = world.refused("x", &["--connect-port", "443"], &["cat"]);
    assert!(said.contains("--enforce strict"), "{said}");
}

#[test]
fn with_a_port_that_is_named_no_other_is_connected_to_by_any_protocol() {
    let outside = Outside::new();
    let port = outside.arguments.iter().find_map(|argument| argument.strip_prefix("port=")).unwrap();
    let pod = outside.pod("open", &["--connect-port", port]);
    assert_eq!(attempt(&pod, "connects_by_tcp"), "out");
    drop(pod);
    let pod = outside.pod("other-port", &["--connect-port", "1"]);
    for name in [
        "connects_by_tcp",
        "connects_by_mptcp",
        "connects_by_data_in_the_first_packet",
        "listens_by_tcp",
        "connects_to_an_abstract_socket",
    ] {
        assert!(attempt(&pod, name).starts_with("refused: "), "{name}");
    }
    // As the README says.
    assert_eq!(attempt(&pod, "sends_by_udp"), "out");
}

#[test]
fn a_pod_that_is_started_behind_a_fence_reaches_nothing_that_its_parent_does_not() {
    let world = World::new();
    let (scope, outside) = (world.work_dir("scope"), world.work_dir("outside"));
    fs::write(outside.join("secret"), "a secret").unwrap();
    fs::write(scope.join("sibling"), "a sibling").unwrap();
    fs::create_dir(scope.join("part")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_pod-tools"));
    let start = |enforce: &str| {
        format!(
            "exec {program} --base-dir {scope}/base pod inner --enforce {enforce} --scope read:{scope}/part \
             -- sh -c 'cat {scope}/sibling {outside}/secret 2>&1; true'",
            program = program.display(),
            scope = scope.display(),
            outside = outside.display(),
        )
    };
    let (scope_rule, also) = (rule("write", &scope), rule("read", program.parent().unwrap()));
    let options = ["--scope", &*scope_rule, "--also", &also];

    // Whole it cannot be.
    let pod = world.pod("outer", &options, &["sh", "-c", &start("strict")]);
    let mut client = pod.connect();
    client.run("");
    let failed = client.data("error");
    let said = failed["message"].as_str().unwrap();
    assert!(said.contains("itself behind a fence") && said.contains("--enforce best-effort"), "{said}");
    drop(pod);

    for (enforce, sibling) in [("off", true), ("best-effort", false)] {
        let pod = world.pod("outer", &options, &["sh", "-c", &start(enforce)]);
        pod.connect().run("");
        let inner = scope.join("base/inner");
        eventually("the inner pod is ready", || inner.join("status.json").exists());
        let mut client = Client::of(&inner);
        client.run("");
        let told = deltas(&client.until("run_end"));
        assert!(told.contains("No such file") && !told.contains("a secret"), "{told}");
        assert_eq!(told.contains("a sibling"), sibling, "{enforce}: {told}");
        let status: Value = serde_json::from_slice(&fs::read(inner.join("status.json")).unwrap()).unwrap();
        let fence = &status["fence"];
        assert_eq!(fence["enforce"], enforce);
        assert_eq!(
            fence["missing"].as_array().is_some_and(|missing| !missing.is_empty()),
            enforce == "best-effort"
        );
        client.send("shutdown");
        client.until("shutdown");
        eventually("the inner pod is gone", || !inner.exists());
    }
}

#[test]
fn what_a_fenced_command_leaves_behind_counts_as_its_pods_life_and_ends_with_it() {
    let world = World::new();
    let work = world.work_dir("work");
    let fifo = world.fifo("work/held");
    let pod = world.pod(
        "x",
        &["--scope", &rule("write", &work)],
        &["sh", "-c", "setsid sh -c 'cat work/held' & echo left"],
    );
    let mut client = pod.connect();
    client.run("");
    assert_eq!(deltas(&client.until("run_end")), "left\n");
    // It is at the FIFO, and when it is gone writing fails.
    let mut writer = fifo.open();
    client.send("shutdown");
    client.until("shutdown");
    while client.next().is_some() {}
    let gone = (0..100).any(|_| writer.write_all(b"x").is_err());
    assert!(gone, "it lives");
}
