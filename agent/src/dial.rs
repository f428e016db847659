//! Dialling: how a WebSocket to an agent server is opened, for the connection and for each stream.

use std::sync::Arc;

use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config, tungstenite,
};

use crate::credentials::Credentials;
use crate::options::ServerAddress;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A server, and what is shown there. Clones are the same.
#[derive(Clone)]
pub(crate) struct Dial(Arc<Shown>);

struct Shown {
    server: ServerAddress,
    credentials: Arc<Credentials>,
    tls: Arc<ClientConfig>,
}

impl Dial {
    pub(crate) fn new(
        server: &ServerAddress,
        credentials: &Arc<Credentials>,
        tls: &Arc<ClientConfig>,
    ) -> Self {
        Self(Arc::new(Shown {
            server: server.clone(),
            credentials: Arc::clone(credentials),
            tls: Arc::clone(tls),
        }))
    }

    /// The address of a stream at this server.
    pub(crate) fn stream_url(&self, stream: &str) -> String {
        self.0.server.stream_url(stream)
    }

    pub(crate) async fn connect(
        &self,
        url: &str,
        config: WebSocketConfig,
    ) -> Result<Socket, tungstenite::Error> {
        let mut request = url.into_client_request()?;
        // It may have been exchanged since the connection was opened.
        let credential = self.0.credentials.shown();
        let mut bearer = HeaderValue::from_str(&format!("Bearer {credential}"))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let connector = Connector::Rustls(Arc::clone(&self.0.tls));
        let (socket, _) =
            connect_async_tls_with_config(request, Some(config), true, Some(connector)).await?;
        Ok(socket)
    }
}
