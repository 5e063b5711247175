//! Lets the fuzzer choose where proptest would: its bytes are the random numbers.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// What these bytes choose of the strategy's values; `None` where they choose none.
pub fn from<S: Strategy>(bytes: &[u8], strategy: S) -> Option<S::Value> {
    if bytes.is_empty() {
        return None;
    }
    let rng = TestRng::from_seed(RngAlgorithm::PassThrough, bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    strategy.new_tree(&mut runner).ok().map(|tree| tree.current())
}
