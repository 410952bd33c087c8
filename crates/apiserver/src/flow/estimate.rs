//! How many seats a request takes: lists by what they hold in memory, writes by how many watches they wake
//! (apiserver `flowcontrol/request`).

use super::queue::Work;
use super::watches::Watches;
use crate::cache::Extent;
use crate::http::path::RequestInfo;
use crate::http::query::Query;

/// Bytes of a list that make a seat, and beyond which it takes no more: the rest is streamed.
const BYTES_PER_SEAT: f64 = 100_000.0;
const MOST_LIST_BYTES: f64 = 1_000_000.0;
/// The most seats of a list and of a write.
const MOST_LIST_SEATS: u32 = 100;
const MOST_WRITE_SEATS: u32 = 10;
/// How many watches make a seat, and how long their events take it, in seconds.
const WATCHES_PER_SEAT: u32 = 10;
const EVENT_TIME: f64 = 0.005;

/// What a request takes; `most` is its level's bound, and `extent` how much of its resource there is.
pub fn work(
    info: &RequestInfo,
    query: &Query,
    most: u32,
    extent: impl FnOnce() -> Extent,
    watches: &Watches,
) -> Work {
    let lists = match info.verb.as_str() {
        "list" => info.is_resource,
        "watch" => {
            query.flag("sendInitialEvents") || matches!(query.get("resourceVersion"), None | Some("" | "0"))
        }
        "create" | "update" | "patch" | "delete" => return write(info, most, watches),
        _ => false,
    };
    let seats = if lists { list_seats(info, query, extent()) } else { 1 };
    Work { seats: seats.clamp(1, most.clamp(1, MOST_LIST_SEATS)), ..Work::default() }
}

fn list_seats(info: &RequestInfo, query: &Query, extent: Extent) -> u32 {
    let limit = query.get("limit").and_then(|l| l.parse().ok()).filter(|limit| *limit > 0);
    let objects = if info.name.is_empty() { extent.objects.min(limit.unwrap_or(usize::MAX)) } else { 1 };
    let bytes = (objects as f64 * extent.bytes_each as f64).min(MOST_LIST_BYTES);
    (bytes / BYTES_PER_SEAT).ceil() as u32
}

fn write(info: &RequestInfo, most: u32, watches: &Watches) -> Work {
    let seeing = if info.subresource == "token" { 0 } else { watches.seeing(info) };
    if seeing < WATCHES_PER_SEAT {
        return Work::default();
    }
    let wide = seeing.div_ceil(WATCHES_PER_SEAT);
    let final_seats = wide.min(most.clamp(1, MOST_WRITE_SEATS));
    Work { seats: 1, final_seats, extra: f64::from(wide) * EVENT_TIME / f64::from(final_seats) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;
    use std::sync::Arc;

    #[test]
    fn lists_and_writes_take_what_they_cost() {
        let watches = Arc::new(Watches::default());
        let info = |method: &Method, path: &str, query: &Query| RequestInfo::new(method, path, query);
        let path = "/api/v1/configmaps";
        let watch = Query::parse("watch=1");
        let _open: Vec<_> = (0..45).map(|_| watches.open(&info(&Method::GET, path, &watch))).collect();
        for (method, path, query, objects, want) in [
            (Method::GET, path, "", 0, (1, 0)),
            (Method::GET, path, "", 250, (3, 0)),
            (Method::GET, path, "limit=100", 250, (1, 0)),
            (Method::GET, path, "", 1_000_000, (10, 0)),
            (Method::GET, path, "fieldSelector=metadata.name%3Dx", 1_000_000, (1, 0)),
            (Method::GET, path, "watch=1", 250, (3, 0)),
            (Method::GET, path, "watch=1&resourceVersion=5", 250, (1, 0)),
            (Method::GET, "/api/v1/namespaces/a/configmaps/x", "", 250, (1, 0)),
            (Method::PUT, "/api/v1/namespaces/a/configmaps/x", "", 250, (1, 5)),
            (Method::PUT, "/api/v1/namespaces/a/secrets/x", "", 250, (1, 0)),
        ] {
            let query = Query::parse(query);
            let extent = || Extent { objects, bytes_each: 1000 };
            let got = work(&info(&method, path, &query), &query, 50, extent, &watches);
            assert_eq!((got.seats, got.final_seats), want, "{method} {path} {query:?}");
        }
        let put = info(&Method::PUT, "/api/v1/namespaces/a/configmaps/x", &Query::default());
        let got = work(&put, &Query::default(), 2, Extent::default, &watches);
        assert_eq!((got.final_seats, got.extra), (2, 0.0125));
    }
}
