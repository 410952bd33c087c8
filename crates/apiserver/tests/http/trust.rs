//! Authorities of clients that change while the server runs.

use crate::world::{Call, World};
use bytes::Bytes;
use corten_apiserver::http::Limits;
use corten_auth::pki::{Authority, Leaf};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use std::time::Duration;

#[tokio::test]
async fn authorities_come_and_go_while_the_server_runs() {
    let mut certificates = None;
    let world = World::built(Limits::default(), |api, _| certificates = Some(api.certificates.clone())).await;
    let certificates = certificates.expect("what judges");
    let now = corten_rt::Clock::system().now();
    let other = Authority::create("other", now).expect("an authority");
    let ann = other.issue(&Leaf::client("ann", ""), now).expect("a certificate");
    let call = Call { method: "GET", path: "/api/v1/secrets", headers: &[], body: b"" };
    assert_eq!(world.ask(Some(&ann), &call).await.code, 401, "she is nobody yet");
    let own = world.pki.ca.certificate().clone();
    certificates.trust(&[own.clone(), other.certificate().clone()]).expect("taken over");
    assert_eq!(world.ask(Some(&ann), &call).await.code, 403, "she is known, and may not");
    assert_eq!(world.admin("GET", call.path, "").await.code, 200, "and so are those before her");
    // A connection that lies idle goes when its authority does.
    let io = TokioIo::new(world.connect(Some(&ann)).await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP");
    let request =
        Request::get(call.path).header("host", "x").body(Full::<Bytes>::default()).expect("a request");
    let (answer, ended) = tokio::join!(
        async {
            let answer = sender.send_request(request).await.expect("an answer");
            let code = answer.status();
            answer.into_body().collect().await.expect("a body");
            certificates.trust(&[own]).expect("taken over");
            world.server.entrance().renew();
            code
        },
        corten_rt::timeout(Duration::from_secs(20), connection),
    );
    assert_eq!(answer, 403);
    assert!(ended.is_some(), "the connection has to go");
    assert_eq!(world.ask(Some(&ann), &call).await.code, 401, "she is nobody again");
    assert_eq!(world.admin("GET", call.path, "").await.code, 200);
    world.end().await;
}
