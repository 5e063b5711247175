//! What a case needs besides sockets and files: of the host, which may declare that it lacks it, or of the
//! machine, which is asked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Whose a need is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The host's: where it is lacking, the host's profile says so, and the case is "not supported".
    Host,
    /// The machine's: where it is lacking, the case is "not run".
    Machine,
}

macro_rules! needs {
    ($($(#[doc = $about:literal])+ $variant:ident = $word:literal, $owner:ident;)*) => {
        /// What a case needs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Need { $($(#[doc = $about])+ $variant,)* }

        impl Need {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word for it in profiles and reports.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What it is.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => concat!($($about),+),)* }
            }

            /// Whose it is.
            pub const fn owner(self) -> Owner {
                match self { $(Self::$variant => Owner::$owner,)* }
            }
        }
    };
}

needs! {
    /// `--grant`: verbs and patterns are checked.
    Grants = "grants", Host;
    /// `--allow-sockets`, and sockets resolved beneath it with no symbolic link on the way.
    SocketPaths = "socket-paths", Host;
    /// The user at the other end of a socket is asked for.
    PeerCredentials = "peer-credentials", Host;
    /// The scope table is read and changed under its lock.
    ScopeLock = "scope-lock", Host;
    /// What a crash left of the scope table is finished or dropped, as `scope.lock.next` says.
    ScopeRecovery = "scope-recovery", Host;
    /// Read cursors are kept in `read_cursors.json` and outlive the process.
    CursorsOnDisk = "cursors-on-disk", Host;
    /// All limits; a profile that lacks this lacks each of them.
    Limits = "limits", Host;
    /// `--op-timeout`
    OpTimeout = "op-timeout", Host;
    /// `--call-timeout`
    CallTimeout = "call-timeout", Host;
    /// `--cpu-time`
    CpuTime = "cpu-time", Host;
    /// `--memory`
    Memory = "memory", Host;
    /// `--max-line`
    MaxLine = "max-line", Host;
    /// `--max-output`
    MaxOutput = "max-output", Host;
    /// `--max-transfer`
    MaxTransfer = "max-transfer", Host;
    /// `--max-data`
    MaxData = "max-data", Host;
    /// `--table-elements`
    TableElements = "table-elements", Host;
    /// `--instances`
    Instances = "instances", Host;
    /// `--host-calls`
    HostCalls = "host-calls", Host;
    /// `--handles`
    Handles = "handles", Host;
    /// `--exchanges`
    Exchanges = "exchanges", Host;
    /// A file of state counts only where nobody else can write to it.
    OwnState = "own-state", Host;
    /// An input may have more than 128 KiB.
    LongInput = "long-input", Host;
    /// One call may do much: read on while a pod talks without an end, stop a hundred pods, decode megabytes of escapes.
    LongCalls = "long-calls", Host;
    /// An input may be any text: not JSON, or JSON that is no object, which the tool refuses or ignores.
    AnyInput = "any-input", Host;
    /// A read cursor moves when the caller has been given the answer, and not before.
    Delivery = "delivery", Host;
    /// Running out of file descriptors is told apart from a stopped pod.
    Descriptors = "descriptors", Host;
    /// `strace`, and the right to trace a child.
    Strace = "strace", Machine;
    /// The program `flock`.
    Flock = "flock", Machine;
    /// To be root.
    Root = "root", Machine;
    /// To run the host without the right to pass over permissions: not as root, or by `setpriv`.
    Unprivileged = "unprivileged", Machine;
    /// A directory for temporary files that others may enter.
    OpenTemporary = "open-temporary", Machine;
    /// To be able to mount a small file system in memory.
    Tmpfs = "tmpfs", Machine;
}

/// Runs a command whom permissions stop although it is root.
pub(crate) const WITHOUT_OVERRIDE: [&str; 3] =
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"];

impl Need {
    /// The need of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|need| need.word() == word)
    }

    /// The need that stands for this one and others.
    pub fn group(self) -> Option<Self> {
        use Need::{
            CallTimeout, CpuTime, Exchanges, Handles, HostCalls, Instances, Limits, MaxData, MaxLine,
            MaxOutput, MaxTransfer, Memory, OpTimeout, TableElements,
        };
        match self {
            OpTimeout | CallTimeout | CpuTime | Memory | MaxLine | MaxOutput | MaxTransfer | MaxData
            | TableElements | Instances | HostCalls | Handles | Exchanges => Some(Limits),
            _ => None,
        }
    }

    /// Why this machine does not have it; `None` where it does, and for what is the host's.
    pub fn missing_here(self) -> Option<String> {
        static ASKED: Mutex<BTreeMap<Need, Option<String>>> = Mutex::new(BTreeMap::new());
        if self.owner() == Owner::Host {
            return None;
        }
        let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
        asked.entry(self).or_insert_with(|| self.ask_machine().err()).clone()
    }

    fn ask_machine(self) -> Result<(), String> {
        match self {
            Self::Strace => runs("strace", &["-f", "-o", "/dev/null", "true"]),
            Self::Flock => runs("flock", &["/dev/null", "true"]),
            Self::Root if rustix::process::geteuid().is_root() => Ok(()),
            Self::Root => Err("the kit does not run as root".to_owned()),
            Self::Unprivileged if rustix::process::geteuid().is_root() => {
                runs(WITHOUT_OVERRIDE[0], &[&WITHOUT_OVERRIDE[1..], &["true"]].concat())
            }
            Self::OpenTemporary => open_to_others(&std::env::temp_dir()),
            // A mount namespace of its own: nothing is left behind.
            Self::Tmpfs => {
                runs("unshare", &["--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "none", "/mnt"])
            }
            _ => Ok(()),
        }
    }
}

/// Whether others come as far as that directory.
fn open_to_others(directory: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;

    let directory = directory.canonicalize().map_err(|error| error.to_string())?;
    for place in directory.ancestors() {
        let mode = place.metadata().map_err(|error| error.to_string())?.permissions().mode();
        if mode & 0o001 == 0 {
            return Err(format!("others may not enter `{}`", place.display()));
        }
    }
    Ok(())
}

fn runs(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program}` fails here: {}", said.lines().next().unwrap_or("it does not say why")))
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
