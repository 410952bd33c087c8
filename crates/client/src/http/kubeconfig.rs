//! Kubeconfig files: which server, whom to trust, who one is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{HttpConfig, HttpError, Proof, Token};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct File {
    current_context: String,
    clusters: Vec<Named>,
    contexts: Vec<Named>,
    users: Vec<Named>,
}

/// One entry of a list; which of the parts it has depends on the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
    cluster: Option<Cluster>,
    context: Option<Context>,
    user: Option<User>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Cluster {
    server: String,
    tls_server_name: String,
    insecure_skip_tls_verify: bool,
    certificate_authority: String,
    certificate_authority_data: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct User {
    client_certificate: String,
    client_certificate_data: String,
    client_key: String,
    client_key_data: String,
    token: String,
    #[serde(rename = "tokenFile")]
    token_file: String,
    username: String,
    password: String,
    #[serde(rename = "as")]
    impersonate: String,
    #[serde(rename = "as-uid")]
    impersonate_uid: String,
    #[serde(rename = "as-groups")]
    impersonate_groups: Vec<String>,
    #[serde(rename = "as-user-extra")]
    impersonate_extra: BTreeMap<String, Vec<String>>,
}

/// Reads the file's current context.
pub fn load(path: &Path) -> Result<HttpConfig, HttpError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| HttpError::File { path: path.into(), source })?;
    parse(&text, path.parent().unwrap_or(Path::new(".")))
        .map_err(|what| HttpError::Kubeconfig { path: path.into(), what })?
        .read()
}

/// The users of a kubeconfig by their names, and the name of the current context's, empty if there is none.
///
/// # Errors
/// When a file cannot be read or is none.
pub fn users(path: &Path) -> Result<(Vec<(String, Proof)>, String), HttpError> {
    let text = std::fs::read_to_string(path);
    users_of(&text.map_err(|source| HttpError::File { path: path.into(), source })?, path)
}

fn users_of(text: &str, path: &Path) -> Result<(Vec<(String, Proof)>, String), HttpError> {
    let wrong = |what: String| HttpError::Kubeconfig { path: path.into(), what };
    let file: File = serde_saphyr::from_str(text).map_err(|e| wrong(e.to_string()))?;
    let current = file.contexts.into_iter().find(|context| context.name == file.current_context);
    let current = current.and_then(|named| named.context).map(|context| context.user).unwrap_or_default();
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut users = Vec::new();
    for named in file.users {
        let user = named.user.unwrap_or_default();
        let certificate = Source::new(&user.client_certificate_data, &user.client_certificate, dir);
        let key = Source::new(&user.client_key_data, &user.client_key, dir);
        let proof = Proof {
            certificate: certificate.map_err(wrong)?.read()?,
            key: key.map_err(wrong)?.read()?,
            token: user.token(dir),
            headers: user.headers(),
        };
        users.push((named.name, proof));
    }
    Ok((users, current))
}

impl User {
    fn token(&self, dir: &Path) -> Token {
        match (self.token.as_str(), self.token_file.as_str()) {
            ("", "") => Token::None,
            ("", file) => Token::File(dir.join(file)),
            (text, _) => Token::Text(text.into()),
        }
    }

    /// A name and password, and as whom to act.
    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
        if !(self.username.is_empty() && self.password.is_empty()) {
            let pair = STANDARD.encode(format!("{}:{}", self.username, self.password));
            add("authorization", &format!("Basic {pair}"));
        }
        if self.impersonate.is_empty() {
            return headers;
        }
        add("impersonate-user", &self.impersonate);
        if !self.impersonate_uid.is_empty() {
            add("impersonate-uid", &self.impersonate_uid);
        }
        self.impersonate_groups.iter().for_each(|group| add("impersonate-group", group));
        for (key, values) in &self.impersonate_extra {
            values.iter().for_each(|value| add(&format!("impersonate-extra-{key}"), value));
        }
        headers
    }
}

/// What a kubeconfig says, before the files it names are read.
struct Parsed {
    server: String,
    server_name: String,
    insecure: bool,
    authority: Source,
    certificate: Source,
    key: Source,
    token: Token,
}

/// Where a PEM text stands.
enum Source {
    None,
    Data(Vec<u8>),
    File(PathBuf),
}

impl Source {
    fn new(data: &str, file: &str, dir: &Path) -> Result<Source, String> {
        if !data.is_empty() {
            let bytes = STANDARD.decode(data.trim()).map_err(|e| format!("certificate data: {e}"))?;
            return Ok(Source::Data(bytes));
        }
        Ok(if file.is_empty() { Source::None } else { Source::File(dir.join(file)) })
    }

