//! Reads a kubeconfig: the current context's server and how to prove oneself to it. Follows the `v1`
//! `Config` of client-go; credential plugins (`exec`, `auth-provider`) are not run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_codec::Problems;
use serde::Deserialize;

/// Where a cluster is and what to show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// `https://host:port`, perhaps with a path.
    pub server: String,
    /// PEM certificates to trust.
    pub authority: Vec<u8>,
    /// The name to expect in the server's certificate, when it is not the URL's host.
    pub server_name: Option<String>,
    /// PEM client certificate and key.
    pub certificate: Option<(Vec<u8>, Vec<u8>)>,
    /// Bearer token.
    pub token: Option<String>,
}

impl Cluster {
    /// Reads `path` and every file that its current context names.
    ///
    /// # Errors
    /// When a file cannot be read, or the kubeconfig lacks or names what cannot be used.
    pub fn load(path: &Path) -> Result<Cluster> {
        let text = std::fs::read(path).with_context(|| {
            format!("cannot read the kubeconfig {}; name one with --kubeconfig", path.display())
        })?;
        let base = path.parent().unwrap_or(Path::new("."));
        Cluster::parse(&text, base).with_context(|| format!("in the kubeconfig {}", path.display()))
    }

    /// As [`Cluster::load`], from text; relative file names are taken from `base`.
    ///
    /// # Errors
    /// As [`Cluster::load`].
    pub fn parse(text: &[u8], base: &Path) -> Result<Cluster> {
        let json = corten_codec::yaml::to_json(text, &mut Problems::ignore())?;
        let file: File = serde_json::from_slice(&json)?;
        let name = &file.current_context;
        let context = find(&file.contexts, name, "context")?;
        let cluster = find(&file.clusters, &context.context.cluster, "cluster")?;
        let user = find(&file.users, &context.context.user, "user")?;
        resolve(&cluster.cluster, &user.user, base)
    }
}

fn find<'a, T: Named>(entries: &'a [T], name: &str, what: &str) -> Result<&'a T> {
    entries.iter().find(|entry| entry.name() == name).ok_or_else(|| anyhow!("there is no {what} {name:?}"))
}

fn resolve(cluster: &ClusterEntry, user: &UserEntry, base: &Path) -> Result<Cluster> {
    if cluster.insecure_skip_tls_verify {
        bail!("insecure-skip-tls-verify is not supported; give the cluster's certificate authority");
    }
    if user.exec.is_some() || user.auth_provider.is_some() {
        bail!("credential plugins are not supported; use a client certificate or a token");
    }
    let authority = data_or_file(&cluster.certificate_authority_data, &cluster.certificate_authority, base)?;
    let certificate = data_or_file(&user.client_certificate_data, &user.client_certificate, base)?;
    let key = data_or_file(&user.client_key_data, &user.client_key, base)?;
    let token = match (&user.token, &user.token_file) {
        (Some(token), _) => Some(token.clone()),
        (None, Some(file)) => Some(String::from_utf8(read(base, file)?)?.trim().to_owned()),
        (None, None) => None,
    };
    let certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => bail!("a client certificate and its key must be given together"),
    };
    Ok(Cluster {
        server: cluster.server.trim_end_matches('/').to_owned(),
        authority: authority.unwrap_or_default(),
        server_name: cluster.tls_server_name.clone(),
        certificate,
        token,
    })
}

fn data_or_file(data: &Option<String>, file: &Option<PathBuf>, base: &Path) -> Result<Option<Vec<u8>>> {
    match (data, file) {
        (Some(data), _) if !data.is_empty() => {
            Ok(Some(STANDARD.decode(data.as_bytes()).context("data is not base64")?))
        }
        (_, Some(file)) if !file.as_os_str().is_empty() => Ok(Some(read(base, file)?)),
        _ => Ok(None),
    }
}

