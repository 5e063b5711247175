//! Grants as texts that the fuzzer chooses: what reads, reads back; adding one removes none; and nothing is allowed
//! that no single one allows.
#![no_main]

extern crate pod_tools_fuzz as pod_tools_host;

use libfuzzer_sys::fuzz_target;
use pod_tools_host::{Grant, Grants, Verb};

fuzz_target!(|input: (Vec<String>, String)| {
    let (texts, name) = input;
    let mut all = Grants::default();
    let mut each: Vec<Grants> = Vec::new();
    for grant in texts.iter().filter_map(|text| text.parse::<Grant>().ok()) {
        // Control characters are shown escaped, and what is shown so is for people.
        let shown = grant.to_string();
        if !shown.contains('\\') {
            assert_eq!(shown.parse::<Grant>().as_ref(), Ok(&grant));
        }
        let before = all.clone();
        all.add(grant.clone());
        each.push([grant].into_iter().collect());
        for verb in Verb::ALL {
            assert!(!before.allow(verb, &name) || all.allow(verb, &name));
        }
    }
    for verb in Verb::ALL {
        assert_eq!(all.allow(verb, &name), each.iter().any(|one| one.allow(verb, &name)));
    }
});
