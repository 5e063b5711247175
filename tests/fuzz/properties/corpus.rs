//! What fuzzers have found worth keeping, run through the same property by `cargo test`.

use std::fs;
use std::path::Path;

/// Checks every input of a target's corpus.
pub fn check_each(target: &str, check: fn(&[u8])) {
    let mut roots = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let corpus = roots.find_map(|root| fs::read_dir(root.join("tests/fuzz/corpus").join(target)).ok());
    let mut inputs: Vec<_> = corpus.unwrap().map(|input| input.unwrap().path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty());
    for input in inputs {
        // Shown where one fails.
        println!("{}", input.display());
        check(&fs::read(input).unwrap());
    }
}
