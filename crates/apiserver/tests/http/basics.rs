//! Objects, lists, watches, discovery, health, as any client sees them.

use crate::world::{Call, World};
use corten_api::core::v1::ConfigMap;
use corten_apiserver::http::{Browsers, Limits};
use corten_codec::watch as frames;
use http_body_util::BodyExt;

#[tokio::test]
async fn an_object_lives_and_dies() {
    let world = World::new().await;
    world.furnish().await;
    let maps = "/api/v1/namespaces/default/configmaps";
    let made = world.admin("POST", maps, r#"{"metadata":{"name":"a"},"data":{"k":"v"}}"#).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let made = made.json();
    assert_eq!((&made["kind"], &made["apiVersion"]), (&"ConfigMap".into(), &"v1".into()));
    assert!(made["metadata"]["uid"].as_str().is_some_and(|u| u.len() == 36));

    let one = format!("{maps}/a");
    let got = world.admin("GET", &one, "").await;
    assert_eq!((got.code, got.json()), (200, made.clone()));
    assert_eq!(got.headers["content-type"], "application/json");
    assert_eq!(got.headers["cache-control"], "no-cache, private");
    assert_eq!(got.headers["audit-id"].len(), 36);

    let mut changed = made.clone();
    changed["data"]["k"] = "w".into();
    let put = world.admin("PUT", &one, &changed.to_string()).await;
    assert_eq!((put.code, &put.json()["data"]["k"]), (200, &"w".into()), "{}", put.text());
    let stale = world.admin("PUT", &one, &changed.to_string()).await;
    assert_eq!(stale.code, 409);

    let patched = world.admin("PATCH", &one, r#"{"data":{"l":"m"}}"#).await;
    assert_eq!((patched.code, &patched.json()["data"]["l"]), (200, &"m".into()), "{}", patched.text());

    let list = world.admin("GET", maps, "").await.json();
    assert_eq!(list["kind"], "ConfigMapList");
    let names: Vec<_> =
        list["items"].as_array().expect("items").iter().map(|i| &i["metadata"]["name"]).collect();
    assert_eq!(names, ["a", "there"]);
    assert!(list["items"][0].get("kind").is_none(), "items do not repeat their kind");

    let gone = world.admin("DELETE", &one, "").await;
    assert_eq!((gone.code, &gone.json()["status"]), (200, &"Success".into()));
    assert_eq!(world.admin("GET", &one, "").await.code, 404);
    world.end().await;
}

#[tokio::test]
async fn a_watch_brings_events_in_lines_and_tables() {
    let world = World::new().await;
    world.furnish().await;
    let maps = "/api/v1/namespaces/default/configmaps";
    let list = world.admin("GET", maps, "").await.json();
    let from = list["metadata"]["resourceVersion"].as_str().expect("a version");
    let path = format!("{maps}?watch=1&resourceVersion={from}&allowWatchBookmarks=true&timeoutSeconds=2");
    let plain = Call { method: "GET", path: &path, headers: &[], body: b"" };
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let table = Call { method: "GET", path: &path, headers: &[("accept", accept)], body: b"" };
    let plain = world.open(Some(&world.pki.admin), &plain).await;
    let table = world.open(Some(&world.pki.admin), &table).await;
    for name in ["a", "b"] {
        let body = format!(r#"{{"metadata":{{"name":"{name}"}}}}"#);
        assert_eq!(world.admin("POST", maps, &body).await.code, 201);
    }
    let lines = |bytes: bytes::Bytes| -> Vec<serde_json::Value> {
        let text = String::from_utf8_lossy(&bytes);
        let events = text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).expect("an event"));
        events.filter(|e| e["type"] != "BOOKMARK").collect()
    };
    let plain = lines(plain.into_body().collect().await.expect("events").to_bytes());
    assert_eq!((&plain[0]["type"], &plain[0]["object"]["metadata"]["name"]), (&"ADDED".into(), &"a".into()));
    assert_eq!((&plain[1]["type"], &plain[1]["object"]["metadata"]["name"]), (&"ADDED".into(), &"b".into()));
    let table = lines(table.into_body().collect().await.expect("events").to_bytes());
    assert_eq!(table[0]["object"]["kind"], "Table");
    assert!(table[1]["object"]["columnDefinitions"].is_null(), "the columns are told once");
    world.end().await;
}

#[tokio::test]
async fn forms_of_an_answer() {
    let world = World::new().await;
    world.furnish().await;
    let maps = "/api/v1/namespaces/default/configmaps";
    let table = world.get_with(maps, "accept", "application/json;as=Table;v=v1;g=meta.k8s.io").await.json();
    assert_eq!((&table["kind"], &table["apiVersion"]), (&"Table".into(), &"meta.k8s.io/v1".into()));
    let columns: Vec<_> =
        table["columnDefinitions"].as_array().expect("columns").iter().map(|c| &c["name"]).collect();
    assert_eq!(columns, ["Name", "Data", "Age"]);
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let metadata = world.get_with(maps, "accept", accept).await.json();
    assert_eq!(metadata["kind"], "PartialObjectMetadataList");
    assert!(metadata["items"][0].get("data").is_none());
    let one = format!("{maps}/there");
    let wrong = world.get_with(&one, "accept", accept).await;
    assert_eq!(wrong.code, 406);
    let protobuf = world.get_with(&one, "accept", "application/vnd.kubernetes.protobuf").await;
    assert_eq!(protobuf.headers["content-type"], "application/vnd.kubernetes.protobuf");
    assert!(protobuf.body.starts_with(b"k8s\0"));
    let pretty = world.admin("GET", &format!("{one}?pretty=true"), "").await;
    assert!(pretty.text().starts_with("{\n  \"kind\": \"ConfigMap\""), "{}", pretty.text());
    let yaml = world.get_with(&one, "accept", "application/yaml").await;
    assert_eq!((yaml.code, yaml.headers["content-type"].as_str()), (200, "application/yaml"));
    assert!(yaml.text().contains("kind: ConfigMap"), "{}", yaml.text());
    world.end().await;
}

#[tokio::test]
async fn discovery_and_open_paths() {
    let world = World::new().await;
    let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let all = world.get_with("/apis", "accept", aggregated).await;
    assert_eq!((all.code, all.headers["content-type"].as_str()), (200, aggregated));
    assert_eq!(all.headers["vary"], "Accept");
    let again = Call {
        method: "GET",
        path: "/apis",
        headers: &[("accept", aggregated), ("if-none-match", &all.headers["etag"])],
        body: b"",
    };
    assert_eq!(world.ask(Some(&world.pki.admin), &again).await.code, 304);
    let apps = world.admin("GET", "/apis/apps/v1", "").await.json();
    let names: Vec<_> = apps["resources"].as_array().expect("resources").iter().map(|r| &r["name"]).collect();
    assert!(names.contains(&&"deployments/scale".into()), "{names:?}");
    assert_eq!(world.admin("GET", "/api", "").await.json()["versions"][0], "v1");
    assert_eq!(world.admin("GET", "/apis", "").await.json()["kind"], "APIGroupList");
    assert_eq!(world.admin("GET", "/apis/none", "").await.text(), "404 page not found\n");
    for (path, code) in
        [("/livez", 200), ("/readyz", 200), ("/healthz", 200), ("/version", 200), ("/livez/ping", 403)]
    {
        let call = Call { method: "GET", path, headers: &[], body: b"" };
        assert_eq!(world.ask(None, &call).await.code, code, "{path}");
    }
    let index = world.admin("GET", "/", "").await.json();
    let paths = index["paths"].as_array().expect("paths");
    for path in ["/api/v1", "/apis/apps", "/apis/apps/v1", "/livez/ping", "/openapi/v3", "/version"] {
        assert!(paths.contains(&path.into()), "{path} in {index}");
    }
    let verbose = world.admin("GET", "/readyz?verbose", "").await.text();
    let lines: Vec<&str> = verbose.lines().collect();
    assert_eq!(
        lines[..5],
        ["[+]ping ok", "[+]log ok", "[+]etcd ok", "[+]etcd-readiness ok", "[+]informer-sync ok"]
    );
    assert!(lines.contains(&"[+]poststarthook/rbac/bootstrap-roles ok"), "{verbose}");
    assert!(verbose.ends_with("[+]shutdown ok\nreadyz check passed\n"), "{verbose}");
    for path in ["/readyz/poststarthook/rbac/bootstrap-roles", "/livez/etcd", "/readyz/informer-sync"] {
        assert_eq!(world.admin("GET", path, "").await.text(), "ok", "{path}");
    }
    assert_eq!(world.admin("GET", "/livez/informer-sync", "").await.code, 404);
    let components = world.admin("GET", "/api/v1/componentstatuses", "").await.json();
    assert_eq!(components["items"][1]["metadata"]["name"], "etcd-0");
    assert_eq!(components["items"][1]["conditions"][0]["status"], "True");
    let unknown = world.admin("GET", "/api/v1/componentstatuses/etcd-1", "").await;
    assert_eq!((unknown.code, &unknown.json()["message"]), (500, &"Component not found: etcd-1".into()));
    let endpoints = world.admin("GET", "/api/v1/endpoints", "").await;
    let want = r#"299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice""#;
    assert_eq!(endpoints.headers["warning"], want);
    assert!(world.admin("GET", "/metrics", "").await.text().contains("apiserver_request_total"));
    world.end().await;
}

#[tokio::test]
async fn a_watch_in_protobuf() {
    let world = World::new().await;
    world.furnish().await;
    let path = "/api/v1/namespaces/default/configmaps?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
    let watch = world.get_with(path, "accept", "application/vnd.kubernetes.protobuf").await;
    assert_eq!(watch.headers["content-type"], "application/vnd.kubernetes.protobuf;stream=watch");
    let (frame, taken) = frames::split_frame(&watch.body).expect("sound").expect("whole");
    let event = frames::decode_protobuf(frame).expect("an event");
    let mut map = ConfigMap::default();
    corten_codec::protobuf::decode(event.object, &mut map).expect("an object");
    assert_eq!((&*event.kind, map.metadata.name.as_str()), ("ADDED", "there"));
    let (frame, _) = frames::split_frame(&watch.body[taken..]).expect("sound").expect("whole");
    let event = frames::decode_protobuf(frame).expect("an event");
    let mut end = ConfigMap::default();
    corten_codec::protobuf::decode(event.object, &mut end).expect("an object");
    assert_eq!((&*event.kind, &*end.metadata.annotations["k8s.io/initial-events-end"]), ("BOOKMARK", "true"));
    world.end().await;
}

#[tokio::test]
async fn subresources_of_a_kind() {
    let world = World::new().await;
    world.furnish().await;
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let body = r#"{"metadata":{"name":"d"},"spec":{"replicas":2,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}"#;
    let made = world.admin("POST", deployments, body).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let scale = world.admin("GET", &format!("{deployments}/d/scale"), "").await.json();
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&"Scale".into(), &2.into()));
    let scaled = world.admin("PATCH", &format!("{deployments}/d/scale"), r#"{"spec":{"replicas":4}}"#).await;
    assert_eq!((scaled.code, &scaled.json()["spec"]["replicas"]), (200, &4.into()), "{}", scaled.text());
    let status =
        world.admin("PATCH", &format!("{deployments}/d/status"), r#"{"status":{"replicas":3}}"#).await.json();
    assert_eq!((&status["spec"]["replicas"], &status["status"]["replicas"]), (&4.into(), &3.into()));
    let token = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let token = world.admin("POST", token, r#"{"spec":{"audiences":["x"]}}"#).await.json();
    let review = format!(r#"{{"spec":{{"token":{},"audiences":["x"]}}}}"#, token["status"]["token"]);
    let review = world.admin("POST", "/apis/authentication.k8s.io/v1/tokenreviews", &review).await.json();
    let user = &review["status"]["user"]["username"];
    assert_eq!(
        (&review["status"]["authenticated"], user),
        (&true.into(), &"system:serviceaccount:default:default".into())
    );
    let asked = r#"{"spec":{"user":"alice","resourceAttributes":{"verb":"get","resource":"pods","namespace":"default"}}}"#;
    let answer = world.admin("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", asked).await;
    assert_eq!((answer.code, &answer.json()["status"]["allowed"]), (201, &false.into()));
    let own = r#"{"spec":{"nonResourceAttributes":{"verb":"get","path":"/metrics"}}}"#;
    let own = world.admin("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", own).await;
    assert_eq!(own.json()["status"]["allowed"], true);
    world.end().await;
}

#[tokio::test]
async fn scripts_of_allowed_pages_may_call() {
    let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let browsers = Browsers::new(&texts(&["//ex.com$"]), &texts(&["max-age=60"])).expect("valid");
    let world = World::built(Limits::default(), |api, _| api.browsers = browsers).await;
    for (method, origin, code, allowed) in [
        ("OPTIONS", "https://ex.com", 204, true),
        ("GET", "https://ex.com", 200, true),
        ("GET", "https://other.com", 200, false),
        ("OPTIONS", "https://other.com", 403, false),
    ] {
        let headers = [("origin", origin)];
        let call = Call { method, path: "/version", headers: &headers, body: b"" };
        let answer = world.ask(None, &call).await;
        let told = answer.headers.get("access-control-allow-origin").map(String::as_str);
        assert_eq!((answer.code, told), (code, allowed.then_some(origin)), "{method} {origin}");
        let transport = answer.headers.get("strict-transport-security").map(String::as_str);
        assert_eq!(transport, Some("max-age=60"), "{method} {origin}");
    }
    world.end().await;
}
