//! The protocol over Streamable HTTP. rmcp knows the protocol; here are its bounds: who may come in, how
//! many, with how much, for how long.

mod accept;
pub mod address;
mod bearer;
mod body;
mod connection;
mod cors;
#[cfg(test)]
#[path = "../../../../../tests/fuzz/properties/http_head.rs"]
mod head_properties;
pub mod origin;
mod places;
mod reply;
mod sessions;
mod streams;
mod times;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use rmcp::model::{ClientJsonRpcMessage, RequestId};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::address::Address;
use self::body::{Body, Uploads};
use self::connection::{Connection, Watched};
use self::origin::{Door, Refused};
use self::places::{Full as AllInUse, MAX_CONNECTIONS, Place, Places};
use self::reply::{Abandon, Reply};
use self::sessions::{MAY_GO, Sessions, SessionsError, Table, refused_as_too_many};
use self::times::REQUEST_TIME;
use super::args::McpArgs;
use super::delivery::Delivery;
use super::frame::{self, Refusal};
use super::server::McpServer;
use super::session::Session;
use crate::streams::tell;
use crate::token::Token;

/// The one path that is served.
const PATH: &str = "/mcp";
const SESSION_ID: &str = "mcp-session-id";
/// Connections have so long to end when the server does.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Out of descriptors, it is tried again so much later.
const RETRY: Duration = Duration::from_millis(100);
/// Where all places are in use, it is worth another try so much later.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Bytes of a request's head.
const MAX_HEAD: usize = 64 << 10;

type Service = StreamableHttpService<Session, Sessions>;

/// A socket that listens, and what must be known of who comes in.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    token: Option<Token>,
    door: Door,
    max_frame: usize,
}

