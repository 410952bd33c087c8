//! Lists in pages.

use std::time::Duration;

use corten_api::core::v1::ConfigMap;
use corten_apiserver::registry::{DeleteOptions, List, ListOptions};
use corten_rt::sleep;
use corten_semantics::ApiResult;

use crate::fixture::*;

async fn page(c: &Cluster, limit: usize, continue_: &str) -> ApiResult<List> {
    let o = ListOptions { limit, continue_: continue_.into(), ..Default::default() };
    c.registry.list(&ctx(), &of::<ConfigMap>("", ""), &o).await
}

fn names(list: &List) -> String {
    let names: Vec<String> = list.items.iter().map(|e| e.object().meta().name.clone()).collect();
    names.join(" ")
}

async fn cluster_of_five() -> Cluster {
    let c = Cluster::new().await;
    for name in ["a", "b", "c", "d", "e"] {
        c.create(config("ns", name, "x")).await.expect("created");
    }
    c
}

#[tokio::test(start_paused = true)]
async fn pages_show_one_state_whatever_happens_meanwhile() {
    // Shortly after the first page its snapshot is at hand; later the store's history is read.
    for pause in [0, 600] {
        let c = cluster_of_five().await;
        let first = page(&c, 2, "").await.expect("page");
        assert_eq!((names(&first).as_str(), first.remaining), ("a b", Some(3)));
        c.delete::<ConfigMap>("ns", "c", DeleteOptions::default()).await.expect("deleted");
        c.create(config("ns", "bb", "x")).await.expect("created");
        c.update(config("ns", "d", "y")).await.expect("updated");
        sleep(Duration::from_secs(pause)).await;
        c.create(config("ns", "dd", "x")).await.expect("created");
        let second = page(&c, 2, &first.continue_).await.expect("page");
        assert_eq!((names(&second).as_str(), second.revision), ("c d", first.revision));
        assert_eq!(second.items[1].object().meta().labels["app"], "x");
        let third = page(&c, 2, &second.continue_).await.expect("page");
        assert_eq!((names(&third).as_str(), third.revision), ("e", first.revision));
        assert_eq!((third.continue_.as_str(), third.remaining), ("", None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_compacted_list_goes_on_inconsistently() {
    let c = cluster_of_five().await;
    let first = page(&c, 2, "").await.expect("page");
    c.delete::<ConfigMap>("ns", "c", DeleteOptions::default()).await.expect("deleted");
    sleep(Duration::from_secs(300)).await;
    c.create(config("ns", "f", "x")).await.expect("created");
    c.store.compact(c.revision().await).await.expect("compacted");
    let error = page(&c, 2, &first.continue_).await.expect_err("too old");
    assert_eq!((error.code(), error.reason()), (410, "Expired"));
    let token = error.status().metadata.continue_.clone();
    let rest = page(&c, 0, &token).await.expect("page");
    assert_eq!(names(&rest), "d e f");
    assert!(rest.revision > first.revision);
}

#[tokio::test(start_paused = true)]
async fn a_limit_with_selectors_tells_no_remaining_count() {
    let c = cluster_of_five().await;
    let o = ListOptions { limit: 2, label_selector: "app=x".into(), ..Default::default() };
    let list = c.registry.list(&ctx(), &of::<ConfigMap>("", ""), &o).await.expect("list");
    assert_eq!((list.items.len(), list.remaining, list.continue_.is_empty()), (2, None, false));
    let whole = page(&c, 5, "").await.expect("page");
    assert_eq!((whole.continue_.as_str(), whole.remaining), ("", None));
    assert_eq!(page(&c, 2, "nonsense").await.expect_err("refused").code(), 400);
}
