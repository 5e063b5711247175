//! What this process holds: descriptors, memory, and what it has logged.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Descriptors of this process, but for those of fake pods: each is what the descriptor leads to.
///
/// A fake pod's sockets have a name, as they are bound or accepted; a host's have none.
pub fn descriptors() -> Vec<String> {
    let named = named_sockets();
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let mut targets: Vec<String> = entries
        .filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
        // The one that reads the directory is gone when this returns.
        .filter(|target| !named.contains(target) && !target.starts_with("/proc/"))
        .collect();
    targets.sort();
    targets
}

fn named_sockets() -> HashSet<String> {
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(6);
            let inode = fields.next()?;
            fields.next()?;
            Some(format!("socket:[{inode}]"))
        })
        .collect()
}

/// Forgets the peak of this process's memory; its memory now, in bytes. `None` where the system cannot.
pub fn reset_peak_memory() -> Option<u64> {
    fs::write("/proc/self/clear_refs", "5").ok()?;
    status_field("VmRSS:")
}

/// The peak of this process's memory since then, in bytes.
pub fn peak_memory() -> Option<u64> {
    status_field("VmHWM:")
}

fn status_field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
}

static LOGGED: AtomicUsize = AtomicUsize::new(0);

struct Count;

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.fetch_add(bytes.len(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many bytes the host has logged so far, debugging notes included.
pub fn logged() -> usize {
    static COUNTING: Once = Once::new();
    COUNTING.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
            .with_writer(|| Count)
            .init();
    });
    LOGGED.load(Ordering::Relaxed)
}
