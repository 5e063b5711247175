//! Taking all that there is: time, memory, handles, host calls, room in the log.

use std::io::Write;

use serde_json::json;
use wasip2::clocks::monotonic_clock;
use wasip2::io::poll;
use wasip2::{cli, random};

use crate::bindings::pod::tools::pods::Cursor;
use crate::bindings::pod::tools::{content, pods, scope_lock, unix_socket};
use crate::{Found, Request, Verb, read_line};

pub fn loops_for_ever(_: &str) -> Found {
    loop {
        std::hint::spin_loop();
    }
}

pub fn recurses_for_ever(_: &str) -> Found {
    #[expect(unconditional_recursion, reason = "the attack")]
    fn recurse(depth: u64) -> u64 {
        std::hint::black_box(recurse(std::hint::black_box(depth + 1)) + 1)
    }
    Ok(json!(recurse(0)))
}

pub fn takes_all_memory(_: &str) -> Found {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(vec![1; 1 << 20]);
    }
}

pub fn floods_the_host_with_calls(_: &str) -> Found {
    loop {
        pods::bounds();
    }
}

pub fn floods_wasi_with_calls(_: &str) -> Found {
    loop {
        monotonic_clock::now();
    }
}

pub fn sleeps_for_ever(_: &str) -> Found {
    loop {
        monotonic_clock::subscribe_duration(u64::MAX).block();
    }
}

pub fn waits_for_a_silent_pod_for_ever(pod: &str) -> Found {
    let exchange = unix_socket::open(&pods::find(pod, Verb::Read)?, &Request::GetHistory, None)?;
    loop {
        let _ = exchange.read(1, None);
    }
}

pub fn reads_for_ever_a_byte_at_a_time(pod: &str) -> Found {
    let exchange = unix_socket::open(&pods::find(pod, Verb::Read)?, &Request::GetHistory, None)?;
    let mut longest = 0;
    loop {
        let read = exchange.read(1, None)?;
        assert!(!read.is_empty(), "the pod has ended");
        longest = longest.max(read.len());
        assert_eq!(longest, 1);
    }
}

pub fn hoards_pods(pod: &str) -> Found {
    let mut hoard = Vec::new();
    loop {
        hoard.push(pods::find(pod, Verb::Read)?);
    }
}

/// What is held with handles, so that far more of them than are allowed do not fit into the memory: wasmtime has a bound
/// of its own.
const BALLAST: [u8; 1 << 10] = [0; 1 << 10];

pub fn hoards_pollables(_: &str) -> Found {
    let mut hoard = Vec::new();
    loop {
        hoard.push((monotonic_clock::subscribe_duration(u64::MAX), BALLAST));
    }
}

pub fn writes_gigabytes_to_the_log(_: &str) -> Found {
    let text = "all is well\n".repeat(1 << 16);
    let mut written = 0_u64;
    while written < 2 << 30 {
        let _ = std::io::stderr().write_all(text.as_bytes());
        let _ = std::io::stdout().write_all(text.as_bytes());
        written += 2 * text.len() as u64;
    }
    Ok(json!(null))
}

/// The input says which of its promises WASI is asked to keep with gigabytes.
pub fn asks_wasi_for_gigabytes(of: &str) -> Found {
    const MANY: u64 = 1 << 40;
    match of {
        "random" => drop(random::random::get_random_bytes(MANY)),
        "insecure random" => drop(random::insecure::get_insecure_random_bytes(MANY)),
        "zeroes" => drop(cli::stderr::get_stderr().write_zeroes(MANY)),
        "zeroes, flushed" => drop(cli::stderr::get_stderr().blocking_write_zeroes_and_flush(MANY)),
        "zeroes to stdout" => drop(cli::stdout::get_stdout().write_zeroes(MANY)),
        "input" => drop(cli::stdin::get_stdin().read(MANY)),
        "skipped input" => drop(cli::stdin::get_stdin().skip(MANY)),
        "splice" => drop(cli::stderr::get_stderr().splice(&cli::stdin::get_stdin(), MANY)),
        other => panic!("nothing is known of {other}"),
    }
    Ok(json!("it did not care"))
}

