//! HTTP with deadlines: connections, redirects, bodies.

use super::Patience;
use super::endpoint::Endpoint;
use super::retry::Failure;
use crate::images::error::{Error, Result};
use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const MOST_REDIRECTS: usize = 10;
/// How much of an error's body is read.
const MOST_ERROR: u64 = 16 << 10;
/// How long a connection may wait for its next use.
const IDLE: Duration = Duration::from_secs(15);

/// Connections for one endpoint and the hosts it sends us to.
pub(super) struct Http {
    patience: Patience,
    ca: Vec<PathBuf>,
    plain: Client<HttpConnector, Full<Bytes>>,
    /// Made when first needed: reading the machine's certificates takes time and memory.
    secure: Mutex<Option<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>>,
}

/// Marks an answer of another host than was asked. What it demands is not for it to demand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elsewhere;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub method: Method,
    pub url: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Ask {
    pub(super) fn get(url: Uri) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// For messages. Queries may hold secrets.
    pub(super) fn shown(&self) -> String {
        shown(&self.method, &self.url)
    }
}

fn shown(method: &Method, url: &Uri) -> String {
    let (scheme, authority) =
        (url.scheme_str().unwrap_or_default(), url.authority().map_or("", |a| a.as_str()));
    format!("{method} request to {scheme}://{authority}{}", url.path())
}

impl Http {
    pub(super) fn new(endpoint: &Endpoint, patience: Patience) -> Self {
        let plain = builder().build(connector(patience));
        Self { patience, ca: endpoint.config.ca.clone(), plain, secure: Mutex::new(None) }
    }

    /// Sends a request and follows where it leads. The answer's body is not read yet. Credentials go to the host
    /// they are for, and nowhere else.
    pub(super) async fn send(&self, ask: &Ask) -> Result<Response<Incoming>, Failure> {
        let mut ask = ask.clone();
        let mut elsewhere = false;
        for _ in 0..=MOST_REDIRECTS {
            let mut response = self.send_once(&ask).await?;
            if !is_redirect(response.status()) {
                if elsewhere {
                    response.extensions_mut().insert(Elsewhere);
                }
                return Ok(response);
            }
            let next = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let next = next
                .and_then(|location| resolve(&ask.url, location))
                .ok_or_else(|| Error::invalid(format!("{}: redirected to nowhere", ask.shown())))?;
            if ask.url.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
                return Err(
                    Error::invalid(format!("{}: redirected to an unprotected address", ask.shown())).into()
                );
            }
            if next.scheme() != ask.url.scheme() || next.authority() != ask.url.authority() {
                elsewhere = true;
                ask.headers.remove(AUTHORIZATION);
                if !ask.body.is_empty() {
                    return Err(Error::invalid(format!("{}: redirected to another host", ask.shown())).into());
                }
            }
            ask.url = next;
        }
        Err(Error::invalid(format!("{}: redirected too often", ask.shown())).into())
    }

    async fn send_once(&self, ask: &Ask) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::new(Full::new(ask.body.clone()));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = ask.url.clone();
        *request.headers_mut() = ask.headers.clone();
        request.headers_mut().insert(http::header::USER_AGENT, HeaderValue::from_static("corten"));
        let answer = if ask.url.scheme_str() == Some("https") {
            let client = self.secure()?;
            corten_rt::timeout(self.patience.answer, client.request(request)).await
        } else {
            corten_rt::timeout(self.patience.answer, self.plain.request(request)).await
        };
        match answer {
            Some(Ok(response)) => Ok(response),
            // Nobody there, a wrong certificate: that will not pass while the caller waits.
            Some(Err(error)) if error.is_connect() => {
                Err(Error::unavailable(format!("failed to do request: {}: {}", ask.shown(), explain(&error)))
                    .into())
            }
            Some(Err(error)) => {
                Err(Failure::passing(format!("failed to do request: {}: {}", ask.shown(), explain(&error))))
            }
            None => {
                let seconds = self.patience.answer.as_secs_f32();
                Err(Error::unavailable(format!(
                    "failed to do request: {}: no answer within {seconds} s",
                    ask.shown()
                ))
                .into())
            }
        }
    }

    fn secure(&self) -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>> {
        let mut secure = self.secure.lock();
        if let Some(client) = &*secure {
            return Ok(client.clone());
        }
        let mut http = connector(self.patience);
        http.enforce_http(false);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls(&self.ca)?)
            .https_only()
            .enable_all_versions()
            .wrap_connector(http);
        let client = builder().build(connector);
        Ok(secure.insert(client).clone())
    }
}

