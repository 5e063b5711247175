//! Plugins with gigantic arguments.

use pod_tools_host::{ErrorKind, Reason};

use crate::attack::{Attack, reason, word};

#[test]
pub fn looks_for_a_gigantic_name() {
    Attack::new("looks_for_a_gigantic_name").run().fails(ErrorKind::Limit, "(set transfer)");
}

#[test]
pub fn looks_for_a_name_of_control_characters() {
    let attack = Attack::new("looks_for_a_name_of_control_characters").grants(&["read"]);
    let aftermath = attack.run();
    let found = aftermath.found();
    assert_eq!(reason(&found[0]), word(Reason::UnknownPod));
    assert_eq!(reason(&found[1]), word(Reason::NotGranted));
    for answer in [&found[0], &found[1]] {
        assert!(answer["message"].as_str().unwrap().len() < 64 << 10);
    }
}

#[test]
pub fn sets_a_gigantic_cursor() {
    let aftermath = Attack::new("sets_a_gigantic_cursor").delivered().run();
    assert_eq!(aftermath.found()["kind"], "ErrorKind::InvalidArgument");
}

#[test]
pub fn probes_a_gigantic_list() {
    let attack = Attack::new("probes_a_gigantic_list");
    attack.run().fails(ErrorKind::Limit, "more than 5000 handles");
}

#[test]
pub fn probes_with_a_gigantic_list_of_handles() {
    let attack = Attack::new("probes_with_a_gigantic_list_of_handles");
    attack.run().fails(ErrorKind::Limit, "(set transfer)");
}
