//! `corten node`: a node of another machine's cluster. On the first start it proves itself with a token and
//! is given certificates; they are kept, so the token is needed once.

use crate::config::Node as Flags;
use crate::control::token::authority_hash;
use crate::node::{self, NodeSetup};
use crate::process;
use crate::up::wait_ready;
use anyhow::{Context, Result, bail};
use corten_api::certificates::v1::CertificateSigningRequest;
use corten_api::core::v1::ConfigMap;
use corten_auth::csr;
use corten_auth::pki::{Identity, Inspected};
use corten_cli::steps::Steps;
use corten_client::Client;
use corten_client::http::{HttpConfig, HttpTransport, Token};
use corten_rt::{Clock, Stop, Tasks};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(10);

/// Joins, and runs the node until asked to stop.
pub async fn run(flags: Flags) -> Result<()> {
    process::claim(&flags.at.data_dir).await?;
    let tasks = Tasks::new(Stop::new());
    let started = Box::pin(start(&flags, &tasks)).await;
    let result = match &started {
        Ok(()) => process::until_asked(tasks.stop()).await,
        Err(_) => Ok(()),
    };
    if !tasks.shutdown(GRACE).await {
        tracing::warn!("some tasks did not end in time");
    }
    process::release(&flags.at.data_dir);
    started.and(result)
}

async fn start(flags: &Flags, tasks: &Tasks) -> Result<()> {
    let steps = Steps::new();
    let name = flags.kubelet.node_name.clone().unwrap_or_else(process::host_name);
    let host = server_host(&flags.join)?;
    let address = match flags.address {
        Some(address) => address,
        None => process::address_towards(&host).with_context(|| format!("no way leads to {host}"))?,
    };
    let step = steps.step("container runtime");
    let runtime = node::start_runtime(&flags.at.data_dir, &flags.kubelet, tasks).await?;
    step.done();
    let step = steps.step("join");
    let pki = flags.at.data_dir.join("pki");
    let (authority, identity) = credentials(flags, &name, &host, &pki, tasks).await?;
    let client = connect(&flags.join, &authority, Some(&identity), Token::None, tasks)?;
    step.done();
    let ranges = cluster_ranges(&client).await?;
    let step = steps.step("node");
    // The serving certificate is signed for the node's addresses, so the node registers first, under the
    // certificate of an earlier start or one that nobody trusts yet.
    let serving = serving(&client, &name, address, &pki, &flags.kubelet).await?;
    let setup = NodeSetup {
        data_dir: flags.at.data_dir.clone(),
        name: name.clone(),
        address,
        client: client.clone(),
        authority,
        serving,
        cluster_cidr: ranges.cluster,
        service_cidr: ranges.services,
        cluster_dns: ranges.dns,
    };
    Box::pin(node::start(setup, &flags.kubelet, runtime, tasks)).await?;
    wait_ready(&client, &name, tasks).await?;
    step.done();
    println!("ready: node {name}");
    Ok(())
}

/// `HOST:PORT` of `https://HOST:PORT`.
fn server_host(join: &str) -> Result<String> {
    let host =
        join.strip_prefix("https://").context("--join must be https://ADDRESS:PORT")?.trim_end_matches('/');
    Ok(if host.contains(':') { host.to_string() } else { format!("{host}:6443") })
}

fn connect(
    server: &str,
    authority: &str,
    identity: Option<&Identity>,
    token: Token,
    tasks: &Tasks,
) -> Result<Client> {
    let config = HttpConfig {
        server: server.trim_end_matches('/').to_string(),
        authority: authority.as_bytes().to_vec(),
        certificate: identity.map(|i| i.certificate.clone().into_bytes()).unwrap_or_default(),
        key: identity.map(|i| i.key.clone().into_bytes()).unwrap_or_default(),
        token,
        user_agent: concat!("kubelet/", env!("CARGO_PKG_VERSION")).into(),
        ..HttpConfig::default()
    };
    Ok(Client::new(Arc::new(HttpTransport::new(&config, tasks)?)))
}

/// The authority and the node's certificate: those of an earlier start, or new ones by the token.
async fn credentials(
    flags: &Flags,
    name: &str,
    host: &str,
    pki: &Path,
    tasks: &Tasks,
) -> Result<(String, Identity)> {
    let (ca, file) = (pki.join("ca.crt"), pki.join("node.pem"));
    if let (Ok(authority), Some(identity)) = (std::fs::read_to_string(&ca), load(&file)) {
        return Ok((authority, identity));
    }
    let mut parts = flags.token.splitn(3, '.');
    let (Some(id), Some(secret), Some(hash)) = (parts.next(), parts.next(), parts.next()) else {
        bail!("--token must be what `corten token create` printed: ID.SECRET.HASH");
    };
    let authority = fetch_authority(host, hash).await?;
    let client = connect(&flags.join, &authority, None, Token::Text(format!("{id}.{secret}")), tasks)?;
    let (request, key) = csr::for_node(name, &[], &[])?;
    let usages = ["digital signature", "client auth"];
    let certificate = signed(&client, name, request, csr::KUBELET_CLIENT_SIGNER, &usages).await?;
    let identity = Identity { certificate, key };
    process::write_private(&ca, &authority)?;
    save(&file, &identity)?;
    Ok((authority, identity))
}

