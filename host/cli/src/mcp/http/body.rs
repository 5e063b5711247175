//! A request's body, held as far as it may be; of a longer one no more is known than the ids in it.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::input_lines::Scan;
use crate::mcp::ids::IdScanner;

/// What has come of a body so far.
#[derive(Debug)]
pub struct Upload {
    limit: usize,
    held: BytesMut,
    too_long: Option<IdScanner>,
}

impl Upload {
    /// A body of at most so many bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, held: BytesMut::new(), too_long: None }
    }

    /// Reads to the end.
    pub async fn receive(&mut self, mut body: Incoming) -> hyper::Result<()> {
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                self.take(&data);
            }
        }
        Ok(())
    }

    fn take(&mut self, data: &[u8]) {
        if let Some(scanner) = &mut self.too_long {
            scanner.scan(data);
        } else if data.len() > self.limit - self.held.len() {
            let mut scanner = IdScanner::default();
            scanner.scan(&std::mem::take(&mut self.held));
            scanner.scan(data);
            self.too_long = Some(scanner);
        } else {
            self.held.extend_from_slice(data);
        }
    }

    /// What has come, and what was seen of it where that is too long.
    pub fn end(self) -> (Bytes, Option<IdScanner>) {
        (self.held.freeze(), self.too_long)
    }
}