fn read(base: &Path, file: &Path) -> Result<Vec<u8>> {
    let path = base.join(file);
    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

trait Named {
    fn name(&self) -> &str;
}

macro_rules! named {
    ($name:ident, $field:ident: $inner:ty) => {
        #[derive(Deserialize)]
        struct $name {
            #[serde(default)]
            name: String,
            #[serde(default)]
            $field: $inner,
        }

        impl Named for $name {
            fn name(&self) -> &str {
                &self.name
            }
        }
    };
}

named!(NamedContext, context: ContextEntry);
named!(NamedCluster, cluster: ClusterEntry);
named!(NamedUser, user: UserEntry);

#[derive(Deserialize)]
struct File {
    #[serde(default, rename = "current-context")]
    current_context: String,
    #[serde(default)]
    contexts: Vec<NamedContext>,
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    users: Vec<NamedUser>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContextEntry {
    cluster: String,
    user: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct ClusterEntry {
    server: String,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    tls_server_name: Option<String>,
    insecure_skip_tls_verify: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct UserEntry {
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    exec: Option<serde_json::Value>,
    auth_provider: Option<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CONTEXTS: &str = "
apiVersion: v1
kind: Config
current-context: b
contexts:
- {name: a, context: {cluster: one, user: admin}}
- {name: b, context: {cluster: two, user: robot, namespace: x}}
clusters:
- name: one
  cluster: {server: 'https://127.0.0.1:1'}
- name: two
  cluster:
    server: https://127.0.0.1:6443/
    certificate-authority-data: Q0E=
    tls-server-name: kubernetes
users:
- name: admin
  user: {token: unused}
- name: robot
  user:
    client-certificate-data: Q0VSVA==
    client-key-data: S0VZ
    token: abc
";

    fn parse(text: &str) -> Result<Cluster> {
        Cluster::parse(text.as_bytes(), Path::new("."))
    }

    #[test]
    fn the_current_context_decides() {
        let cluster = parse(TWO_CONTEXTS).expect("a valid kubeconfig");
        assert_eq!(
            cluster,
            Cluster {
                server: "https://127.0.0.1:6443".into(),
                authority: b"CA".to_vec(),
                server_name: Some("kubernetes".into()),
                certificate: Some((b"CERT".to_vec(), b"KEY".to_vec())),
                token: Some("abc".into()),
            }
        );
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let with = |from: &str, to: &str| TWO_CONTEXTS.replace(from, to);
        for (text, expected) in [
            (with("current-context: b", "current-context: c"), "there is no context \"c\""),
            (with("cluster: two, user", "cluster: six, user"), "there is no cluster \"six\""),
            (with("user: robot, ", ""), "there is no user \"\""),
            (with("    client-key-data: S0VZ\n", ""), "must be given together"),
            (with("Q0E=", "'?'"), "not base64"),
            (with("    token: abc", "    exec: {command: x}"), "plugins are not supported"),
            (with("tls-server-name: kubernetes", "insecure-skip-tls-verify: true"), "insecure"),
            ("current-context: [".to_owned(), ""),
        ] {
            let error = format!("{:#}", parse(&text).expect_err(&text));
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn files_are_found_beside_the_kubeconfig() {
        let base = std::env::temp_dir().join(format!("corten-kubeconfig-{}", std::process::id()));
        std::fs::create_dir_all(&base).expect("a directory");
        std::fs::write(base.join("ca.crt"), "PEM").expect("a file");
        std::fs::write(base.join("token"), "secret\n").expect("a file");
        let text = "current-context: a\n\
            contexts: [{name: a, context: {cluster: a, user: a}}]\n\
            clusters: [{name: a, cluster: {server: 'https://[::1]:1', certificate-authority: ca.crt}}]\n\
            users: [{name: a, user: {tokenFile: token}}]\n";
        let cluster = Cluster::parse(text.as_bytes(), &base);
        std::fs::remove_dir_all(&base).expect("removed");
        let cluster = cluster.expect("a valid kubeconfig");
        assert_eq!((cluster.authority.as_slice(), cluster.token.as_deref()), (&b"PEM"[..], Some("secret")));
    }
}