pub fn hoards_streams(_: &str) -> Found {
    let mut hoard = Vec::new();
    loop {
        hoard.push((cli::stderr::get_stderr(), cli::stdin::get_stdin(), BALLAST));
    }
}

/// The record is large, and there may be many handles.
pub fn hoards_one_large_record(pod: &str) -> Found {
    let mut hoard = Vec::new();
    loop {
        hoard.push(pods::find(pod, Verb::Read)?);
    }
}

/// The record is large, and somebody writes it anew all the time. The second pod tells when it is another one.
pub fn hoards_the_versions_of_a_record(names: &str) -> Found {
    let (pod, writer) = names.split_once(' ').expect("a pod, and one that tells of its next version");
    let writer = pods::find(writer, Verb::Send)?;
    let mut hoard = Vec::new();
    loop {
        hoard.push(pods::find(pod, Verb::Read)?);
        read_line(&unix_socket::open(&writer, &Request::Run("next".into()), None)?)?;
    }
}

/// Calls one function of the host over and over, with the largest and the most of everything, and keeps what it is
/// given. The input is the function and a pod.
pub fn gives_a_function_all_that_it_takes(of: &str) -> Found {
    let (function, name) = of.rsplit_once(' ').expect("a function and a pod");
    let pod = pods::find(name, Verb::Read)?;
    // As much as is let pass at once.
    let most = "\u{1}".repeat(7 << 20);
    let mut hoard: Vec<Box<dyn std::any::Any>> = Vec::new();
    macro_rules! over_and_over {
        ($result:expr) => {
            loop {
                hoard.push(Box::new($result));
            }
        };
    }
    match function {
        "find" => over_and_over!(pods::find(&most, Verb::Read)),
        "list" => over_and_over!(pods::list()),
        "forget" => over_and_over!(pods::forget(&pod)),
        "bounds" => over_and_over!(pods::bounds()),
        "describe" => over_and_over!(pod.describe()),
        "state" => over_and_over!(pod.state()),
        "cursor" => over_and_over!(pod.cursor()),
        "set-cursor" => {
            let listing = pods::list()?;
            over_and_over!(for listed in &listing.pods {
                let _ = listed.pod.set_cursor(&Cursor { items: u64::MAX, digest: "\u{1}".repeat(128) });
            })
        }
        "open" => over_and_over!(unix_socket::open(&pod, &Request::Run(most[..1 << 20].into()), None)?),
        "read" => {
            let exchange = unix_socket::open(&pod, &Request::GetHistory, None)?;
            over_and_over!(exchange.read(u32::MAX, None)?)
        }
        "probe" => {
            let listing = pods::list()?;
            let pods: Vec<_> = listing.pods.iter().map(|listed| &listed.pod).cycle().take(4_000).collect();
            over_and_over!(unix_socket::probe(&pods))
        }
        "await-closed" => over_and_over!(unix_socket::await_closed(&pod, Some(0))),
        "release" => over_and_over!(scope_lock::release(&pod, Some(0))),
        "reclaim-stale" => over_and_over!(scope_lock::reclaim_stale(Some(0))),
        "append" => over_and_over!(content::append(&most[..1 << 20])),
        "get-random-bytes" => over_and_over!(random::random::get_random_bytes(64 << 10)),
        "insecure random bytes" => over_and_over!(random::insecure::get_insecure_random_bytes(64 << 10)),
        "write" => {
            let stream = cli::stderr::get_stderr();
            over_and_over!({
                let room = stream.check_write();
                stream.write(&vec![b'x'; room.unwrap_or(0) as usize])
            })
        }
        "poll" => {
            let pollables: Vec<_> = (0..1_000).map(monotonic_clock::subscribe_duration).collect();
            let many: Vec<_> = pollables.iter().cycle().take(3_000).collect();
            over_and_over!(poll::poll(&many))
        }
        "get-environment" => over_and_over!(cli::environment::get_environment()),
        other => panic!("nothing is known of {other}"),
    }
}
