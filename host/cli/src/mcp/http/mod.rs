//! The protocol over Streamable HTTP. rmcp knows the protocol; here are its bounds: who may come in, how
//! many, with how much, for how long.

pub mod address;
mod connection;
mod reply;
mod sessions;
mod token;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::address::Address;
use self::connection::{Connection, Watched};
use self::reply::{Abandon, Reply};
use self::sessions::{Sessions, Table};
use self::token::Token;
use super::args::McpArgs;
use super::delivery::Delivery;
use super::frame::{self, Refusal};
use super::server::McpServer;
use super::session::Session;

/// The one path that is served.
const PATH: &str = "/mcp";
const SESSION_ID: &str = "mcp-session-id";
/// Connections at once; further ones wait to be taken.
const MAX_CONNECTIONS: usize = 256;
/// A client has so long for the head of a request, and as long for its body.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// Connections have so long to end when the server does.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Out of descriptors, it is tried again so much later.
const RETRY: Duration = Duration::from_millis(100);

type Service = StreamableHttpService<Session, Sessions>;

/// A socket that listens, and what must be known of who comes in.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    token: Option<Token>,
    config: StreamableHttpServerConfig,
    max_frame: usize,
}

/// What all connections share.
struct Endpoint {
    service: Service,
    sessions: Table,
    token: Option<Token>,
    max_frame: usize,
}

impl Listener {
    /// Reads the token and begins to listen, but takes nobody in yet.
    pub async fn bind(address: Address, args: &McpArgs) -> anyhow::Result<Self> {
        let token = args.token_file.as_deref().map(Token::read).transpose()?;
        ensure!(
            token.is_some() || address.is_loopback(),
            "{} can be reached from other machines, so clients must show a token: name one with --token-file",
            address.0
        );
        let listener =
            TcpListener::bind(address.0).await.with_context(|| format!("cannot listen at {}", address.0))?;
        let bound = listener.local_addr()?;
        let hosts = address::allowed_hosts(bound, &args.allow_host);
        let config = StreamableHttpServerConfig::default()
            .with_allowed_hosts(hosts)
            .with_allowed_origins(address::allowed_origins(bound, &args.allow_origin))
            .enforce_origin_validation()
            .with_max_request_body_bytes(args.max_frame)
            // A call ends with its connection, so there is nothing to come back to.
            .with_sse_retry(None);
        Ok(Self { listener, token, config, max_frame: args.max_frame })
    }

    /// Serves until the server stops.
    pub async fn serve(self, server: Arc<McpServer>) -> anyhow::Result<()> {
        let stopping = server.stopping.clone();
        let sessions = Arc::new(Sessions::new());
        let table = sessions.table().clone();
        let config = self.config.with_cancellation_token(stopping.clone());
        let service =
            StreamableHttpService::new(move || Ok(Session::new(server.clone())), sessions.clone(), config);
        let endpoint =
            Arc::new(Endpoint { service, sessions: table, token: self.token, max_frame: self.max_frame });
        eprintln!("pod-tools: serving at http://{}{PATH}", self.listener.local_addr()?);

        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        tokio::spawn(stopping.clone().run_until_cancelled_owned(async move { sessions.end_idle().await }));
        loop {
            let accepted = async {
                let place = places.clone().acquire_owned().await;
                (self.listener.accept().await, place)
            };
            tokio::select! {
                (accepted, place) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let (endpoint, stopping) = (endpoint.clone(), stopping.clone());
                        connections.spawn(async move {
                            let _place = place;
                            endpoint.serve(stream, stopping.cancelled_owned()).await;
                        });
                    }
                    Err(error) => {
                        tracing::warn!("a connection could not be taken: {error}");
                        sleep(RETRY).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                () = stopping.cancelled() => break,
            }
        }
        drop(self.listener);
        let _ = timeout(LAST_WORDS, async { while connections.join_next().await.is_some() {} }).await;
        Ok(())
    }
}

impl Endpoint {
    /// Serves one connection.
    async fn serve(self: Arc<Self>, stream: TcpStream, stopping: impl Future<Output = ()>) {
        // Answers are small, and written in one go.
        let _ = stream.set_nodelay(true);
        let connection = Connection::default();
        let watched = Watched::new(stream, connection.clone());
        let respond = service_fn(move |request| {
            let (endpoint, connection) = (self.clone(), connection.clone());
            async move { Ok::<_, Infallible>(endpoint.respond(request, connection).await) }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIME)
            .serve_connection(watched, respond);
        tokio::pin!(serving);
        let served = tokio::select! {
            served = serving.as_mut() => served,
            () = stopping => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = served {
            tracing::debug!("a connection ended: {error}");
        }
    }

    async fn respond(&self, request: Request<Incoming>, connection: Connection) -> Response<Reply> {
        let headers = request.headers();
        let session = headers.get(SESSION_ID).and_then(|id| id.to_str().ok());
        let session = session.and_then(|id| self.sessions.enter(id));
        let outbox = session.as_ref().map_or(&connection.outbox, |session| &session.outbox);
        let delivery = Delivery::new(outbox.clone());
        // hyper drops this very future when the client leaves.
        let abandon = Abandon::unless_ended(delivery.clone());
        let response = match self.admit(request).await {
            Ok(mut request) => {
                request.extensions_mut().insert(delivery);
                self.service.handle(request).await
            }
            Err(refused) => refused.map(|body| body.boxed()),
        };
        response.map(|body| Reply::new(body, abandon, connection, session))
    }

    /// The request with its whole body, if it may come in; else what it gets.
    async fn admit(&self, request: Request<Incoming>) -> Result<Request<Full<Bytes>>, Response<Full<Bytes>>> {
        if let Some(token) = &self.token
            && !token.is_shown_by(request.headers())
        {
            let mut refused = text(StatusCode::UNAUTHORIZED, "show the token: Authorization: Bearer TOKEN");
            refused.headers_mut().insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
            return Err(refused);
        }
        if request.uri().path() != PATH {
            return Err(text(StatusCode::NOT_FOUND, "the server is at /mcp"));
        }
        let (head, body) = request.into_parts();
        let is_post = head.method == Method::POST;
        let body = Limited::new(body, if is_post { self.max_frame } else { 0 });
        let body = match timeout(REQUEST_TIME, body.collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, &Refusal::too_long(self.max_frame)));
            }
            Ok(Err(_)) => return Err(text(StatusCode::BAD_REQUEST, "the request broke off")),
            Err(_) => return Err(text(StatusCode::REQUEST_TIMEOUT, "the request took too long to come")),
        };
        if is_post {
            match frame::decode(&body) {
                Ok(Some(_)) => {}
                Ok(None) => return Err(text(StatusCode::ACCEPTED, "")),
                Err(refused) => return Err(refusal(StatusCode::BAD_REQUEST, &refused)),
            }
        }
        Ok(Request::from_parts(head, Full::new(body)))
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    with_status(status, Full::from(text))
}

fn refusal(status: StatusCode, refusal: &Refusal) -> Response<Full<Bytes>> {
    let mut response = with_status(status, Full::from(refusal.to_json()));
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

fn with_status(status: StatusCode, body: Full<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
