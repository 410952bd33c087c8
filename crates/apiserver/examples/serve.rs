//! Serves an API from memory on a loopback port until interrupted, for trying clients by hand:
//! `cargo run -p corten-apiserver --example serve -- DIR [PORT]`; the administrator's kubeconfig is
//! `DIR/admin.conf`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use corten_apiserver::http::{Api, Limits, Server};
use corten_apiserver::{Config, Registry, bootstrap};
use corten_auth::Pki;
use corten_auth::kubeconfig::{Kubeconfig, Proof};
use corten_auth::pki::ServerNames;
use corten_auth::tls::{ServerIdentity, server_config};
use corten_rt::{Stop, Tasks};
use corten_store::MemoryStore;
use tokio::net::TcpListener;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("name a directory")?);
    let port: u16 = arguments.next().map_or(Ok(0), |p| p.parse())?;
    let tasks = Tasks::new(Stop::new());
    let config = Config::default();
    let pki = Pki::open(&dir.join("pki"), &ServerNames::default(), config.clock.now())?;
    let registry = Registry::open(Arc::new(MemoryStore::new()), config, &tasks).await?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    bootstrap(&registry, listener.local_addr()?, &tasks).await?;
    let api = Arc::new(Api::new(registry, &pki, Limits::default(), tasks.clone())?);
    let identity = Arc::new(ServerIdentity::new(&pki.server)?);
    let tls = server_config(identity, std::slice::from_ref(pki.ca.certificate()))?;
    let server = Server::start(listener, Arc::new(tls), api)?;
    let url = format!("https://{}", server.address());
    let kubeconfig = Kubeconfig {
        cluster: "corten",
        server: &url,
        authority: pki.ca.pem(),
        user: "admin",
        proof: Proof::Certificate(&pki.admin),
    };
    std::fs::write(dir.join("admin.conf"), kubeconfig.to_yaml())?;
    println!("serving on {url}");
    tokio::signal::ctrl_c().await?;
    tasks.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
