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

/// The components in a component, in its order; those without code of their own, which compilers put around exports,
/// are left out. What is not the binary format ends the list.
pub(super) fn components(binary: &[u8]) -> Vec<Inside> {
    let parts = sections(binary).filter(|&(id, _)| id == COMPONENT).map(|(_, part)| part);
    let with_code = parts.filter(|part| sections(part).any(|(id, _)| id == CORE_MODULE));
    with_code.map(|part| Inside { bytes: part.len(), sha256: cache::digest(part) }).collect()
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
