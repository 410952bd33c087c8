//! Plugins that come, go, come back, and are refused.

use super::*;
use corten_node_api::plugin_registration::RegistrationStatusResponse;
use corten_node_api::plugin_registration::registration_server::{Registration, RegistrationServer};
use corten_rt::{Stop, Tasks};
use parking_lot::Mutex;
use tokio::net::UnixListener;
use tonic::{Request, Response, Status};

struct Server {
    kind: &'static str,
    statuses: Arc<Mutex<Vec<RegistrationStatus>>>,
}

#[tonic::async_trait]
impl Registration for Server {
    async fn get_info(&self, _: Request<InfoRequest>) -> Result<Response<PluginInfo>, Status> {
        Ok(Response::new(PluginInfo {
            r#type: self.kind.into(),
            name: "d.example".into(),
            endpoint: "/run/d.sock".into(),
            supported_versions: vec!["1.0.0".into()],
        }))
    }

    async fn notify_registration_status(
        &self,
        request: Request<RegistrationStatus>,
    ) -> Result<Response<RegistrationStatusResponse>, Status> {
        self.statuses.lock().push(request.into_inner());
        Ok(Response::new(RegistrationStatusResponse {}))
    }
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    /// How often to refuse.
    refuse: Mutex<u32>,
}

#[async_trait]
impl PluginHandler for Log {
    async fn register(&self, plugin: &Plugin) -> Result<(), String> {
        let mut refuse = self.refuse.lock();
        if *refuse > 0 {
            *refuse -= 1;
            return Err("not now".into());
        }
        self.lines.lock().push(format!("+{} {}", plugin.name, plugin.endpoint.display()));
        Ok(())
    }

    async fn deregister(&self, plugin: &Plugin) {
        self.lines.lock().push(format!("-{}", plugin.name));
    }
}

fn serve(path: &Path, kind: &'static str) -> (Stop, Arc<Mutex<Vec<RegistrationStatus>>>) {
    let statuses = Arc::default();
    let server = RegistrationServer::new(Server { kind, statuses: Arc::clone(&statuses) });
    let listener = UnixListener::bind(path).expect("bound");
    let stop = Stop::new();
    let tasks = Tasks::new(stop.clone());
    let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
    tasks.spawn_until_stopped("plugin", async move {
        let _ = tonic::transport::Server::builder().add_service(server).serve_with_incoming(incoming).await;
    });
    (stop, statuses)
}

async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..200 {
        if done() {
            return;
        }
        corten_rt::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn plugins_come_and_go() {
    let dir = tempfile::tempdir().expect("directory");
    let registry_dir = dir.path().join("plugins_registry");
    let log = Arc::new(Log { refuse: Mutex::new(1), ..Log::default() });
    let handler: Arc<dyn PluginHandler> = log.clone();
    let tasks = Tasks::new(Stop::new());
    tasks.spawn_until_stopped("registry", Registry::new(registry_dir.clone(), [("T", handler)].into()).run());
    until("the directory", || registry_dir.is_dir()).await;

    let (below, path) = (registry_dir.join("sub"), registry_dir.join("sub/d.sock"));
    std::fs::create_dir(&below).expect("made");
    let (stop, statuses) = serve(&path, "T");
    until("registration", || statuses.lock().len() == 2).await;
    let told = statuses.lock().clone();
    assert_eq!((told[0].plugin_registered, told[0].error.as_str()), (false, "not now"));
    assert!(told[1].plugin_registered, "{told:?}");

    stop.stop();
    std::fs::remove_file(&path).expect("removed");
    until("departure", || log.lines.lock().len() == 2).await;
    let (stop, _) = serve(&path, "T");
    until("return", || log.lines.lock().len() == 3).await;
    stop.stop();
    std::fs::remove_file(&path).expect("removed");
    let (_stop, _) = serve(&path, "T");
    until("replacement", || log.lines.lock().len() == 5).await;
    let plus = "+d.example /run/d.sock";
    assert_eq!(*log.lines.lock(), [plus, "-d.example", plus, "-d.example", plus]);
    tasks.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn types_that_nobody_takes_are_told_so() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("x.sock");
    let (_stop, statuses) = serve(&path, "Other");
    let error = Registry::new(dir.path().into(), Handlers::new()).register(&path).await.expect_err("refused");
    assert!(error.starts_with("no handler registered for plugin type: Other"), "{error}");
    assert_eq!(statuses.lock().first().map(|s| s.error.clone()), Some(error));
}
