//! The server over loopback, with a resolver behind it that the test plays.

use super::*;
use async_trait::async_trait;
use corten_api::Object;
use corten_client::{
    Answer as ApiAnswer, Call, Client, Event, Target, Transport as ApiTransport, WatchOptions, WatchStream,
};
use corten_rt::Stop;
use corten_semantics::{ApiError, ApiResult};
use futures::StreamExt;
use hickory_proto::op::Edns;
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Serves a list of Services that never changes.
struct Services(Vec<Service>);

#[async_trait]
impl ApiTransport for Services {
    async fn call(&self, _: Target, _: Call) -> ApiResult<ApiAnswer> {
        Err(ApiError::internal("only watches are served"))
    }

    async fn watch(&self, target: Target, _: WatchOptions) -> ApiResult<WatchStream> {
        let wanted = self.0.iter().filter(|_| target.kind.kind == "Service").cloned();
        let added = wanted.map(|s| Ok(Event::Added(Arc::new(s) as Arc<dyn Object>)));
        let end = Event::Bookmark { resource_version: "1".into(), initial_end: true };
        let events: Vec<ApiResult<Event>> = added.chain([Ok(end)]).collect();
        Ok(futures::stream::iter(events).chain(futures::stream::pending()).boxed())
    }
}

fn service(name: &str, kind: &str, target: &str) -> Service {
    let mut service = Service::default();
    service.metadata.namespace = "default".into();
    service.metadata.name = name.into();
    service.spec.type_ = kind.into();
    let field =
        if kind == "ExternalName" { &mut service.spec.external_name } else { &mut service.spec.cluster_ip };
    *field = target.into();
    service
}

struct Running {
    server: SocketAddr,
    asked: Arc<AtomicUsize>,
    tasks: Tasks,
}

async fn running(with_upstream: bool) -> Running {
    let tasks = Tasks::new(Stop::new());
    let asked = Arc::new(AtomicUsize::new(0));
    let upstream = resolver(asked.clone(), &tasks).await;
    let transport = Services(vec![
        service("web", "ClusterIP", "10.96.0.5"),
        service("out", "ExternalName", "example.com"),
        service("round", "ExternalName", "round.default.svc.cluster.local"),
    ]);
    let informers = Informers::new(Client::new(Arc::new(transport)), tasks.clone());
    let config = Config {
        listen: vec!["127.0.0.1:0".parse().expect("valid")],
        domain: "cluster.local".into(),
        address: None,
        upstreams: if with_upstream { vec![upstream] } else { vec![] },
    };
    let listening = serve(config, &informers, &tasks).await.expect("listens");
    informers.of::<Service>().synced().await;
    informers.of::<EndpointSlice>().synced().await;
    Running { server: listening[0], asked, tasks }
}

/// Answers every question with 192.0.2.1; `long.example.com` by TCP alone.
async fn resolver(asked: Arc<AtomicUsize>, tasks: &Tasks) -> SocketAddr {
    let udp = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    let address = udp.local_addr().expect("bound");
    let tcp = TcpListener::bind(address).await.expect("binds");
    let say = |packet: &[u8], by_tcp: bool| {
        let request = Message::from_vec(packet).expect("a question");
        let mut answer = reply(&request, ResponseCode::NoError);
        let name = request.queries[0].name().clone();
        if !by_tcp && name.to_ascii().starts_with("long.") {
            answer.metadata.truncation = true;
        } else {
            answer.answers.push(Record::from_rdata(name, 60, RData::A(A::new(192, 0, 2, 1))));
        }
        answer.to_vec().expect("encodes")
    };
    tasks.spawn_until_stopped("resolver by UDP", async move {
        let mut buffer = [0; 2000];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            asked.fetch_add(1, Ordering::SeqCst);
            // Somebody else's answer first: it must not be believed.
            let mut wrong = say(&buffer[..length], false);
            wrong[0] ^= 0xff;
            let _ = udp.send_to(&wrong, from).await;
            let _ = udp.send_to(&say(&buffer[..length], false), from).await;
        }
    });
    tasks.spawn_until_stopped("resolver by TCP", async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let length = stream.read_u16().await.expect("a length");
            let mut packet = vec![0; usize::from(length)];
            stream.read_exact(&mut packet).await.expect("a question");
            let answer = say(&packet, true);
            stream.write_u16(answer.len() as u16).await.expect("written");
            stream.write_all(&answer).await.expect("written");
        }
    });
    address
}

