//! The layout of a component in a registry, as `wkg`, `wash` and other tools read it: a manifest with a configuration
//! that tells what the component imports and exports, and one layer that is the component. Our signature is an
//! annotation of that layer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::interfaces::Interfaces;

/// The media types.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub const LAYER: &str = "application/wasm";
/// Of a manifest, in bytes: one of a component has some hundreds.
pub const MAX_MANIFEST: u64 = 256 << 10;

/// The annotation that has the signature of the content beside which it stands, in Base64: cosign's name for that.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The annotation with the name of a file, by which `oras pull` stores it.
const TITLE: &str = "org.opencontainers.image.title";

/// A component's manifest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    schema_version: u32,
    media_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Configuration<'a> {
    created: &'static str,
    author: Option<&'static str>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [Digest; 1],
    component: Surface<'a>,
}

#[derive(Serialize)]
struct Surface<'a> {
    exports: &'a [String],
    imports: &'a [String],
    target: Option<&'static str>,
}

/// A manifest and the configuration that it names, as they are stored.
pub struct Written {
    pub manifest: Vec<u8>,
    pub config: Vec<u8>,
}

/// The component that a manifest is of.
#[derive(Debug, PartialEq, Eq)]
pub struct Layer {
    pub digest: Digest,
    pub size: u64,
    /// In Base64.
    pub signature: Option<String>,
}

/// The manifest of that component. The same component, title and signature give the same bytes, whenever it is pushed:
/// the time that the layout wants is none of this year's.
pub fn write(
    component: &[u8],
    interfaces: &Interfaces,
    title: Option<&str>,
    signature: Option<&str>,
) -> serde_json::Result<Written> {
    let configuration = Configuration {
        created: "1970-01-01T00:00:00Z",
        author: None,
        architecture: "wasm",
        os: "wasip2",
        layer_digests: [Digest::of(component)],
        component: Surface { exports: &interfaces.exports, imports: &interfaces.imports, target: None },
    };
    let config = serde_json::to_vec(&configuration)?;
    let given = [(TITLE, title), (SIGNATURE, signature)];
    let annotations =
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        config: descriptor(CONFIG, &config, BTreeMap::new()),
        layers: vec![descriptor(LAYER, component, annotations)],
    };
    Ok(Written { manifest: serde_json::to_vec(&manifest)?, config })
}

fn descriptor(media_type: &str, content: &[u8], annotations: BTreeMap<String, String>) -> Descriptor {
    let (digest, size) = (Digest::of(content), content.len() as u64);
    Descriptor { media_type: media_type.to_owned(), digest, size, annotations }
}

/// The component that a manifest is of; or why it is of none.
pub fn read(manifest: &[u8]) -> Result<Layer, String> {
    #[derive(Deserialize)]
    struct Index {
        #[serde(rename = "manifests")]
        _manifests: Vec<serde::de::IgnoredAny>,
    }
    let read: Manifest = serde_json::from_slice(manifest).map_err(|error| {
        if serde_json::from_slice::<Index>(manifest).is_ok() {
            return "it is an index of several manifests; ask for one of them, by its digest".to_owned();
        }
        format!("its manifest cannot be read: {}", error.to_string().escape_debug())
    })?;
    let is_manifest = read.media_type.as_deref().is_none_or(|media_type| media_type == MANIFEST);
    if read.schema_version != 2 || !is_manifest {
        return Err("its manifest is of another kind".to_owned());
    }
    if read.config.media_type != CONFIG {
        return Err(format!(
            "its configuration is `{}`, not {CONFIG}",
            read.config.media_type.escape_debug()
        ));
    }
    let mut layers = read.layers.into_iter();
    let (Some(mut layer), None) = (layers.next(), layers.next()) else {
        return Err("it has not one layer".to_owned());
    };
    if layer.media_type != LAYER {
        return Err(format!("its layer is `{}`, not {LAYER}", layer.media_type.escape_debug()));
    }
    let signature = layer.annotations.remove(SIGNATURE);
    Ok(Layer { digest: layer.digest, size: layer.size, signature })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    fn written(title: Option<&str>, signature: Option<&str>) -> Written {
        let interfaces = Interfaces { imports: vec!["a:b/c@1.0.0".into()], exports: vec!["run".into()] };
        write(COMPONENT, &interfaces, title, signature).unwrap()
    }

    #[test]
    fn what_was_written_is_read_and_is_the_same_each_time() {
        let (one, other) = (written(Some("x.wasm"), Some("AAAA")), written(Some("x.wasm"), Some("AAAA")));
        assert_eq!((&one.manifest, &one.config), (&other.manifest, &other.config));
        let layer = Layer { digest: Digest::of(COMPONENT), size: 8, signature: Some("AAAA".into()) };
        assert_eq!(read(&one.manifest), Ok(layer));
        assert_eq!(read(&written(None, None).manifest).unwrap().signature, None);
    }

    #[test]
    fn what_is_of_no_component_is_told() {
        let text = String::from_utf8(written(None, None).manifest).unwrap();
        let index =
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
        let layer = &text[text.find("\"layers\":[").unwrap() + 10..text.rfind(']').unwrap()];
        let cases = [
            (index.to_owned(), "an index of several"),
            (String::new(), "cannot be read"),
            ("[]".to_owned(), "cannot be read"),
            (text.replace("\"schemaVersion\":2", "\"schemaVersion\":1"), "of another kind"),
            (text.replace(CONFIG, "application/vnd.oci.image.config.v1+json"), "its configuration is"),
            (text.replace("application/wasm", "application/x\\u001b"), "its layer is `application/x\\u{1b}`"),
            (text.replace(layer, ""), "not one layer"),
            (text.replace(layer, &format!("{layer},{layer}")), "not one layer"),
            (text.replace("sha256:", "sha512:"), "cannot be read"),
            (text.replace("\"size\":8", "\"size\":-8"), "cannot be read"),
        ];
        for (manifest, why) in cases {
            assert_ne!(manifest, text, "{why}");
            let error = read(manifest.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{manifest}: {error}");
        }
    }
}
