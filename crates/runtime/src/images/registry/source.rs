//! One repository, at all the places that may have it.

use super::auth::{self, Credentials};
use super::challenge;
use super::endpoint::Endpoint;
use super::http::{self as wire, Ask, Http};
use super::retry::{Attempts, Failure};
use super::{Patience, Registries};
use crate::images::digest::Digest;
use crate::images::error::{Error, Result};
use crate::images::manifest::{ACCEPTED, Descriptor, MOST_DOCUMENT};
use crate::images::reference::{Reference, Version};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, RANGE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use parking_lot::Mutex;

/// Where a pull gets its bytes from.
pub(in crate::images) struct Source {
    repository: String,
    places: Vec<Place>,
    patience: Patience,
}

/// An endpoint and how we stand with it.
struct Place {
    endpoint: Endpoint,
    http: Http,
    credentials: Credentials,
    /// What it wanted to see last.
    authorization: Mutex<Option<HeaderValue>>,
}

/// Takes a blob's bytes, in order. An error ends the download.
pub(in crate::images) trait Sink: Send {
    /// Takes the next bytes.
    fn take(&mut self, bytes: Bytes) -> impl Future<Output = Result<()>> + Send;
}

impl Source {
    /// For the repository of that name. Credentials go to its registry, not to mirrors.
    pub(in crate::images) fn new(
        registries: &Registries,
        reference: &Reference,
        credentials: &Credentials,
    ) -> Result<Self> {
        let patience = registries.patience;
        let place = |endpoint: Endpoint| {
            let own = endpoint.is_mirror() || *credentials == Credentials::None;
            let credentials =
                if own { Credentials::of_config(&endpoint.config) } else { credentials.clone() };
            let http = Http::new(&endpoint, patience);
            Place { endpoint, http, credentials, authorization: Mutex::new(None) }
        };
        let places = Endpoint::all(registries, reference)?.into_iter().map(place).collect();
        Ok(Self { repository: reference.repository().to_owned(), places, patience })
    }

    /// What the registry means by this, without fetching it; `None` if it does not say.
    pub(in crate::images) async fn confirm(&self, version: &Version) -> Option<Digest> {
        let place = self.places.first()?;
        let url = place.endpoint.url(&self.repository, "manifests", &version.to_string()).ok()?;
        let mut ask = Ask { method: Method::HEAD, ..Ask::get(url) };
        ask.headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        // If it fails, the request that follows will see why, and say so.
        let response =
            self.authorized(place, &ask).await.ok().filter(|response| response.status().is_success())?;
        match version {
            Version::Digest(digest) => Some(digest.clone()),
            Version::Tag(_) => content_digest(&response),
        }
    }

    /// A manifest or index, with its digest.
    pub(in crate::images) async fn manifest(&self, version: &Version) -> Result<(Bytes, Digest)> {
        self.first_of("manifest", |place| self.manifest_from(place, version)).await
    }

    /// A small blob.
    pub(in crate::images) async fn document(&self, descriptor: &Descriptor) -> Result<Bytes> {
        self.first_of("configuration", |place| self.document_from(place, descriptor)).await
    }

    /// Downloads a blob, going on after interruptions, at the next place if need be. That the bytes are right is
    /// for the sink to find out; that they are as many as promised is seen here.
    pub(in crate::images) async fn blob(&self, descriptor: &Descriptor, sink: &mut impl Sink) -> Result<()> {
        let mut offset = 0;
        let mut errors = Errors::default();
        for place in &self.places {
            let mut attempts = Attempts::new(self.patience);
            loop {
                let before = offset;
                let failure = match self.blob_from(place, descriptor, &mut offset, sink).await {
                    Ok(()) => return Ok(()),
                    Err(Broken::Sink(error)) => return Err(error),
                    Err(Broken::Download(failure)) => failure,
                };
                if offset > before {
                    attempts.progress();
                }
                if let Err(error) = attempts.after(failure).await {
                    errors.add(error);
                    break;
                }
            }
        }
        Err(errors.into_error().during(format_args!("failed to download layer {}", descriptor.digest)))
    }

    /// Asks all places in order, each as often as is sensible.
    async fn first_of<'a, T, F>(&'a self, what: &str, ask: impl Fn(&'a Place) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut errors = Errors::default();
        for place in &self.places {
            let mut attempts = Attempts::new(self.patience);
            let error = loop {
                match ask(place).await {
                    Ok(found) => return Ok(found),
                    Err(failure) => {
                        if let Err(error) = attempts.after(failure).await {
                            break error;
                        }
                    }
                }
            };
            if place.endpoint.is_mirror() {
                tracing::info!(mirror = place.endpoint.host(), %error, "a mirror did not give the {what}");
            }
            errors.add(error);
        }
        Err(errors.into_error())
    }

    async fn manifest_from(&self, place: &Place, version: &Version) -> Result<(Bytes, Digest), Failure> {
        let mut ask = Ask::get(place.endpoint.url(&self.repository, "manifests", &version.to_string())?);
        ask.headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        let response = self.successful(place, &ask).await?;
        let said = content_digest(&response);
        let bytes = wire::read(response, MOST_DOCUMENT, self.patience, &ask.shown()).await?;
        let promised = match version {
            Version::Digest(digest) => Some(digest.clone()),
            Version::Tag(_) => said,
        };
        let digest = promised.unwrap_or_else(|| Digest::of(&bytes));
        verify(&digest, &bytes, "manifest", place)?;
        Ok((bytes, digest))
    }

    async fn document_from(&self, place: &Place, descriptor: &Descriptor) -> Result<Bytes, Failure> {
        let ask = Ask::get(place.endpoint.url(&self.repository, "blobs", &descriptor.digest.to_string())?);
        let response = self.successful(place, &ask).await?;
        let bytes = wire::read(response, MOST_DOCUMENT, self.patience, &ask.shown()).await?;
        verify(&descriptor.digest, &bytes, "configuration", place)?;
        Ok(bytes)
    }

