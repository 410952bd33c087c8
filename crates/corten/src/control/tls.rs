//! Flags of the API server's TLS, with kube-apiserver's names.

use super::files::{self, Followed, Outcome};
use anyhow::{Context, Result, bail};
use clap::Args;
use corten_auth::pki::{Identity, Inspected};
use corten_auth::tls::ServerIdentity;
use corten_auth::tls_settings::{NamedIdentities, Protocols};
use corten_rt::Tasks;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args, Clone, Debug)]
pub struct TlsFlags {
    /// The oldest version of TLS that is spoken, VersionTLS12 or VersionTLS13.
    #[arg(long, env = "CORTEN_TLS_MIN_VERSION", default_value = "", value_name = "VERSION")]
    pub tls_min_version: String,
    /// The cipher suites of TLS 1.2, by their names in Go; all that are safe when absent.
    #[arg(long, env = "CORTEN_TLS_CIPHER_SUITES", value_delimiter = ',', value_name = "NAMES")]
    pub tls_cipher_suites: Vec<String>,
    /// The certificate that clients are shown, with those that it was issued by behind it; one of the cluster's own
    /// authority when absent.
    #[arg(long, env = "CORTEN_TLS_CERT_FILE", requires = "tls_private_key_file", value_name = "FILE")]
    pub tls_cert_file: Option<PathBuf>,
    /// Its key.
    #[arg(long, env = "CORTEN_TLS_PRIVATE_KEY_FILE", requires = "tls_cert_file", value_name = "FILE")]
    pub tls_private_key_file: Option<PathBuf>,
    /// A certificate that is shown to clients that ask for one of its names, or of those named here:
    /// CERTIFICATE,KEY[:NAME,...]; repeated for several.
    #[arg(long, env = "CORTEN_TLS_SNI_CERT_KEY", value_name = "FILES")]
    pub tls_sni_cert_key: Vec<String>,
}

/// A certificate for some names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    certificate: PathBuf,
    key: PathBuf,
    /// Those of the certificate when empty.
    names: Vec<String>,
}

impl Named {
    fn parse(text: &str) -> Result<Self> {
        let (files, names) = match text.split_once(':') {
            None => (text, None),
            Some((files, names)) => (files, Some(names.trim())),
        };
        if names.is_some_and(str::is_empty) {
            bail!("empty names list is not allowed");
        }
        let Some((certificate, key)) = files.split_once(',').filter(|(_, key)| !key.contains(',')) else {
            bail!("expected comma separated certificate and key file paths");
        };
        let names = names.unwrap_or_default().split(',').map(|name| name.trim().to_string());
        Ok(Named {
            certificate: certificate.trim().into(),
            key: key.trim().into(),
            names: names.filter(|name| !name.is_empty()).collect(),
        })
    }

    /// What is shown from its files, which are followed; `flag` named them.
    fn shown(self, flag: &'static str, tasks: &Tasks) -> Result<(Identity, Arc<ServerIdentity>)> {
        let identity = self.read()?;
        let shown = Arc::new(ServerIdentity::new(&identity)?);
        let follower = Arc::clone(&shown);
        let files = [self.certificate.clone(), self.key.clone()];
        Followed::new(files).follow("serving certificate of a flag", tasks, move || {
            let outcome = match self.read().and_then(|identity| Ok(follower.replace(&identity)?)) {
                Ok(()) => Outcome::Done,
                Err(why) => {
                    tracing::error!("{why:#}: the last certificate of {flag} stays");
                    Outcome::Again
                }
            };
            std::future::ready(outcome)
        });
        Ok((identity, shown))
    }

    fn read(&self) -> Result<Identity> {
        let text =
            |file: &Path| Ok::<_, anyhow::Error>(String::from_utf8_lossy(&files::read(file)?).into_owned());
        Ok(Identity { certificate: text(&self.certificate)?, key: text(&self.key)? })
    }
}

impl TlsFlags {
    /// Versions and suites.
    pub fn protocols(&self) -> Result<Protocols> {
        Protocols::parse(&self.tls_min_version, &self.tls_cipher_suites).map_err(anyhow::Error::msg)
    }

    /// The certificates: the one that flags name or else `usual`, and those for names of their own.
    pub fn identities(&self, usual: Arc<ServerIdentity>, tasks: &Tasks) -> Result<NamedIdentities> {
        let usual = match (&self.tls_cert_file, &self.tls_private_key_file) {
            (Some(certificate), Some(key)) => {
                let (certificate, key) = (certificate.clone(), key.clone());
                let one = Named { certificate, key, names: Vec::new() };
                one.shown("--tls-cert-file", tasks).context("--tls-cert-file")?.1
            }
            _ => usual,
        };
        let mut named = Vec::new();
        for text in &self.tls_sni_cert_key {
            let about = || format!("--tls-sni-cert-key {text}");
            let one = Named::parse(text).with_context(about)?;
            let mut names = one.names.clone();
            let (identity, shown) = one.shown("--tls-sni-cert-key", tasks).with_context(about)?;
            if names.is_empty() {
                let read = Inspected::from_pem(&identity.certificate).with_context(about)?;
                names.push(read.common_name);
                names.extend(read.hosts);
            }
            named.push((names, shown));
        }
        Ok(NamedIdentities { usual, named })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_named_with_their_names() {
        for (text, want) in [
            ("a.crt,a.key", Ok(0)),
            ("a.crt,a.key:*.ex.io,ex.io", Ok(2)),
            ("a.crt,a.key:", Err("empty names list is not allowed")),
            ("a.crt", Err("expected comma separated certificate and key file paths")),
            ("a,b,c:x", Err("expected comma separated certificate and key file paths")),
        ] {
            let got = Named::parse(text).map(|named| named.names.len()).map_err(|why| why.to_string());
            assert_eq!(got, want.map_err(str::to_owned), "{text}");
        }
    }

    #[tokio::test]
    async fn a_certificate_of_flags_is_shown_and_followed() {
        use corten_auth::pki::{Pki, ServerNames};
        let dir = tempfile::tempdir().expect("a directory");
        let now = corten_rt::Clock::system().now();
        let make = || Pki::open(dir.path(), &ServerNames::default(), now).expect("certificates");
        let usual = Arc::new(ServerIdentity::new(&make().admin).expect("an identity"));
        let mut flags = TlsFlags {
            tls_min_version: String::new(),
            tls_cipher_suites: Vec::new(),
            tls_cert_file: None,
            tls_private_key_file: None,
            tls_sni_cert_key: Vec::new(),
        };
        let tasks = Tasks::new(corten_rt::Stop::new());
        let shown = |flags: &TlsFlags| flags.identities(Arc::clone(&usual), &tasks).map(|it| it.usual);
        assert!(Arc::ptr_eq(&shown(&flags).expect("the usual"), &usual));
        flags.tls_cert_file = Some(dir.path().join("apiserver.crt"));
        flags.tls_private_key_file = Some(dir.path().join("ca.key"));
        assert!(shown(&flags).is_err(), "the key of another certificate");
        flags.tls_private_key_file = Some(dir.path().join("apiserver.key"));
        let other = shown(&flags).expect("that of the flags");
        let before = format!("{other:?}");
        for file in ["apiserver.crt", "apiserver.key"] {
            std::fs::remove_file(dir.path().join(file)).expect("removed");
        }
        make();
        while format!("{other:?}") == before {
            corten_rt::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(tasks.shutdown(std::time::Duration::from_secs(5)).await);
    }
}
