//! A plain request over the same server, of as many bytes there and back: what a call is compared with.

use anyhow::Context;
use async_nats::{Client, HeaderMap, Request};
use futures_util::StreamExt;

const SUBJECT: &str = "plain";
/// As long as the names of the headers that requests and answers have.
const HEADER: &str = "Plain-Header";

/// What a message has.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub header: usize,
    pub payload: usize,
}

impl Size {
    /// Of a message that has come.
    pub fn of(message: &async_nats::Message) -> Self {
        let values = message.headers.iter().flat_map(HeaderMap::iter).flat_map(|(_, values)| values);
        Self { header: values.map(|value| value.as_str().len()).sum(), payload: message.payload.len() }
    }

    fn message(self) -> (HeaderMap, bytes::Bytes) {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, "x".repeat(self.header));
        (headers, vec![b'x'; self.payload].into())
    }
}

/// Who asks.
pub struct Plain {
    pub client: Client,
    pub request: Size,
    pub answer: Size,
}

impl Plain {
    pub async fn ask(&self) -> anyhow::Result<()> {
        let (headers, payload) = self.request.message();
        let request = Request::new().headers(headers).payload(payload);
        let answer = self.client.send_request(SUBJECT, request).await?;
        anyhow::ensure!(answer.payload.len() == self.answer.payload, "an answer of another size");
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
pub struct PlainArgs {
    url: String,
    header: usize,
    payload: usize,
}

/// Answers all requests, and says so with a line.
pub fn run(args: &PlainArgs) -> anyhow::Result<()> {
    // As many threads as a node has.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = async_nats::connect(&args.url).await?;
        let mut requests = client.subscribe(SUBJECT).await?;
        client.flush().await?;
        println!("ready");
        let (headers, payload) = Size { header: args.header, payload: args.payload }.message();
        while let Some(request) = requests.next().await {
            let reply = request.reply.context("a request without a reply")?;
            client.publish_with_headers(reply, headers.clone(), payload.clone()).await?;
        }
        Ok(())
    })
}
