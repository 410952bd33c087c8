//! Client certificates: common name is the user, organizations are the groups.

use crate::pki::{Inspected, PkiError};
use crate::tls;
use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use corten_api::Items;
use corten_api::authentication::v1::UserInfo;
use corten_rt::Timestamp;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The user of a connection whose certificate is good; kept as long as the connection.
#[derive(Clone, Debug)]
pub struct CertificateUser {
    /// The user.
    pub user: Arc<UserInfo>,
    /// When the certificate ends.
    pub not_after: Timestamp,
}

/// What a connection's client certificate is worth.
#[derive(Clone, Debug, Default)]
pub enum Peer {
    /// There is none.
    #[default]
    None,
    /// It is no good: its bearer is nobody, not even anonymous.
    Stranger,
    /// It is good.
    Known(CertificateUser),
    /// It is that of a proxy in front, which says by headers who calls; without them `own` counts.
    FrontProxy {
        /// When the proxy's certificate ends.
        not_after: Timestamp,
        /// What the certificate is worth as a client's.
        own: Box<Peer>,
    },
}

impl Peer {
    /// What the certificate is worth as a client's own.
    pub fn own(&self) -> &Peer {
        match self {
            Peer::FrontProxy { own, .. } => own,
            other => other,
        }
    }
}

/// Judges client certificates; by what, may change while connections come.
#[derive(Debug)]
pub struct ClientCertificates(ArcSwap<Arc<dyn ClientCertVerifier>>);

fn verifier(authorities: &[CertificateDer<'static>]) -> Result<Arc<dyn ClientCertVerifier>, PkiError> {
    let roots = Arc::new(tls::roots(authorities)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, tls::provider()).build();
    verifier.map(|v| v as Arc<dyn ClientCertVerifier>).map_err(|e| PkiError::Malformed(e.to_string()))
}

impl ClientCertificates {
    /// Accepts certificates signed by `authority`.
    ///
    /// # Errors
    /// When the authority's certificate is malformed.
    pub fn new(authority: &CertificateDer<'static>) -> Result<Self, PkiError> {
        Ok(ClientCertificates(ArcSwap::from_pointee(verifier(std::slice::from_ref(authority))?)))
    }

    /// Accepts certificates signed by one of `authorities`, and no others, from the next connection on.
    ///
    /// # Errors
    /// When there are none, or one is malformed; those before then stay.
    pub fn trust(&self, authorities: &[CertificateDer<'static>]) -> Result<(), PkiError> {
        self.0.store(Arc::new(verifier(authorities)?));
        Ok(())
    }

    /// What the chain of a handshake, the client's own first, is worth; to be asked once a connection.
    pub fn peer(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> Peer {
        if chain.is_empty() {
            return Peer::None;
        }
        self.authenticate(chain, now).map_or_else(
            |why| {
                tracing::debug!(%why, "client certificate refused");
                Peer::Stranger
            },
            Peer::Known,
        )
    }

    /// The user of a chain, the client's own certificate first.
    ///
    /// # Errors
    /// When the certificate is another authority's, out of its time, not a client's, or names nobody.
    pub fn authenticate(
        &self,
        chain: &[CertificateDer<'_>],
        now: Timestamp,
    ) -> Result<CertificateUser, PkiError> {
        let refuse = |why: String| PkiError::Malformed(why);
        let Some((own, others)) = chain.split_first() else {
            return Err(refuse("there is none".into()));
        };
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        self.0.load().verify_client_cert(own, others, time).map_err(|e| refuse(e.to_string()))?;
        let read = Inspected::from_der(own)?;
        if read.common_name.is_empty() {
            return Err(refuse("it names no user".into()));
        }
        let print: String =
            digest::digest(&digest::SHA256, own).as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let mut user = UserInfo {
            username: read.common_name,
            groups: read.organizations,
            extra: BTreeMap::from([(
                "authentication.kubernetes.io/credential-id".to_string(),
                Items(vec![format!("X509SHA256={print}")]),
            )]),
            ..UserInfo::default()
        };
        super::add_authenticated(&mut user);
        Ok(CertificateUser { user: Arc::new(user), not_after: read.not_after })
    }
}
