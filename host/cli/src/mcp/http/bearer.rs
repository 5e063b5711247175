//! The token as a request shows it: `Authorization: Bearer TOKEN`.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::token::Token;

/// Whether a request shows the token.
pub fn is_shown(token: &Token, headers: &HeaderMap) -> bool {
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let (Some(shown), None) = (shown.next(), shown.next()) else { return false };
    let Some((scheme, shown)) = shown.as_bytes().split_at_checked("Bearer ".len()) else { return false };
    scheme.eq_ignore_ascii_case(b"Bearer ") && token.is(shown.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn only_the_whole_token_counts() {
        let token = Token::of(TOKEN);
        let shown = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            is_shown(&token, &headers)
        };
        assert!(shown(&[&format!("Bearer {TOKEN}")]));
        assert!(shown(&[&format!("bearer {TOKEN}")]));
        let twice = format!("Bearer {TOKEN}");
        for refused in [
            &[][..],
            &["Bearer "],
            &["Bearer"],
            &[TOKEN],
            &[&format!("Bearer {TOKEN}0")],
            &[&format!("Bearer {}", &TOKEN[1..])],
            &[&format!("Basic {TOKEN}")],
            &[&*twice, &*twice],
        ] {
            assert!(!shown(refused), "{refused:?}");
        }
    }
}
