//! `Accept` as HTTP means it: a range of media types stands for each type in it. rmcp looks for the types by
//! name, so a request whose ranges hold them is given their names.

use http::header::{ACCEPT, HeaderMap, HeaderValue};

/// The types that an answer may have, those that a client must take before it is given one.
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const BY_NAME: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// Names the types, where the client takes whatever there is of them.
pub fn name_types(headers: &mut HeaderMap) {
    let ranges: Vec<String> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| range.trim().to_ascii_lowercase())
        .collect();
    let taken = [JSON, EVENTS].map(|media_type| takes(&ranges, media_type));
    if taken == [true, true] {
        headers.insert(ACCEPT, BY_NAME);
    } else if taken[1] {
        headers.insert(ACCEPT, HeaderValue::from_static(EVENTS));
    } else {
        // rmcp passes over weights that a more exact range has; what is not taken is not to be found.
        headers.insert(ACCEPT, HeaderValue::from_static(JSON));
    }
}

/// Whether the most exact range that holds the type has a weight that is not 0.
fn takes(ranges: &[String], media_type: &str) -> bool {
    let family = media_type.split_once('/').map_or(media_type, |(family, _)| family);
    let exactness = |range: &str| match range.split_once('/') {
        _ if range == media_type => Some(2),
        Some((of, "*")) if of == family => Some(1),
        Some(("*", "*")) => Some(0),
        _ => None,
    };
    let weighed = ranges.iter().filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let exactness = exactness(parts.next()?)?;
        let zero = parts.filter_map(|parameter| parameter.strip_prefix("q=")).any(is_zero);
        Some((exactness, !zero))
    });
    weighed.max().is_some_and(|(_, taken)| taken)
}

/// A weight that is none is passed over.
fn is_zero(weight: &str) -> bool {
    weight.parse().is_ok_and(|weight: f32| weight == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(accept: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        name_types(&mut headers);
        headers[ACCEPT].to_str().unwrap().to_owned()
    }

    #[test]
    fn ranges_stand_for_the_types_in_them() {
        for both in [
            "*/*",
            "*/*;q=0.8",
            "application/*, text/*",
            "application/json, text/*; q=0.1",
            "text/html, */*",
            "Application/JSON;charset=utf-8, TEXT/event-stream",
            "application/json;q=1, text/event-stream;q=nonsense",
            "*/*;q=0, application/json, text/event-stream",
        ] {
            assert_eq!(named(both), "application/json, text/event-stream", "{both}");
        }
        for events in
            ["text/event-stream", "text/*", "*/*, application/json;q=0", "text/event-stream;q=0.001"]
        {
            assert_eq!(named(events), "text/event-stream", "{events}");
        }
        for neither in ["application/json", "application/*", "text/html", "*/*;q=0", "", "*/*, text/*;q=0.0"]
        {
            assert_eq!(named(neither), "application/json", "{neither}");
        }
    }
}
