//! Who may ask: the node's token, and a `Host` header that is this node's own.
//! Protects against other programs of the machine and against pages that rebind their name.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use thiserror::Error;
use tokio::net::TcpListener;

use super::App;
use super::problem::Failure;

/// The secret that every request to the API carries. Never printed.
#[derive(Clone)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// The token with this text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Its text, for the one file and the one link that carry it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether this is the token; takes as long for a near miss as for a far one.
    pub fn is(&self, given: &str) -> bool {
        // Comparing two BLAKE3 hashes takes constant time.
        blake3::hash(self.0.as_bytes()) == blake3::hash(given.as_bytes())
    }
}

/// Why the node does not listen where it was told to.
#[derive(Debug, Error)]
pub enum BindError {
    /// The address can be reached from outside, and nothing in front of it was promised.
    #[error("{0} can be reached from other machines, and this API speaks plain HTTP")]
    Open(SocketAddr),
    /// The system refused.
    #[error("cannot listen on {address}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Listens for requests; beyond this machine only behind a proxy that speaks TLS.
pub async fn bind(address: SocketAddr, behind_proxy: bool) -> Result<TcpListener, BindError> {
    if !address.ip().is_loopback() && !behind_proxy {
        return Err(BindError::Open(address));
    }
    TcpListener::bind(address).await.map_err(|source| BindError::Refused { address, source })
}

/// Lets only requests through that carry the token.
pub async fn with_token(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    match bearer(request.headers()) {
        Some(token) if app.settings.token.is(token) => Ok(next.run(request).await),
        Some(_) | None => Err(Failure::Unauthorised),
    }
}

/// The token that a request carries.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Lets only requests through that call this node by a name of this machine. A proxy in front
/// answers to its own names, and checks them.
pub async fn from_own_host(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    match app.settings.behind_proxy || host.is_some_and(is_own_name) {
        true => Ok(next.run(request).await),
        false => Err(Failure::ForeignHost),
    }
}

fn is_own_name(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, _port)) => v6,
        None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for own in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:4780", "[::1]:1", "[::1]"]
        {
            assert!(is_own_name(own), "{own}");
        }
        for foreign in ["", "evil.example", "localhost.evil.example:80", "10.0.0.1:80", "[::2]:1"] {
            assert!(!is_own_name(foreign), "{foreign}");
        }
    }

    #[tokio::test]
    async fn an_address_of_the_network_is_refused_unless_a_proxy_stands_before_it() {
        let open = "0.0.0.0:0".parse().unwrap();
        assert!(matches!(bind(open, false).await, Err(BindError::Open(_))));
        assert!(bind(open, true).await.is_ok());
        assert!(bind("127.0.0.1:0".parse().unwrap(), false).await.is_ok());
    }
}
