//! The command of a pod that tries to get out of its scope: one attempt a message, by its name. It answers `out` where
//! it got out, and else why not.
//!
//! Where things are stands in its arguments and behind the name, as `KEY=VALUE`. An attempt leaves everything as it found it.

#[cfg(target_os = "linux")]
mod attempts;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod sockets;

#[cfg(target_os = "linux")]
fn main() {
    let mut message = String::new();
    std::io::stdin().read_line(&mut message).expect("a message is a text");
    let mut words = message.split_whitespace().map(str::to_owned);
    let name = words.next().unwrap_or_default();
    let places = attempts::Places::of(std::env::args().skip(1).chain(words));
    if name == "list" {
        return attempts::ALL.iter().for_each(|(name, _)| println!("{name}"));
    }
    let attempt = attempts::ALL.iter().find(|(known, _)| *known == name);
    match attempt.map(|(_, attempt)| attempt(&places)) {
        Some(Ok(())) => println!("out"),
        Some(Err(error)) => println!("refused: {error}"),
        None => println!("no such attempt: {name}"),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