/// What all connections share.
struct Endpoint {
    service: Service,
    sessions: Table,
    token: Option<Token>,
    door: Door,
    max_frame: usize,
    uploads: Uploads,
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
        let own = address::own_hosts(listener.local_addr()?);
        let door = Door::new(own, &args.allow_host, &args.allow_origin);
        Ok(Self { listener, token, door, max_frame: args.max_frame })
    }

    /// Serves until the server stops.
    pub async fn serve(self, server: Arc<McpServer>) -> anyhow::Result<()> {
        let stopping = server.stopping.clone();
        let sessions = Arc::new(Sessions::new());
        let table = sessions.table().clone();
        let config = StreamableHttpServerConfig::default()
            // The door knows them.
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(self.max_frame)
            // A call ends with its connection, so there is nothing to come back to.
            .with_sse_retry(None)
            .with_cancellation_token(stopping.clone());
        let service =
            StreamableHttpService::new(move || Ok(Session::new(server.clone())), sessions.clone(), config);
        let endpoint = Arc::new(Endpoint {
            service,
            sessions: table,
            token: self.token,
            door: self.door,
            max_frame: self.max_frame,
            uploads: Uploads::new(self.max_frame),
        });
        tell(format_args!("pod-tools: serving at http://{}{PATH}", self.listener.local_addr()?));

        let places = Places::default();
        let mut connections = JoinSet::new();
        tokio::spawn(stopping.clone().run_until_cancelled_owned(async move { sessions.end_idle().await }));
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let place = tokio::select! {
                            place = places.enter(peer.ip()) => Arc::new(place),
                            () = stopping.cancelled() => break,
                        };
                        let serving = endpoint.clone().serve(stream, place, stopping.clone().cancelled_owned());
                        connections.spawn(serving);
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
    async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        place: Arc<Place>,
        stopping: impl Future<Output = ()>,
    ) {
        // Answers are small, and written in one go.
        let _ = stream.set_nodelay(true);
        let connection = Connection::new();
        let watched = Watched::new(stream, connection.clone());
        let respond = {
            let (connection, place) = (connection.clone(), place.clone());
            service_fn(move |request| {
                let (endpoint, connection, place) = (self.clone(), connection.clone(), place.clone());
                async move { Ok::<_, Infallible>(endpoint.respond(request, connection, &place).await) }
            })
        };
        let serving = http1::Builder::new().max_buf_size(MAX_HEAD).serve_connection(watched, respond);
        tokio::pin!(serving);
        let served = tokio::select! {
            served = serving.as_mut() => served,
            () = connection.overdue() => return tracing::debug!("a connection was given up: no request came"),
            () = place.wanted().cancelled() => {
                if !connection.is_answering() {
                    return tracing::debug!("a connection on which nothing was answered was closed for another");
                }
                serving.as_mut().graceful_shutdown();
                serving.await
            }
            () = stopping => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = served {
            tracing::debug!("a connection ended: {error}");
        }
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        connection: Connection,
        place: &Place,
    ) -> Response<Reply> {
        let answering = connection.answering();
        let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
        let origin = match self.door.origin(&request) {
            Ok(origin) => Ok(origin.cloned()),
            Err(refused) => Err(refusal_at_the_door(refused)),
        };
        let (admitted, origin) = match origin {
            Ok(origin) => (self.admit(request, &connection, place).await, origin),
            Err(refused) => (Err(last(refused)), None),
        };
        let mut response = match admitted {
            Ok(admitted) => self.handle(admitted, connection, answering).await,
            Err(refused) => {
                let abandon = Abandon::unless_ended(Delivery::new(connection.outbox.clone()));
                refused.map(|body| Reply::new(body.boxed(), abandon, connection, None, answering))
            }
        };
        cors::allow_reading(origin, response.headers_mut());
        if is_chunked {
            // It may have had a length as well, which hyper does not tell: whoever went by that takes what comes behind
            // for a part of this request, so it must not be read as the next one (RFC 9112, 6.1).
            close_after(&mut response);
        }
        response
    }

    /// Has rmcp answer.
    async fn handle(
        &self,
        Admitted { mut request, id, _room }: Admitted,
        connection: Connection,
        answering: connection::Answering,
    ) -> Response<Reply> {
        let session = request.headers().get(SESSION_ID).and_then(|id| id.to_str().ok());
        let session = session.and_then(|id| self.sessions.enter(id));
        let outbox = session.as_ref().map_or(&connection.outbox, |session| &session.outbox);
        let delivery = Delivery::new(outbox.clone());
        // hyper drops this very future when the client leaves.
        let abandon = Abandon::unless_ended(delivery.clone());
        request.extensions_mut().insert(delivery);
        let (mut response, too_many_sessions) = refused_as_too_many(self.service.handle(request)).await;
        if too_many_sessions {
            let refused = Refusal::failed(id, SessionsError::TooMany.to_string());
            response =
                too_many(document(StatusCode::SERVICE_UNAVAILABLE, &refused), MAY_GO).map(BodyExt::boxed);
        }
        response.map(|body| Reply::new(body, abandon, connection, session, answering))
    }

    /// The request with its whole body, if it may come in; else what it gets.
    async fn admit(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
        place: &Place,
    ) -> Result<Admitted, Response<Full<Bytes>>> {
        self.door.host(&request).map_err(|refused| last(refusal_at_the_door(refused)))?;
        if cors::is_preflight(&request) {
            let mut allowed = text(StatusCode::NO_CONTENT, "");
            cors::allow_requests(request.headers(), allowed.headers_mut());
            return Err(last(allowed));
        }
        if let Some(token) = &self.token
            && !bearer::is_shown(token, request.headers())
        {
            let mut refused = text(StatusCode::UNAUTHORIZED, "show the token: Authorization: Bearer TOKEN");
            refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return Err(last(refused));
        }
        place.admit(connection).map_err(|AllInUse| {
            let mut refused = too_many(text(StatusCode::SERVICE_UNAVAILABLE, ""), TRY_AGAIN);
            *refused.body_mut() = Full::from(format!(
                "the server has {MAX_CONNECTIONS} connections in use already, which is its limit; try again later"
            ));
            last(refused)
        })?;
        if request.uri().path() != PATH {
            return Err(text(StatusCode::NOT_FOUND, "the server is at /mcp"));
        }
        let (mut head, body) = request.into_parts();
        accept::name_types(&mut head.headers);
        let is_post = head.method == Method::POST;
        let mut upload = self.uploads.begin(is_post);
        connection.uploading();
        let came = timeout(REQUEST_TIME, upload.receive(body)).await;
        connection.uploaded();
        let (body, room) = match upload.end() {
            Body::Whole(body, room) => (body, room),
            Body::TooLong(scanned) => {
                let refused = Refusal::too_long(self.max_frame, scanned);
                return Err(document(StatusCode::PAYLOAD_TOO_LARGE, &refused));
            }
            Body::NoRoom(scanned) => {
                return Err(too_many(
                    document(StatusCode::SERVICE_UNAVAILABLE, &Refusal::no_room(scanned)),
                    TRY_AGAIN,
                ));
            }
        };
        match came {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(text(StatusCode::BAD_REQUEST, "the request broke off")),
            Err(_) => return Err(text(StatusCode::REQUEST_TIMEOUT, "the request took too long to come")),
        }
        let mut id = None;
        if is_post {
            match frame::decode(&body) {
                Ok(Some(ClientJsonRpcMessage::Request(request))) => id = Some(request.id),
                Ok(Some(_)) => {}
                Ok(None) => return Err(text(StatusCode::ACCEPTED, "")),
                Err(refused) => return Err(document(StatusCode::BAD_REQUEST, &refused)),
            }
        }
        Ok(Admitted { request: Request::from_parts(head, Full::new(body)), id, _room: room })
    }
}

/// What may come in.
struct Admitted {
    request: Request<Full<Bytes>>,
    /// Of the request in it.
    id: Option<RequestId>,
    /// Until it is parsed.
    _room: Option<OwnedSemaphorePermit>,
}

/// Who has not shown that he may come in is told something once.
fn last(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    close_after(&mut response);
    response
}

fn close_after<T>(response: &mut Response<T>) {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

fn refusal_at_the_door(refused: Refused) -> Response<Full<Bytes>> {
    match refused {
        Refused::NoHost => text(StatusCode::BAD_REQUEST, "the request names no valid host, or more than one"),
        Refused::Target => text(
            StatusCode::BAD_REQUEST,
            "the request's target must be a path, or a URL whose host is that of the request",
        ),
        Refused::Origins => text(StatusCode::BAD_REQUEST, "the request names more than one origin"),
        Refused::Host => text(
            StatusCode::FORBIDDEN,
            "this host is not served (the operator can name it with --allow-host)",
        ),
        Refused::Origin => text(
            StatusCode::FORBIDDEN,
            "pages of this origin are not served (the operator can name it with --allow-origin)",
        ),
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    with_status(status, Full::from(text))
}

fn document(status: StatusCode, refusal: &Refusal) -> Response<Full<Bytes>> {
    let mut response = with_status(status, Full::from(refusal.to_document()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Says when it is worth another try.
fn too_many(mut response: Response<Full<Bytes>>, retry_after: Duration) -> Response<Full<Bytes>> {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after.as_secs()));
    response
}

fn with_status(status: StatusCode, body: Full<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
