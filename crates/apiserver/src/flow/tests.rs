use super::*;
use crate::http::query::Query;
use corten_api::flowcontrol::v1::PriorityLevelConfiguration;
use corten_rt::timeout;

const SOON: Duration = Duration::from_millis(50);

fn user(name: &str, groups: &[&str]) -> UserInfo {
    let groups = groups.iter().map(ToString::to_string).collect();
    UserInfo { username: name.into(), groups, ..UserInfo::default() }
}

fn pods(namespace: &str) -> RequestInfo {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    RequestInfo::new(&http::Method::GET, &path, &Query::default())
}

/// Ten seats, one level with two queues of one request each, and everybody in it.
fn tight() -> Arc<FlowControl> {
    let flow = FlowControl::new(2);
    let find = |name: &str| {
        let mut level: PriorityLevelConfiguration =
            bootstrap::levels().into_iter().find(|l| l.metadata.name == name).expect("a level");
        if let Some(queuing) = level.spec.limited.as_mut().and_then(|l| l.limit_response.queuing.as_mut()) {
            (queuing.queues, queuing.hand_size, queuing.queue_length_limit) = (2, 1, 1);
        }
        Arc::new(level)
    };
    let mut schemas = bootstrap::schemas();
    schemas.retain(|s| s.metadata.name == "global-default");
    schemas[0].metadata.uid = "schema-uid".into();
    let mut level = (*find("global-default")).clone();
    level.metadata.uid = "level-uid".into();
    let catch_all = {
        let mut level = (*find("catch-all")).clone();
        if let Some(limited) = &mut level.spec.limited {
            limited.nominal_concurrency_shares = Some(0);
        }
        Arc::new(level)
    };
    flow.configure(vec![Arc::new(level), catch_all], schemas.into_iter().map(Arc::new).collect());
    flow
}

async fn enter(flow: &FlowControl, name: &str, patience: Duration) -> Result<Option<Place>, Refused> {
    let user = user(name, &["system:authenticated"]);
    flow.enter(&user, &pods("a"), patience, |_| Work::default()).await.1
}

#[tokio::test(start_paused = true)]
async fn full_levels_queue_shed_and_go_on() {
    let flow = tight();
    let (ids, first) =
        flow.enter(&user("ann", &["system:authenticated"]), &pods("a"), SOON, |_| Work::default()).await;
    let ids = ids.expect("a class");
    assert_eq!((ids.schema.as_bytes(), ids.level.as_bytes()), (&b"schema-uid"[..], &b"level-uid"[..]));
    let first = first.expect("a seat");
    let _second = enter(&flow, "ann", SOON).await.expect("a seat");
    // The level has two seats: the third waits, and the fourth of its flow is refused.
    let mut third = Box::pin(enter(&flow, "ann", Duration::from_secs(5)));
    assert!(timeout(SOON, third.as_mut()).await.is_none());
    assert_eq!(enter(&flow, "ann", SOON).await.err(), Some(Refused { retry_after: 1 }));
    drop(first);
    let third = timeout(SOON, third).await.expect("no more waiting").expect("a seat");
    // Who has waited long enough is refused, and leaves nothing behind.
    assert!(enter(&flow, "ann", SOON).await.is_err());
    let mut text = corten_metrics::Text::default();
    flow.write_metrics(&mut text);
    let text = text.finish();
    for line in [
        "apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"global-default\",priority_level=\"global-default\"} 3",
        "apiserver_flowcontrol_rejected_requests_total{flow_schema=\"global-default\",priority_level=\"global-default\",reason=\"queue-full\"} 1",
        "apiserver_flowcontrol_rejected_requests_total{flow_schema=\"global-default\",priority_level=\"global-default\",reason=\"time-out\"} 1",
        "apiserver_flowcontrol_current_executing_requests{flow_schema=\"global-default\",priority_level=\"global-default\"} 2",
        "apiserver_flowcontrol_current_inqueue_requests{flow_schema=\"global-default\",priority_level=\"global-default\"} 0",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    drop(third);
    // The masters are exempt.
    let admin = user("admin", &["system:masters"]);
    for _ in 0..20 {
        let entered = flow.enter(&admin, &pods("a"), SOON, |_| Work::default()).await.1;
        std::mem::forget(entered.expect("a seat"));
    }
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_gives_the_seat_on() {
    let flow = tight();
    let first = enter(&flow, "ann", SOON).await.expect("a seat");
    let second = enter(&flow, "ann", SOON).await.expect("a seat");
    let mut waits = Box::pin(enter(&flow, "ann", Duration::from_secs(5)));
    assert!(timeout(SOON, waits.as_mut()).await.is_none());
    // It is given the seat, and gone before it looks.
    drop(first);
    drop(waits);
    drop(second);
    let plan = flow.plan.load();
    let level = plan.levels.iter().find(|l| l.name == "global-default").expect("the level");
    let (executing, waiting, seats, _) = level.state();
    assert_eq!((executing, waiting, seats), (0, 0, 0));
}
