//! Pods' conversations as resources: their addresses, their listing in pages.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use pod_tools_host::{Authority, Verb};
use rmcp::model::{Resource, ResourceTemplate};
use serde::Deserialize;

/// The tool whose data holds the pods.
pub const LISTED_BY: &str = "ListPods";
/// A page of the listing.
pub const PAGE: usize = 100;
const SCHEME: &str = "pod://";
const PATH: &str = "/transcript";
/// How addresses are made, as RFC 6570 has it, and what stands for the pod's name in that.
pub const TEMPLATE: &str = "pod://{name}/transcript";
pub const NAME: &str = "name";
/// What RFC 3986 calls unreserved stays as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of a pod's conversation.
pub fn uri(pod: &str) -> String {
    format!("{SCHEME}{}{PATH}", utf8_percent_encode(pod, RESERVED))
}

/// The pod whose conversation has that address.
pub fn pod(uri: &str) -> Option<String> {
    let name = uri.strip_prefix(SCHEME)?.strip_suffix(PATH)?;
    if name.contains(['/', '?', '#']) {
        return None;
    }
    Some(percent_decode_str(name).decode_utf8().ok()?.into_owned())
}

/// How addresses are made.
pub fn template() -> ResourceTemplate {
    ResourceTemplate::new(TEMPLATE, "transcript")
        .with_title("Conversation of a pod")
        .with_description("The whole conversation of the pod of that name. Reading it moves no cursor.")
}

/// What is read of ListPods' data.
#[derive(Debug, Default, Deserialize)]
pub struct Listing {
    pods: Vec<ListedPod>,
}

#[derive(Debug, Deserialize)]
struct ListedPod {
    name: String,
    state: String,
}

/// One page.
#[derive(Debug)]
pub struct Page {
    pub resources: Vec<Resource>,
    /// Where the next one begins.
    pub next: Option<String>,
}

/// The pods whose conversations can be read now, by name: they take connections, and a `read` grant covers
/// them.
pub fn readable(listing: Listing, authority: &Authority) -> Vec<String> {
    let readable = |pod: &ListedPod| pod.state == "alive" && authority.allows(Verb::Read, &pod.name);
    let mut names: Vec<String> = listing.pods.into_iter().filter(readable).map(|pod| pod.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A page of the conversations that can be read now. It begins behind the name in its cursor, so it is the
/// same whatever comes and goes meanwhile. `None` for a cursor that was not given out here.
pub fn page(listing: Listing, authority: &Authority, cursor: Option<&str>) -> Option<Page> {
    let after = cursor.map(pod).map_or(Some(None), |pod| pod.map(Some))?;
    let names = readable(listing, authority);
    let first = after.map_or(0, |after| names.partition_point(|name| *name <= after));
    let more = names.len() > first + PAGE;
    let names = &names[first..names.len().min(first + PAGE)];
    let resource =
        |name: &String| Resource::new(uri(name), name.clone()).with_title(format!("Conversation of {name}"));
    Some(Page {
        next: names.last().filter(|_| more).map(|name| uri(name)),
        resources: names.iter().map(resource).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_survives_its_address() {
        for name in ["worker", "a b", "a/b", "ä\n%41", "", "pod://x/transcript", "..", "?#"] {
            let address = uri(name);
            assert!(address.bytes().all(|byte| byte.is_ascii_graphic()), "{address}");
            assert_eq!(pod(&address).as_deref(), Some(name), "{address}");
        }
    }

    #[test]
    fn other_addresses_are_no_conversations() {
        for address in [
            "",
            "pod://",
            "pod://x",
            "pod://x/other",
            "file:///etc/passwd",
            "pod://a/b/transcript",
            "pod://%ff/transcript",
        ] {
            assert_eq!(pod(address), None, "{address}");
        }
    }

    fn listing(names: impl IntoIterator<Item = String>) -> Listing {
        Listing {
            pods: names.into_iter().map(|name| ListedPod { name, state: "alive".to_owned() }).collect(),
        }
    }

    fn authority(grant: &str) -> Authority {
        Authority::builder().grant(grant.parse().unwrap()).build().unwrap()
    }

    #[test]
    fn pages_together_hold_each_readable_pod_once() {
        let names = || (0..2 * PAGE + 1).rev().chain(0..5).map(|i| format!("pod-{i:04}"));
        let authority = authority("read");
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = page(listing(names()), &authority, cursor.as_deref()).unwrap();
            assert!(page.resources.len() <= PAGE);
            seen.extend(page.resources.into_iter().map(|resource| resource.name));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let expected: Vec<String> = (0..2 * PAGE + 1).map(|i| format!("pod-{i:04}")).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn pods_that_may_not_be_read_or_are_gone_are_not_listed() {
        let mut listing = listing(["a1", "b1", "a2"].map(str::to_owned));
        listing.pods[2].state = "stopped".to_owned();
        let page = page(listing, &authority("read:a*"), None).unwrap();
        let names: Vec<&str> = page.resources.iter().map(|resource| &*resource.name).collect();
        assert_eq!(names, ["a1"]);
    }

    #[test]
    fn a_cursor_from_elsewhere_is_none() {
        assert!(page(listing([]), &authority("read"), Some("17")).is_none());
    }
}
