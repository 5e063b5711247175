//! What a process has used besides time: the processor, and how often its threads have waited. Unlike the clock's,
//! these figures are hardly changed by what else a machine does.

use std::io;
use std::ops::{Add, Sub};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What has been used so far, or between two moments.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Seconds of processor time, user and system, of all threads.
    pub cpu: f64,
    /// How often a thread has given up its processor in order to wait.
    pub switches: f64,
}

impl Usage {
    /// Of this process, the threads that have ended included.
    pub fn of_this() -> Self {
        Self::asked(libc::RUSAGE_SELF)
    }

    /// Of the children that have been waited for.
    pub fn of_children() -> Self {
        Self::asked(libc::RUSAGE_CHILDREN)
    }

    fn asked(whose: libc::c_int) -> Self {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the structure is valid for writing, and all zeros are a value of it.
        let usage = unsafe {
            libc::getrusage(whose, usage.as_mut_ptr());
            usage.assume_init()
        };
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let switches = usage.ru_nvcsw as f64;
        Self { cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime), switches }
    }

    /// Of the threads that another process has at present.
    ///
    /// # Errors
    ///
    /// Fails where there is no such process.
    pub fn of_threads(process: u32) -> io::Result<Self> {
        let mut sum = Self::default();
        for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
            // One that ends meanwhile counts no longer.
            sum = sum + Self::of_thread(&thread?.path()).unwrap_or_default();
        }
        Ok(sum)
    }

    fn of_thread(directory: &Path) -> Option<Self> {
        let schedule = std::fs::read_to_string(directory.join("schedstat")).ok()?;
        let status = std::fs::read_to_string(directory.join("status")).ok()?;
        let switches = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        let nanoseconds: f64 = schedule.split(' ').next()?.parse().ok()?;
        Some(Self { cpu: nanoseconds * 1e-9, switches: switches.trim().parse().ok()? })
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { cpu: self.cpu + other.cpu, switches: self.switches + other.switches }
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { cpu: self.cpu - earlier.cpu, switches: self.switches - earlier.switches }
    }
}
