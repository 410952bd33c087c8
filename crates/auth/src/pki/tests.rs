use super::*;
use crate::authenticate::{ClientCertificates, Peer};
use crate::tls;
use rustls::pki_types::ServerName;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const DAY: u64 = 24 * 60 * 60;

fn now() -> Timestamp {
    corten_rt::Clock::system().now()
}

fn names() -> ServerNames {
    ServerNames { hosts: vec!["n1".into()], addresses: vec![IpAddr::from([10, 96, 0, 1])] }
}

#[test]
fn files_are_made_once_and_only_for_their_owner() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("pki");
    let first = Pki::open(&path, &names(), now()).expect("made");
    for entry in std::fs::read_dir(&path).expect("listed") {
        let mode = entry.expect("entry").metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(std::fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o700);
    let second = Pki::open(&path, &names(), now()).expect("loaded");
    assert_eq!(first.ca.pem(), second.ca.pem());
    assert_eq!(first.server, second.server);
    assert_eq!(first.admin, second.admin);
    assert_eq!(first.tokens.key_set(), second.tokens.key_set());
    let node = first.node_client("n1", now()).expect("made");
    assert_eq!(node, second.node_client("n1", now()).expect("loaded"));
}

#[test]
fn what_wears_out_or_no_longer_fits_is_renewed() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = Pki::open(dir.path(), &names(), now()).expect("made");
    let at = |days: u64| now() + Duration::from_secs(days * DAY);
    let open = |names: &ServerNames, now| Pki::open(dir.path(), names, now).expect("opened");
    assert_eq!(open(&names(), at(200)).server, first.server);
    let more = ServerNames { hosts: vec!["n2".into()], ..names() };
    let renamed = open(&more, at(200));
    assert!(renamed.server != first.server && renamed.admin == first.admin);
    let later = open(&more, at(250));
    assert!(later.admin != first.admin && later.ca.pem() == first.ca.pem());
    let decade = open(&more, at(8 * 365));
    assert_ne!(decade.ca.pem(), first.ca.pem());
    let judge = ClientCertificates::new(first.ca.certificate()).expect("authority");
    let admin = Inspected::from_pem(&decade.admin.certificate).expect("a certificate");
    let peer = judge.peer(&[admin.der], at(8 * 365));
    assert!(matches!(peer, Peer::Known(_)), "the renewed authority has its old key");
}

#[test]
fn damage_is_told_and_repaired_where_it_can_be() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = Pki::open(dir.path(), &names(), now()).expect("made");
    let open = || Pki::open(dir.path(), &names(), now());
    std::fs::write(dir.path().join("apiserver.key"), "garbage").expect("written");
    assert_ne!(open().expect("repaired").server, first.server);
    std::fs::remove_file(dir.path().join("ca.crt")).expect("removed");
    let again = open().expect("signed anew");
    assert_eq!(again.admin, first.admin);
    std::fs::remove_file(dir.path().join("ca.key")).expect("removed");
    let error = open().err().expect("refused").to_string();
    assert!(error.contains("ca.crt has lost its key"), "{error}");
}

/// Shakes hands over a pipe; gives what the server makes of the client's certificate.
async fn handshake(pki: &Pki, client: Option<&Identity>, host: &'static str) -> std::io::Result<Peer> {
    let identity = Arc::new(tls::ServerIdentity::new(&pki.server).expect("an identity"));
    let authorities = [pki.ca.certificate().clone()];
    let server = TlsAcceptor::from(Arc::new(tls::server_config(identity, &authorities).expect("a server")));
    let client = TlsConnector::from(Arc::new(tls::client_config(&authorities, client).expect("a client")));
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from(host).expect("a name");
    let (client, server) = tokio::join!(client.connect(name, near), server.accept(far));
    client?;
    let server = server?;
    let chain = server.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
    assert_eq!(server.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    Ok(ClientCertificates::new(pki.ca.certificate()).expect("a judge").peer(&chain, now()))
}

#[tokio::test]
async fn a_handshake_tells_who_calls() {
    let (mine, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let pki = Pki::open(mine.path(), &names(), now()).expect("made");
    let foreign = Pki::open(other.path(), &names(), now()).expect("made");
    let node = pki.node_client("n1", now()).expect("made");
    for (identity, user, groups) in [
        (&pki.admin, "kubernetes-admin", vec!["system:masters", "system:authenticated"]),
        (&pki.scheduler, "system:kube-scheduler", vec!["system:authenticated"]),
        (&node, "system:node:n1", vec!["system:nodes", "system:authenticated"]),
    ] {
        let peer = handshake(&pki, Some(identity), "kubernetes.default.svc").await.expect("a connection");
        let Peer::Known(known) = peer else { panic!("{user} is unknown") };
        assert_eq!(
            (known.user.username.as_str(), &known.user.groups),
            (user, &groups.iter().map(|g| g.to_string()).collect())
        );
    }
    for host in ["localhost", "127.0.0.1", "10.96.0.1", "n1"] {
        let peer = handshake(&pki, None, host).await.expect("a connection");
        assert!(matches!(peer, Peer::None), "{host}");
    }
    let peer = handshake(&pki, Some(&foreign.admin), "localhost").await.expect("a connection");
    assert!(matches!(peer, Peer::Stranger), "a stranger's certificate is worth nothing");
    let peer = handshake(&pki, Some(&pki.server), "localhost").await.expect("a connection");
    assert!(matches!(peer, Peer::Stranger), "a server's certificate is not a client's");
    handshake(&pki, None, "example.com").await.expect_err("another name is refused");
}