/// The certificate with which the node's API is served.
async fn serving(
    client: &Client,
    name: &str,
    address: IpAddr,
    pki: &Path,
    kubelet: &crate::config::KubeletFlags,
) -> Result<Identity> {
    let file = pki.join("serving.pem");
    if let Some(identity) = load(&file) {
        return Ok(identity);
    }
    announce(client, name, address, kubelet.kubelet_port).await?;
    let (request, key) = csr::for_node(name, &[name.to_string()], &[address])?;
    let usages = ["digital signature", "server auth"];
    let certificate = signed(client, name, request, csr::KUBELET_SERVING_SIGNER, &usages).await?;
    let identity = Identity { certificate, key };
    save(&file, &identity)?;
    Ok(identity)
}

/// Registers the node with its addresses, for which its certificate is then signed. Controllers write a new node
/// at once, so a conflict only means to read it again.
async fn announce(client: &Client, name: &str, address: IpAddr, port: u16) -> Result<()> {
    use corten_api::core::v1::{Node, NodeAddress};
    let api = client.all::<Node>();
    let one = |kind: &str, address: String| NodeAddress { type_: kind.into(), address };
    loop {
        let node = match api.find(name).await.map_err(anyhow::Error::from)? {
            Some(node) => node,
            None => {
                let mut node = Node::default();
                node.metadata.name = name.into();
                api.create(node).await.map_err(anyhow::Error::from)?
            }
        };
        let mut node = (*node).clone();
        node.status.addresses =
            vec![one("InternalIP", address.to_string()), one("Hostname", name.to_string())];
        node.status.daemon_endpoints.kubelet_endpoint.port = i32::from(port);
        match api.update_status(node).await {
            Err(e) if e.is_conflict() => {}
            other => return other.map(|_| ()).map_err(Into::into),
        }
    }
}

/// Has a request signed, and waits for the certificate.
async fn signed(
    client: &Client,
    node: &str,
    request: String,
    signer: &str,
    usages: &[&str],
) -> Result<String> {
    let mut csr = CertificateSigningRequest::default();
    csr.metadata.generate_name = format!("csr-{node}-");
    csr.spec.request = request.into_bytes();
    csr.spec.signer_name = signer.into();
    csr.spec.usages = usages.iter().map(|u| u.to_string()).collect();
    let api = client.all::<CertificateSigningRequest>();
    let created = api.create(csr).await.map_err(anyhow::Error::from).context("ask for a certificate")?;
    for _ in 0..150 {
        let now = api.get(&created.metadata.name).await.map_err(anyhow::Error::from)?;
        if !now.status.certificate.is_empty() {
            return Ok(String::from_utf8_lossy(&now.status.certificate).into_owned());
        }
        if let Some(c) = now.status.conditions.iter().find(|c| c.type_ == "Denied" || c.type_ == "Failed") {
            bail!("the certificate was refused: {}", c.message);
        }
        corten_rt::sleep(Duration::from_millis(200)).await;
    }
    bail!("the certificate request {} was not signed within 30 s", created.metadata.name)
}

/// The ranges of the cluster, which the control plane publishes.
struct Ranges {
    cluster: String,
    services: String,
    dns: String,
}

async fn cluster_ranges(client: &Client) -> Result<Ranges> {
    let map = client
        .namespaced::<ConfigMap>("kube-public")
        .get("corten-cluster")
        .await
        .map_err(anyhow::Error::from);
    let map = map.context("read the cluster's ranges")?;
    let text = |key: &str| {
        map.data.get(key).cloned().with_context(|| format!("the cluster says nothing of its {key}"))
    };
    Ok(Ranges { cluster: text("clusterCIDR")?, services: text("serviceCIDR")?, dns: text("clusterDNS")? })
}

fn load(file: &Path) -> Option<Identity> {
    let text = std::fs::read_to_string(file).ok()?;
    let at = text.find("-----BEGIN PRIVATE KEY-----")?;
    let identity = Identity { certificate: text[..at].to_string(), key: text[at..].to_string() };
    let inspected = Inspected::from_pem(&identity.certificate).ok()?;
    (!inspected.is_worn(Clock::system().now())).then_some(identity)
}

fn save(file: &Path, identity: &Identity) -> Result<()> {
    process::write_private(file, &format!("{}{}", identity.certificate, identity.key))?;
    Ok(())
}

/// The authority that the server shows, if its hash is the one of the token.
async fn fetch_authority(host: &str, hash: &str) -> Result<String> {
    let provider = corten_auth::tls::provider();
    let seen =
        Arc::new(Pinned { hash: hash.to_string(), found: Mutex::new(None), provider: provider.clone() });
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(seen.clone())
        .with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(host).await.with_context(|| format!("connect to {host}"))?;
    let name = host.rsplit_once(':').map_or(host, |h| h.0).trim_matches(['[', ']']).to_string();
    let connected =
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name)?, stream).await;
    connected.context("the server does not show the authority that the token names")?;
    let found = seen.found.lock().ok().and_then(|f| f.clone());
    found.context("the server showed no authority")
}

/// Trusts a server that shows an authority of the known hash and a certificate signed by it.
#[derive(Debug)]
struct Pinned {
    hash: String,
    found: Mutex<Option<String>>,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let known = chain.iter().find(|c| authority_hash(c) == self.hash);
        let Some(authority) = known else {
            return Err(rustls::Error::General("no certificate shown has the token's hash".into()));
        };
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            self.provider.clone(),
        )
        .build()
        .map_err(|e| rustls::Error::General(e.to_string()))?;
        let verified = verifier.verify_server_cert(leaf, &[], name, ocsp, now)?;
        if let Ok(mut found) = self.found.lock() {
            *found = Some(pem(authority));
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn pem(certificate: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|c| std::str::from_utf8(c).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
