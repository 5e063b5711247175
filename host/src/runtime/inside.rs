//! What components a component is made of: a composition carries each of its parts whole.

use super::cache;

/// A component inside of a component.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Inside {
    /// Its size, in bytes.
    pub bytes: usize,
    /// The SHA-256 of its binary, in lower-case hexadecimal digits.
    pub sha256: String,
}

/// The magic number of the binary format, and its version and layer for components.
const PREAMBLE: [u8; 8] = *b"\0asm\x0d\0\x01\0";
const CORE_MODULE: u8 = 1;
const COMPONENT: u8 = 4;

/// How deep components are looked for in one another: a composition of compositions of compositions has four levels.
const MAX_DEPTH: usize = 8;

/// The components in a component, and in those, in their order, the outer one first; those without code of their own,
/// which compilers put around exports, are left out. What is not the binary format ends the list.
pub(super) fn components(binary: &[u8]) -> Vec<Inside> {
    let mut found = Vec::new();
    find(binary, MAX_DEPTH, &mut found);
    found
}

fn find(binary: &[u8], depth: usize, found: &mut Vec<Inside>) {
    for (_, part) in sections(binary).filter(|&(id, _)| id == COMPONENT && depth > 0) {
        if sections(part).any(|(id, _)| id == CORE_MODULE) {
            found.push(Inside { bytes: part.len(), sha256: cache::digest(part) });
        }
        find(part, depth - 1, found);
    }
}

/// The sections of a component, by their ids.
fn sections(binary: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = binary.strip_prefix(&PREAMBLE).unwrap_or_default();
    std::iter::from_fn(move || {
        let (&id, behind) = rest.split_first()?;
        let (size, behind) = unsigned(behind)?;
        let (section, next) = behind.split_at_checked(usize::try_from(size).ok()?)?;
        rest = next;
        Some((id, section))
    })
}

/// A number in LEB128, of 32 bits, and what is behind it.
fn unsigned(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let length = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)? + 1;
    let (digits, behind) = bytes.split_at(length);
    let value = digits.iter().rev().fold(0_u64, |value, digit| value << 7 | u64::from(digit & 0x7f));
    Some((u32::try_from(value).ok()?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_that_have_code_are_found_whole() {
        let with_code = "(component (core module (func (export \"f\"))))";
        let binary = |text: &str| wat::parse_str(text).unwrap();
        let around = format!("(component {with_code} (component) {with_code} (core module))");
        let part = binary(with_code);
        let inside = Inside { bytes: part.len(), sha256: cache::digest(&part) };
        assert_eq!(components(&binary(&around)), [inside.clone(), inside]);
        assert_eq!(components(&part), []);
    }

    #[test]
    fn parts_of_parts_are_found_and_the_depth_is_bounded() {
        let nested = |levels: usize| {
            let text = "(component (core module) ".repeat(levels) + &")".repeat(levels);
            components(&wat::parse_str(text).unwrap()).len()
        };
        assert_eq!((nested(1), nested(3), nested(MAX_DEPTH + 1)), (0, 2, MAX_DEPTH));
        assert_eq!(nested(MAX_DEPTH + 2), MAX_DEPTH);
        let around = wat::parse_str("(component (component (component (core module))))").unwrap();
        assert_eq!(components(&around).len(), 1, "what only holds another is none of them");
    }

    #[test]
    fn what_is_no_component_has_none_inside() {
        let around = wat::parse_str("(component (component (core module)))").unwrap();
        for length in 0..around.len() {
            assert_eq!(components(&around[..length]), [], "{length} of {}", around.len());
        }
        assert_eq!(unsigned(&[0x80; 6]), None);
        assert_eq!(unsigned(&[0xff, 0xff, 0xff, 0xff, 0x7f]), None, "more than 32 bits");
        assert_eq!(unsigned(&[0x80, 0x01, 7]), Some((128, &[7][..])));
    }
}
