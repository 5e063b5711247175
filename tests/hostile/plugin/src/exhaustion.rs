//! Taking all that there is: time, memory, handles, host calls, room in the log.

use std::io::Write;

use serde_json::json;
use wasip2::clocks::monotonic_clock;
use wasip2::{cli, random};

use crate::bindings::pod::tools::{pods, unix_socket};
use crate::{Found, Request, Verb};

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

pub fn hoards_pollables(_: &str) -> Found {
    let mut hoard = Vec::new();
    loop {
        hoard.push(monotonic_clock::subscribe_duration(u64::MAX));
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
