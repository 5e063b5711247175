//! What a component says that it imports and exports: for those who look for it in a registry. A package of WIT in its
//! binary encoding exports what it declares.

use wasmparser::{ComponentType, ComponentTypeDeclaration, Encoding, Parser, Payload};

/// The names, in the component's order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

impl Interfaces {
    /// Of a binary; or why it is no component.
    pub fn of(binary: &[u8]) -> Result<Self, String> {
        let mut found = Self::default();
        let mut declared = Vec::new();
        let mut depth = 0_usize;
        let mut has_code = false;
        for payload in Parser::new(0).parse_all(binary) {
            match payload.map_err(|error| error.to_string())? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err("it is a core module; make a component of it first, as with `wasm-tools component new`".into());
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                    has_code = true;
                    depth += 1;
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        found.imports.push(import.map_err(|error| error.to_string())?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        found.exports.push(export.map_err(|error| error.to_string())?.name.name.to_owned());
                    }
                }
                Payload::ComponentTypeSection(section) if depth == 0 => {
                    for declaration in section {
                        let ComponentType::Component(inner) =
                            declaration.map_err(|error| error.to_string())?
                        else {
                            continue;
                        };
                        declared.extend(inner.iter().filter_map(|declaration| match declaration {
                            ComponentTypeDeclaration::Export { name, .. } => Some(name.name.to_owned()),
                            _ => None,
                        }));
                    }
                }
                _ => {}
            }
        }
        if !has_code && !declared.is_empty() {
            found.exports = declared;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::part::Part;

    #[test]
    fn a_components_own_names_are_found_and_not_those_of_its_parts() {
        let text = r#"(component
            (import "a:b/c@1.0.0" (instance))
            (component (import "not" (func)) (core module))
            (core module (import "not" "this" (func)))
            (instance $i (export "x:y/z@0.1.0" (instance 0)))
            (export "d:e/f" (instance 0)))"#;
        let found = Interfaces::of(&wat::parse_str(text).unwrap()).unwrap();
        assert_eq!(found, Interfaces { imports: vec!["a:b/c@1.0.0".into()], exports: vec!["d:e/f".into()] });
    }

    #[test]
    fn a_package_of_wit_exports_what_it_declares() {
        let found = Interfaces::of(Part::Wit.binary()).unwrap();
        assert_eq!(found.imports, [""; 0]);
        for name in ["pod:tools/pods@0.1.0", "pod:tools/tools@0.1.0", "pod:tools/plugin@0.1.0"] {
            assert!(found.exports.iter().any(|export| export == name), "{name}: {:?}", found.exports);
        }
    }

    #[test]
    fn what_is_no_component_is_told() {
        for bytes in [&b""[..], b"no", b"\0asm\x0d\0\x01\0\x04\x7f"] {
            Interfaces::of(bytes).unwrap_err();
        }
        let module = Interfaces::of(&wat::parse_str("(module)").unwrap()).unwrap_err();
        assert!(module.contains("core module"), "{module}");
    }
}
