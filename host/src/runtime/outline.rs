//! What a component imports and exports, read from its binary: for those of a form that this host has no use for, as
//! asynchronous functions are, which others call.

use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::TypesRef;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

/// The name of an import or an export, and the functions in it, if it is an interface.
pub(super) type Item = (String, Vec<String>);

/// Imports and exports, in the component's order; `None` of what is not a valid component.
pub(super) fn read(binary: &[u8]) -> Option<(Vec<Item>, Vec<Item>)> {
    if !Parser::is_component(binary) {
        return None;
    }
    let types = Validator::new_with_features(WasmFeatures::all()).validate_all(binary).ok()?;
    let types = types.as_ref();
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    // How deep in components that are inside of it.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(binary) {
        match payload.ok()? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import.ok()?.name.name;
                    let item = types.component_item_for_import(name)?;
                    imports.push((name.to_owned(), functions(types, item.ty)));
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let name = export.ok()?.name.name;
                    let item = types.component_item_for_export(name)?;
                    exports.push((name.to_owned(), functions(types, item.ty)));
                }
            }
            _ => {}
        }
    }
    Some((imports, exports))
}

fn functions(types: TypesRef<'_>, item: ComponentEntityType) -> Vec<String> {
    let ComponentEntityType::Instance(instance) = item else { return Vec::new() };
    let exports = types[instance].exports.iter();
    exports
        .filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)))
        .map(|(name, _)| name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, functions: &[&str]) -> Item {
        (name.to_owned(), functions.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn what_is_asynchronous_is_read_and_what_is_inside_is_left_out() {
        let component = wat::parse_str(
            r#"(component
                (component (import "inner" (func)) (core module))
                (core module)
                (import "of:the/host@0.1.0" (instance
                    (export "type" (type (sub resource)))
                    (export "wait" (func async (result (stream u8))))))
                (import "plain" (func $plain))
                (export "again" (func $plain)))"#,
        );
        let (imports, exports) = read(&component.unwrap()).unwrap();
        assert_eq!(imports, [item("of:the/host@0.1.0", &["wait"]), item("plain", &[])]);
        assert_eq!(exports, [item("again", &[])]);
    }

    #[test]
    fn what_is_no_component_is_none() {
        assert_eq!(read(b"\0asm\x0d\0\x01\0\xff"), None);
        assert_eq!(read(&wat::parse_str("(module)").unwrap()), None);
    }
}
