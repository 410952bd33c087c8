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

    /// The certificates: `usual`, and those for names of their own, whose files are followed.
    pub fn identities(&self, usual: Arc<ServerIdentity>, tasks: &Tasks) -> Result<NamedIdentities> {
        let mut named = Vec::new();
        for text in &self.tls_sni_cert_key {
            let about = || format!("--tls-sni-cert-key {text}");
            let one = Named::parse(text).with_context(about)?;
            let identity = one.read().with_context(about)?;
            let shown = Arc::new(ServerIdentity::new(&identity).with_context(about)?);
            let mut names = one.names.clone();
            if names.is_empty() {
                let read = Inspected::from_pem(&identity.certificate).with_context(about)?;
                names.push(read.common_name);
                names.extend(read.hosts);
            }
            named.push((names, Arc::clone(&shown)));
            let files = [one.certificate.clone(), one.key.clone()];
            Followed::new(files).follow("certificate of a name", tasks, move || {
                let replaced = one.read().and_then(|identity| Ok(shown.replace(&identity)?));
                let outcome = match replaced {
                    Ok(()) => Outcome::Done,
                    Err(why) => {
                        tracing::error!("{why:#}: the last certificate of --tls-sni-cert-key stays");
                        Outcome::Again
                    }
                };
                std::future::ready(outcome)
            });
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
}
