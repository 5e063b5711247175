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
    Attack::new("answers_json_nested_without_end").run();
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