    async fn blob_from(
        &self,
        place: &Place,
        descriptor: &Descriptor,
        offset: &mut u64,
        sink: &mut impl Sink,
    ) -> Result<(), Broken> {
        let mut ask =
            Ask::get(place.endpoint.url(&self.repository, "blobs", &descriptor.digest.to_string())?);
        if *offset > 0 {
            if *offset == descriptor.size {
                return Ok(());
            }
            let range = HeaderValue::from_str(&format!("bytes={offset}-"));
            ask.headers.insert(RANGE, range.map_err(|_| Error::invalid("a range cannot be asked for"))?);
        }
        let response = self.successful(place, &ask).await?;
        // Who does not understand ranges sends everything again: what is there already is passed over.
        let begin = begin_of(&response).unwrap_or(0);
        let mut skip = offset.checked_sub(begin).ok_or_else(|| {
            Error::invalid(format!(
                "{}: asked for bytes from {offset} on, the answer begins at {begin}",
                ask.shown()
            ))
        })?;
        check_length(&response, begin, descriptor, &ask)?;
        let mut body = response.into_body();
        let what = ask.shown();
        loop {
            let data = wire::next(&mut body, self.patience).await;
            let Some(mut data) = data.map_err(|text| Failure::passing(format!("{what}: {text}")))? else {
                break;
            };
            let over = usize::try_from(skip).unwrap_or(usize::MAX).min(data.len());
            skip -= over as u64;
            let _ = data.split_to(over);
            if data.is_empty() {
                continue;
            }
            *offset += data.len() as u64;
            if *offset > descriptor.size {
                return Err(Error::invalid(format!(
                    "{what}: more than the promised {} bytes came",
                    descriptor.size
                ))
                .into());
            }
            sink.take(data).await.map_err(Broken::Sink)?;
        }
        match *offset == descriptor.size {
            true => Ok(()),
            false => {
                Err(Failure::passing(format!("{what}: only {offset} of {} bytes came", descriptor.size))
                    .into())
            }
        }
    }

    async fn successful(&self, place: &Place, ask: &Ask) -> Result<Response<Incoming>, Failure> {
        let response = self.authorized(place, ask).await?;
        match response.status().is_success() {
            true => Ok(response),
            false => Err(wire::failure(response, ask, self.patience).await),
        }
    }

    /// Sends a request as the place wants to see it, which is learned from its refusal.
    async fn authorized(&self, place: &Place, ask: &Ask) -> Result<Response<Incoming>, Failure> {
        let known = place.authorization.lock().clone();
        let response = self.send_as(place, ask, known).await?;
        let elsewhere = response.extensions().get::<wire::Elsewhere>().is_some();
        if response.status() != StatusCode::UNAUTHORIZED || elsewhere {
            return Ok(response);
        }
        let headers =
            response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let Some(challenge) = challenge::best(headers) else { return Ok(response) };
        let Place { endpoint, http, credentials, .. } = place;
        let value =
            auth::answer(&challenge, credentials, &self.repository, endpoint, http, self.patience).await?;
        *place.authorization.lock() = Some(value.clone());
        self.send_as(place, ask, Some(value)).await
    }

    async fn send_as(
        &self,
        place: &Place,
        ask: &Ask,
        authorization: Option<HeaderValue>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut ask = ask.clone();
        if let Some(value) = authorization {
            ask.headers.insert(AUTHORIZATION, value);
        }
        place.http.send(&ask).await
    }
}

/// Why a download ended early.
enum Broken {
    /// It could go on.
    Download(Failure),
    /// Nobody wants it.
    Sink(Error),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Broken::Download(failure)
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Broken::Download(Failure::Final(error))
    }
}

/// What all places said. The last is the registry itself; its word decides what kind of error it is.
#[derive(Default)]
struct Errors {
    before: Vec<String>,
    last: Option<Error>,
}

impl Errors {
    fn add(&mut self, error: Error) {
        if let Some(earlier) = self.last.replace(error) {
            self.before.push(earlier.to_string());
        }
    }

    fn into_error(self) -> Error {
        let last = self.last.unwrap_or_else(|| Error::unavailable("there is no place to ask"));
        if self.before.is_empty() {
            last
        } else {
            last.during(format_args!("mirrors failed ({})", self.before.join("; ")))
        }
    }
}

fn verify(digest: &Digest, bytes: &[u8], what: &str, place: &Place) -> Result<()> {
    if digest.matches(bytes) {
        return Ok(());
    }
    let (host, own) = (place.endpoint.host(), Digest::of(bytes));
    Err(Error::invalid(format!(
        "the {what} that came from {host} has the digest {own} and not {digest}: the registry, or something on the way, damages data"
    )))
}

fn content_digest(response: &Response<Incoming>) -> Option<Digest> {
    Digest::parse(response.headers().get("docker-content-digest")?.to_str().ok()?).ok()
}

/// Where a partial answer begins.
fn begin_of(response: &Response<Incoming>) -> Option<u64> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return None;
    }
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?.trim();
    range.strip_prefix("bytes")?.trim().split('-').next()?.trim().parse().ok()
}

/// A wrong length is seen before gigabytes of it came.
fn check_length(response: &Response<Incoming>, begin: u64, descriptor: &Descriptor, ask: &Ask) -> Result<()> {
    let length = response.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if begin + length != descriptor.size => Err(Error::invalid(format!(
            "{}: the registry has {} bytes, the manifest promises {}: the image must be pushed again",
            ask.shown(),
            begin + length,
            descriptor.size
        ))),
        _ => Ok(()),
    }
}