    fn read(self) -> Result<Vec<u8>, HttpError> {
        match self {
            Source::None => Ok(Vec::new()),
            Source::Data(bytes) => Ok(bytes),
            Source::File(path) => std::fs::read(&path).map_err(|source| HttpError::File { path, source }),
        }
    }
}

impl Parsed {
    fn read(self) -> Result<HttpConfig, HttpError> {
        Ok(HttpConfig {
            server: self.server,
            server_name: self.server_name,
            insecure: self.insecure,
            authority: self.authority.read()?,
            certificate: self.certificate.read()?,
            key: self.key.read()?,
            token: self.token,
            ..HttpConfig::default()
        })
    }
}

fn parse(text: &str, dir: &Path) -> Result<Parsed, String> {
    let file: File = serde_saphyr::from_str(text).map_err(|e| e.to_string())?;
    let named = |list: Vec<Named>, name: &str, what: &str| {
        let found = list.into_iter().find(|n| n.name == name);
        found.ok_or_else(|| format!("it has no {what} named {name:?}"))
    };
    let context = named(file.contexts, &file.current_context, "context")?.context.unwrap_or_default();
    let cluster = named(file.clusters, &context.cluster, "cluster")?.cluster.unwrap_or_default();
    let user = named(file.users, &context.user, "user")?.user.unwrap_or_default();
    let authority = Source::new(&cluster.certificate_authority_data, &cluster.certificate_authority, dir)?;
    if cluster.insecure_skip_tls_verify && !matches!(authority, Source::None) {
        return Err("specifying a root certificates file with the insecure flag is not allowed".into());
    }
    Ok(Parsed {
        server: cluster.server,
        server_name: cluster.tls_server_name,
        insecure: cluster.insecure_skip_tls_verify,
        authority,
        certificate: Source::new(&user.client_certificate_data, &user.client_certificate, dir)?,
        key: Source::new(&user.client_key_data, &user.client_key, dir)?,
        token: user.token(dir),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
apiVersion: v1
kind: Config
current-context: here
contexts:
- name: here
  context: {cluster: c, user: u, namespace: x}
clusters:
- name: other
- name: c
  cluster: {server: 'https://h:1', certificate-authority-data: YWJj}
users:
- name: u
  user: {client-certificate: node.crt, client-key-data: ZGVm}
";

    #[test]
    fn the_current_context_is_read() {
        let got = parse(TEXT, Path::new("/etc/x")).expect("a kubeconfig");
        assert_eq!(got.server, "https://h:1");
        assert!(matches!(got.authority, Source::Data(d) if d == b"abc"));
        assert!(matches!(got.certificate, Source::File(p) if p == Path::new("/etc/x/node.crt")));
        assert!(matches!(got.key, Source::Data(d) if d == b"def"));
        assert!(matches!(got.token, Token::None));
    }

    #[test]
    fn what_is_missing_is_told() {
        for (from, to, want) in [
            ("current-context: here", "current-context: there", "it has no context named \"there\""),
            ("user: u,", "user: w,", "it has no user named \"w\""),
            ("YWJj", "'-'", "certificate data"),
            ("YWJj", "YWJj, insecure-skip-tls-verify: true", "with the insecure flag is not allowed"),
        ] {
            let error = parse(&TEXT.replace(from, to), Path::new(".")).err().expect("refused");
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn users_are_read_by_their_names() {
        let text = format!(
            "{TEXT}- name: '*.svc'\n  user: {{token: t, as: eve, as-groups: [a, b]}}\n\
             - name: h:443\n  user: {{username: x, password: y}}\n"
        );
        let text = text.replace("client-certificate: node.crt, ", "");
        let (users, current) = users_of(&text, Path::new("/etc/hooks")).expect("a kubeconfig");
        assert_eq!(current, "u");
        let names: Vec<_> = users.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["u", "*.svc", "h:443"]);
        assert_eq!(users[0].1.key, b"def");
        assert!(matches!(&users[1].1.token, Token::Text(token) if token == "t"));
        let header = |name: &str, value: &str| (name.to_string(), value.to_string());
        let acts = [("user", "eve"), ("group", "a"), ("group", "b")];
        let acts = acts.map(|(what, whom)| header(&format!("impersonate-{what}"), whom));
        assert_eq!(users[1].1.headers, acts);
        assert_eq!(users[2].1.headers, [header("authorization", "Basic eDp5")]);
    }
}
