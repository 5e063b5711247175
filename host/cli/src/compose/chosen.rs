//! A component that gives what was chosen for a composition: two texts, which the adapter for ZeroClaw asks for.

use anyhow::Context;
use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, CodeSection, Component, ComponentAliasSection,
    ComponentExportKind, ComponentExportSection, ComponentInstanceSection, ComponentTypeSection,
    ComponentValType, ConstExpr, DataSection, ExportKind, ExportSection, Function, FunctionSection,
    InstanceSection, MemorySection, MemoryType, ModuleArg, ModuleSection, PrimitiveValType, TypeSection,
    ValType,
};

use super::parts::Made;

const INTERFACE: &str = "pod:adapter-zeroclaw/chosen@0.1.0";

/// The functions of the interface, and what they give for that tool.
pub fn component(tool: &str) -> anyhow::Result<Made> {
    let plugin = plugin_name(tool);
    let texts = [("tool", tool), ("plugin", &*plugin)];
    let module = module(&texts).context("the tool's name is too long")?;

    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    let mut instances = InstanceSection::new();
    instances.instantiate(0, Vec::<(&str, ModuleArg)>::new());
    component.section(&instances);
    let mut aliases = ComponentAliasSection::new();
    let exported = |kind, name| Alias::CoreInstanceExport { instance: 0, kind, name };
    aliases.alias(exported(ExportKind::Memory, "memory"));
    for (name, _) in texts {
        aliases.alias(exported(ExportKind::Func, name));
    }
    component.section(&aliases);
    let mut types = ComponentTypeSection::new();
    let no_parameters: [(&str, ComponentValType); 0] = [];
    types.function().params(no_parameters).result(Some(PrimitiveValType::String.into()));
    component.section(&types);
    let mut lifted = CanonicalFunctionSection::new();
    for place in 0..2 {
        lifted.lift(place, 0, [CanonicalOption::Memory(0)]);
    }
    component.section(&lifted);
    let mut instances = ComponentInstanceSection::new();
    instances.export_items([
        (texts[0].0, ComponentExportKind::Func, 0),
        (texts[1].0, ComponentExportKind::Func, 1),
    ]);
    component.section(&instances);
    let mut exports = ComponentExportSection::new();
    exports.export(INTERFACE, ComponentExportKind::Instance, 0, None);
    component.section(&exports);
    Ok(Made { binary: component.finish(), interface: INTERFACE })
}

/// The core module: a memory with the texts in it, and for each a function that says where its place and length stand.
fn module(texts: &[(&str, &str); 2]) -> anyhow::Result<wasm_encoder::Module> {
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    let (mut functions, mut exports, mut code) =
        (FunctionSection::new(), ExportSection::new(), CodeSection::new());
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: Some(1),
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    exports.export("memory", ExportKind::Memory, 0);
    let mut bytes = Vec::new();
    for (place, (name, text)) in (0..).zip(texts) {
        functions.function(0);
        exports.export(name, ExportKind::Func, place);
        // Each text stands behind its place and its length.
        while bytes.len() % 4 != 0 {
            bytes.push(0);
        }
        let at = i32::try_from(bytes.len())?;
        bytes.extend((at + 8).to_le_bytes());
        bytes.extend(u16::try_from(text.len())?.to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(text.as_bytes());
        let mut function = Function::new([]);
        function.instructions().i32_const(at).end();
        code.function(&function);
    }
    // Of one page.
    u16::try_from(bytes.len())?;
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(0), bytes);

    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&functions).section(&memories).section(&exports);
    module.section(&code).section(&data);
    Ok(module)
}

/// What ZeroClaw is to call the plugin: `pod-tools-list-pods` for ListPods.
pub fn plugin_name(tool: &str) -> String {
    let mut name = "pod-tools".to_owned();
    let mut before = 'A';
    for c in tool.chars() {
        if name == "pod-tools" || (c.is_ascii_uppercase() && !before.is_ascii_uppercase()) {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
        before = c;
    }
    name
}
