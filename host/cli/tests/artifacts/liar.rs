//! A server that answers as no registry should: what a test tells it to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A server that runs until the test's process ends.
pub struct Liar {
    /// `127.0.0.1:PORT`.
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// What it was asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// With the query.
    pub path: String,
    /// In small letters.
    pub headers: Vec<String>,
}

impl Request {
    pub fn shows(&self, header: &str) -> bool {
        self.headers.iter().any(|line| line.starts_with(&format!("{header}:")))
    }
}

impl Liar {
    /// Answers each request by what `answer` writes; then the connection is closed.
    pub fn start(answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&requests);
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut stream = stream;
                    if let Some(request) = read(&stream) {
                        noted.lock().unwrap().push(request.clone());
                        answer(&request, &mut stream);
                    }
                });
            }
        });
        Self { address, requests }
    }

    /// One that gives that manifest for whatever manifest, and that content for whatever blob.
    pub fn with(manifest: impl Into<Vec<u8>>, blob: impl Into<Vec<u8>>) -> Self {
        let (manifest, blob) = (manifest.into(), blob.into());
        Self::start(move |request, stream| {
            give(stream, "200 OK", &[], if request.path.contains("/manifests/") { &manifest } else { &blob });
        })
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
    Some(Request { path, headers })
}

/// An answer. Who does not read it to its end has gone.
pub fn give(stream: &mut TcpStream, status: &str, headers: &[(&str, &str)], body: &[u8]) {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let _ = stream.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| stream.write_all(body));
}

/// An answer that does not end for as long as somebody reads it.
pub fn give_without_end(stream: &mut TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    while stream.write_all(&[b' '; 4096]).is_ok() {}
}
