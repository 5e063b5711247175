//! A registry that is not of this machine: over TLS, by a certificate that the system believes, or not at all. It is
//! reached by a proxy that leads every name to a server of this test.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::cli::{Finished, run};
use crate::lies::{COMPONENT, manifest};
use crate::place::Place;

const NAME: &str = "registry.example";

/// A certificate for [`NAME`], in `server.crt`, and what serves by it; `None` where there is no openssl.
fn certified(directory: &Path) -> Option<Arc<ServerConfig>> {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-keyout", "server.key", "-out", "server.crt", "-subj", "/CN=a test"])
        .args([
            "-addext",
            &format!("subjectAltName=DNS:{NAME}"),
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .current_dir(directory)
        .output();
    let Ok(made) = made else {
        eprintln!("not run: this machine has no openssl");
        return None;
    };
    assert!(made.status.success(), "{made:?}");
    let certificate = CertificateDer::from_pem_file(directory.join("server.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Some(Arc::new(config.unwrap()))
}

/// A proxy whose every host is a registry with one component; its address.
fn proxy(config: Arc<ServerConfig>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let config = Arc::clone(&config);
            // A client that believes no certificate goes in the middle of it.
            std::thread::spawn(move || serve(client, config));
        }
    });
    address
}

fn serve(mut client: TcpStream, config: Arc<ServerConfig>) -> std::io::Result<()> {
    let mut asked = Vec::new();
    let mut byte = [0];
    while !asked.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        asked.push(byte[0]);
    }
    if !asked.starts_with(format!("CONNECT {NAME}:443 ").as_bytes()) {
        return Ok(());
    }
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config).unwrap(), client));
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        stream.read_line(&mut request)?;
    }
    let manifest = manifest(COMPONENT, COMPONENT.len());
    let body = if request.contains("/manifests/") { manifest.as_bytes() } else { COMPONENT };
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let stream = stream.get_mut();
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.conn.send_close_notify();
    stream.flush()
}

#[test]
fn a_registry_elsewhere_is_asked_over_tls_and_by_a_certificate_that_is_believed() {
    let place = Place::new();
    let Some(config) = certified(&place.path("docker")) else { return };
    let proxy = format!("http://{}", proxy(config));
    let pull = |certificate: Option<&str>| -> Finished {
        let mut command = place.command(["pull", &format!("{NAME}/plugin:1"), "-o", "plugin.wasm"]);
        command.env("HTTPS_PROXY", &proxy);
        if let Some(file) = certificate {
            command.env("SSL_CERT_FILE", place.path(file));
        }
        run(command)
    };
    let believed = pull(Some("docker/server.crt"));
    assert_eq!(believed.code, Some(0), "{believed:?}");
    assert_eq!(place.read("plugin.wasm"), COMPONENT);

    fs::remove_file(place.path("plugin.wasm")).unwrap();
    let unknown = pull(None);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stderr.contains("certificate"), "{unknown:?}");
    assert!(!place.path("plugin.wasm").exists());
}
