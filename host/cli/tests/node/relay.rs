//! A link that can be cut: what connects here is led to the server, as long as the link stands.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Clone)]
pub struct Relay {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    stands: bool,
    open: Vec<TcpStream>,
}

impl Relay {
    /// To that port.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(Mutex::new(State { stands: true, open: Vec::new() }));
        let this = Self { port: listener.local_addr().unwrap().port(), state };
        let relay = this.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                relay.lead(client, port);
            }
        });
        this
    }

    fn lead(&self, client: TcpStream, port: u16) {
        let mut state = self.state.lock().unwrap();
        if !state.stands {
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
        for (from, to) in [(&client, &server), (&server, &client)] {
            let _ = from.set_nodelay(true);
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            std::thread::spawn(move || {
                let mut bytes = [0; 16384];
                while let Ok(read @ 1..) = from.read(&mut bytes) {
                    if to.write_all(&bytes[..read]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
            });
        }
        state.open.extend([client, server]);
    }

    /// Breaks all connections, and takes none until [`mend`](Self::mend).
    pub fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        state.stands = false;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn mend(&self) {
        self.state.lock().unwrap().stands = true;
    }
}
