//! Plugins whose answers are too large, or none.

use pod_tools_host::ErrorKind;

use crate::attack::Attack;

#[test]
pub fn answers_without_end() {
    Attack::new("answers_without_end").run().fails(ErrorKind::Limit, "(set transfer)");
}

#[test]
pub fn answers_what_is_not_json() {
    for data in ["", "{", "{} {}", "nonsense", "{\"a\":\"\u{1}\"}", "\u{feff}{}", "\"\\ud800"] {
        let attack = Attack::new("answers_what_is_not_json").input(data);
        attack.run().fails(ErrorKind::Internal, "the plugin's data is not JSON");
    }
}

#[test]
pub fn answers_a_forged_batch_line() {
    let aftermath = Attack::new("answers_a_forged_batch_line").run();
    // Read as JSON, it is what the plugin answered.
    assert_eq!(aftermath.found()[1]["ok"]["summary"], "forged");
}

#[test]
pub fn answers_json_nested_without_end() {
    let attack = Attack::new("answers_json_nested_without_end");
    attack.run().fails(ErrorKind::Limit, "more than 1048576 bytes (set data)");
}

#[test]
pub fn fails_with_a_gigantic_message() {
    Attack::new("fails_with_a_gigantic_message").run().fails(ErrorKind::Limit, "(set transfer)");
}

#[test]
pub fn fails_with_a_limit_of_its_own() {
    Attack::new("fails_with_a_limit_of_its_own").run().fails(ErrorKind::Limit, "the plugin says so");
}

#[test]
pub fn hands_over_text_without_end() {
    Attack::new("hands_over_text_without_end").run().fails(ErrorKind::Limit, "(set transfer)");
}

#[test]
pub fn hands_over_text_and_fails() {
    let aftermath = Attack::new("hands_over_text_and_fails").run();
    aftermath.fails(ErrorKind::ExecutionFailed, "it was not me");
}

/// The bound of data that these are tried with.
const MOST: usize = 100_000;

fn with_bound(name: &'static str, bytes: usize) -> Attack {
    Attack::new(name).input(bytes.to_string()).limit(|limits| limits.data = MOST)
}

#[test]
pub fn answers_data_a_byte_beyond_its_bound() {
    let attack = with_bound("answers_data_a_byte_beyond_its_bound", MOST);
    attack.run().fails(ErrorKind::Limit, "more than 100000 bytes (set data)");
    with_bound("answers_data_a_byte_beyond_its_bound", MOST - 1).run().found();
}

#[test]
pub fn answers_data_of_nothing_but_numbers() {
    with_bound("answers_data_of_nothing_but_numbers", MOST).run().found();
    let attack = with_bound("answers_data_of_nothing_but_numbers", 7 << 20);
    attack.run().fails(ErrorKind::Limit, "more than 100000 bytes (set data)");
}

#[test]
pub fn answers_data_of_nothing_but_brackets() {
    with_bound("answers_data_of_nothing_but_brackets", MOST).run().found();
    let attack = with_bound("answers_data_of_nothing_but_brackets", 7 << 20);
    attack.run().fails(ErrorKind::Limit, "more than 100000 bytes (set data)");
}

#[test]
pub fn answers_data_nested_beyond_its_bound() {
    with_bound("answers_data_nested_beyond_its_bound", 64).run().found();
    let attack = with_bound("answers_data_nested_beyond_its_bound", 65);
    attack.run().fails(ErrorKind::Internal, "the plugin's data is nested more than 64 levels deep");
}

#[test]
pub fn answers_a_summary_beyond_its_bound() {
    let attack = with_bound("answers_a_summary_beyond_its_bound", MOST);
    attack.run().fails(ErrorKind::Limit, "more than 100000 bytes (set data)");
}

#[test]
pub fn fails_with_a_message_beyond_its_bound() {
    let attack = with_bound("fails_with_a_message_beyond_its_bound", MOST);
    attack.run().fails(ErrorKind::Limit, "more than 100000 bytes (set data)");
}

#[test]
pub fn hands_over_the_most_text_twice() {
    let attack = with_bound("hands_over_the_most_text_twice", MOST).limit(|limits| limits.transfer = MOST);
    attack.run().fails(ErrorKind::Limit, "more than 100000 bytes at once (set transfer)");
}
