//! Plugins that use handles which they do not have.

use pod_tools_host::ErrorKind;

use crate::attack::Attack;

#[test]
pub fn uses_a_pod_that_it_dropped() {
    Attack::new("uses_a_pod_that_it_dropped").run().fails(ErrorKind::Internal, "handle");
}

#[test]
pub fn uses_an_exchange_that_it_dropped() {
    Attack::new("uses_an_exchange_that_it_dropped").run().fails(ErrorKind::Internal, "handle");
}

#[test]
pub fn drops_a_pod_twice() {
    Attack::new("drops_a_pod_twice").run().fails(ErrorKind::Internal, "handle");
}

#[test]
pub fn uses_handles_that_it_never_got() {
    for number in ["0", "1", "2", "1000000", "2147483647", "4294967294"] {
        let attack = Attack::new("uses_handles_that_it_never_got").input(number);
        attack.run().fails(ErrorKind::Internal, "handle");
    }
}

#[test]
pub fn takes_a_pod_for_an_exchange() {
    Attack::new("takes_a_pod_for_an_exchange").run().fails(ErrorKind::Internal, "handle");
}