impl Running {
    async fn ask(&self, name: &str, kind: RecordType, transport: Transport) -> Message {
        let mut request = Message::query();
        request.metadata.recursion_desired = true;
        request.queries.push(Query::query(Name::from_ascii(name).expect("valid"), kind));
        request.edns = Some(Edns::new());
        let bytes = request.to_vec().expect("encodes");
        let answer =
            timeout(Duration::from_secs(20), self.exchange(&bytes, transport)).await.expect("in time");
        let answer = Message::from_vec(&answer).expect("decodes");
        assert_eq!(answer.metadata.id, request.metadata.id);
        assert_eq!(answer.queries, request.queries);
        answer
    }

    async fn exchange(&self, bytes: &[u8], transport: Transport) -> Vec<u8> {
        match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
                socket.send_to(bytes, self.server).await.expect("sent");
                let mut buffer = vec![0; 2000];
                let length = socket.recv(&mut buffer).await.expect("received");
                buffer.truncate(length);
                buffer
            }
            Transport::Tcp => {
                let mut stream = TcpStream::connect(self.server).await.expect("connects");
                stream.write_u16(bytes.len() as u16).await.expect("written");
                stream.write_all(bytes).await.expect("written");
                let length = stream.read_u16().await.expect("a length");
                let mut buffer = vec![0; usize::from(length)];
                stream.read_exact(&mut buffer).await.expect("an answer");
                buffer
            }
        }
    }

    async fn end(self) {
        assert!(self.tasks.shutdown(Duration::from_secs(5)).await, "all tasks ended");
    }
}

fn words(message: &Message) -> (ResponseCode, Vec<String>) {
    let text = |r: &Record| format!("{} {} {}", r.name, r.record_type(), r.data);
    (message.metadata.response_code, message.answers.iter().map(text).collect())
}

#[tokio::test]
async fn names_of_the_cluster_and_of_others_by_both_transports() {
    let r = running(true).await;
    for transport in [Transport::Udp, Transport::Tcp] {
        for (name, kind, code, want) in [
            (
                "web.default.svc.cluster.local.",
                RecordType::A,
                ResponseCode::NoError,
                &["web.default.svc.cluster.local. A 10.96.0.5"][..],
            ),
            ("web.default.svc.cluster.local.", RecordType::AAAA, ResponseCode::NoError, &[]),
            ("no.default.svc.cluster.local.", RecordType::A, ResponseCode::NXDomain, &[]),
            ("round.default.svc.cluster.local.", RecordType::A, ResponseCode::ServFail, &[]),
            ("example.com.", RecordType::A, ResponseCode::NoError, &["example.com. A 192.0.2.1"]),
            ("long.example.com.", RecordType::A, ResponseCode::NoError, &["long.example.com. A 192.0.2.1"]),
            (
                "out.default.svc.cluster.local.",
                RecordType::A,
                ResponseCode::NoError,
                &["out.default.svc.cluster.local. CNAME example.com.", "example.com. A 192.0.2.1"],
            ),
        ] {
            let answer = r.ask(name, kind, transport).await;
            assert_eq!(words(&answer), (code, want.iter().map(|w| w.to_string()).collect()), "{name} {kind}");
            let ours = name.ends_with("cluster.local.") && code != ResponseCode::ServFail;
            assert_eq!(answer.metadata.authoritative, ours, "{name}");
            let says_no = ours && want.is_empty();
            assert_eq!(answer.authorities.len(), usize::from(says_no), "{name}: SOA with every no");
        }
    }
    assert_eq!(r.asked.load(Ordering::SeqCst), 2, "the second time, answers come from the cache");
    r.end().await;
}

#[tokio::test]
async fn without_resolvers_other_names_fail() {
    let r = running(false).await;
    let answer = r.ask("example.com.", RecordType::A, Transport::Udp).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
    r.end().await;
}

#[tokio::test]
async fn rubbish_is_refused_and_the_server_lives() {
    let r = running(false).await;
    let refusal = r.exchange(&[1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9], Transport::Udp).await;
    let refusal = Message::from_vec(&refusal).expect("decodes");
    assert_eq!((refusal.metadata.id, refusal.metadata.response_code), (0x0102, ResponseCode::FormErr));
    let answer = r.ask("web.default.svc.cluster.local.", RecordType::A, Transport::Tcp).await;
    assert_eq!(answer.answers.len(), 1);
    r.end().await;
}