fn builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(IDLE).pool_max_idle_per_host(4).pool_timer(TokioTimer::new());
    builder
}

fn connector(patience: Patience) -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(patience.connect));
    connector.set_nodelay(true);
    connector
}

/// Trusts the machine's authorities and those of the configuration.
fn tls(ca: &[PathBuf]) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    let own = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(own.certs);
    for path in ca {
        let wrong = |error: &dyn std::fmt::Display| {
            Error::invalid(format!(
                "the registry's certificates in {} cannot be read: {error}",
                path.display()
            ))
        };
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
    }
    if roots.is_empty() {
        return Err(Error::invalid(
            "no certificate authorities on this machine: install ca-certificates, or name the registry's `ca` in the configuration",
        ));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::invalid(format!("TLS cannot be set up: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Reads a body of bounded size.
pub(super) async fn read(
    response: Response<Incoming>,
    most: u64,
    patience: Patience,
    what: &str,
) -> Result<Bytes, Failure> {
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(data) =
        next(&mut body, patience).await.map_err(|text| Failure::passing(format!("{what}: {text}")))?
    {
        if (bytes.len() + data.len()) as u64 > most {
            return Err(Error::invalid(format!("{what}: the answer is larger than {most} bytes")).into());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

/// The next data of a body, `None` at its end; a text if there will be none.
pub(super) async fn next(body: &mut Incoming, patience: Patience) -> Result<Option<Bytes>, String> {
    loop {
        match corten_rt::timeout(patience.stall, body.frame()).await {
            None => return Err(format!("nothing came for {} s", patience.stall.as_secs_f32())),
            Some(None) => return Ok(None),
            Some(Some(Err(error))) => return Err(format!("the connection broke off: {}", explain(&error))),
            Some(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// The failure that an answer without success is. Reads what it says.
pub(super) async fn failure(response: Response<Incoming>, ask: &Ask, patience: Patience) -> Failure {
    let status = response.status();
    let after =
        response.headers().get(http::header::RETRY_AFTER).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let body = read(response, MOST_ERROR, patience, "").await.unwrap_or_default();
    super::retry::judge(status, after.as_deref(), &ask.shown(), &said(&body))
}

/// The message of a registry's error.
fn said(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Body {
        errors: Vec<Item>,
    }
    #[derive(serde::Deserialize)]
    struct Item {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let Ok(body) = serde_json::from_slice::<Body>(body) else { return String::new() };
    let texts = body.errors.iter().take(3).map(|item| match item.message.is_empty() {
        true => item.code.clone(),
        false => item.message.clone(),
    });
    texts
        .map(|text| text.chars().filter(|c| !c.is_control()).take(200).collect())
        .collect::<Vec<String>>()
        .join("; ")
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// A `Location`, which may leave out scheme, host or more.
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let scheme = base.scheme_str()?;
    let authority = base.authority()?;
    let absolute = if location.starts_with("http://") || location.starts_with("https://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let directory = base.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        format!("{scheme}://{authority}{directory}/{location}")
    };
    absolute.parse().ok()
}

/// An error with its causes; the outer ones alone say little.
fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut current = Some(error);
    while let Some(error) = current {
        let text = error.to_string();
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
        current = error.source();
    }
    let text = texts.join(": ");
    match text.contains("UnknownIssuer") || text.contains("BadSignature") {
        true => format!(
            "{text}: name the file with the registry's certificate authority as its `ca` in the configuration"
        ),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        let base: Uri = "https://r.io:5/v2/a/blobs/x?q".parse().unwrap();
        let table = [
            ("https://cdn.io/b", "https://cdn.io/b"),
            ("//cdn.io/b", "https://cdn.io/b"),
            ("/b?c=d", "https://r.io:5/b?c=d"),
            ("y", "https://r.io:5/v2/a/blobs/y"),
        ];
        for (location, expected) in table {
            assert_eq!(resolve(&base, location).unwrap(), expected);
        }
        assert!(resolve(&base, "http://a b/").is_none());
    }

    #[test]
    fn what_registries_say() {
        let table = [
            (
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#,
                "manifest unknown",
            ),
            (r#"{"errors":[{"code":"DENIED"},{"message":"a\u0007b"}]}"#, "DENIED; ab"),
            ("<html>", ""),
            ("", ""),
        ];
        for (body, text) in table {
            assert_eq!(said(body.as_bytes()), text);
        }
    }
}
