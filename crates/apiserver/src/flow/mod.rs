//! Flow control: every request belongs to a FlowSchema and by it to a priority level, whose seats it takes
//! while it is worked on. When a level's seats are taken, its requests queue, fairly among flows, and when its
//! queues are full or the wait too long they are refused (upstream's API priority and fairness).

pub mod bootstrap;
mod estimate;
mod keep;
mod level;
mod metrics;
mod queue;
mod schema;
mod share;
mod watches;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use corten_api::authentication::v1::UserInfo;
use corten_api::flowcontrol::v1::{FlowSchema, PriorityLevelConfiguration};
use corten_rt::Instant;
use http::header::HeaderValue;
use parking_lot::Mutex;

pub use estimate::work;
pub use keep::keep;
use level::Level;
pub use level::{Place, Refused};
pub use queue::Work;
use share::{Asked, Remembered};
pub use watches::{Open, Watches};

use crate::http::path::RequestInfo;

/// How often seats are lent anew.
const ADJUSTED_EVERY: Duration = Duration::from_secs(10);

/// The levels and schemas in force, and the requests in them.
pub struct FlowControl {
    total: u32,
    start: Instant,
    plan: ArcSwap<Plan>,
    /// Held while the plan or the seats are changed.
    changing: Mutex<BTreeMap<String, Remembered>>,
    /// When the seats are to be lent anew, in milliseconds since the start.
    adjust_at: AtomicU64,
    /// What writes have to reach.
    pub watches: Arc<Watches>,
}

/// What requests are judged by.
#[derive(Default)]
struct Plan {
    /// In the order of matching.
    schemas: Vec<Arc<Flow>>,
    levels: Vec<Arc<Level>>,
}

/// A FlowSchema in force.
struct Flow {
    schema: Arc<FlowSchema>,
    level: Arc<Level>,
    counts: Arc<metrics::Counts>,
    ids: Ids,
}

/// What an answer says of the request's class.
#[derive(Clone)]
pub struct Ids {
    pub schema: HeaderValue,
    pub level: HeaderValue,
}

impl FlowControl {
    /// With this many seats in all, and the mandatory objects alone.
    pub fn new(total: usize) -> Arc<FlowControl> {
        let flow = FlowControl {
            total: u32::try_from(total).unwrap_or(u32::MAX),
            start: Instant::now(),
            plan: ArcSwap::default(),
            changing: Mutex::default(),
            adjust_at: AtomicU64::new(0),
            watches: Arc::default(),
        };
        flow.configure(Vec::new(), Vec::new());
        Arc::new(flow)
    }

    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Takes a place for a request, waiting for it for at most `patience`; `work` is told the most seats that
    /// it may ask for.
    ///
    /// # Errors
    /// When there is no room.
    pub async fn enter(
        &self,
        user: &UserInfo,
        request: &RequestInfo,
        patience: Duration,
        work: impl FnOnce(u32) -> Work,
    ) -> (Option<Ids>, Result<Option<Place>, Refused>) {
        self.adjust_when_due();
        let plan = self.plan.load();
        let Some(flow) = plan.schemas.iter().find(|f| schema::fits(&f.schema, user, request)) else {
            return (None, Ok(None));
        };
        let flow = Arc::clone(flow);
        drop(plan);
        let work = work(flow.level.most_seats());
        let hash = schema::flow(&flow.schema, user, request);
        let ids = Some(flow.ids.clone());
        let entered = flow.level.enter(self.start, &flow.counts, hash, work, patience).await;
        (ids, entered.map(Some))
    }

    /// Takes over what the objects say. Levels and counts of those that stay are kept.
    fn configure(&self, mut levels: Vec<Arc<PriorityLevelConfiguration>>, mut schemas: Vec<Arc<FlowSchema>>) {
        let mut memory = self.changing.lock();
        let old = self.plan.load_full();
        for missing in bootstrap::levels().into_iter().take(bootstrap::MANDATORY.len()) {
            if !levels.iter().any(|l| l.metadata.name == missing.metadata.name) {
                levels.push(Arc::new(missing));
            }
        }
        for missing in bootstrap::schemas().into_iter().take(bootstrap::MANDATORY.len()) {
            if !schemas.iter().any(|s| s.metadata.name == missing.metadata.name) {
                schemas.push(Arc::new(missing));
            }
        }
        let now = self.now();
        let mut kept: Vec<Arc<Level>> = Vec::new();
        for object in &levels {
            let name = &object.metadata.name;
            let level = old.levels.iter().find(|l| l.name == *name && l.exempt == level::is_exempt(object));
            let level = level.cloned().unwrap_or_else(|| Arc::new(Level::new(object, now)));
            level.reshape(object);
            kept.push(level);
        }
        let asked: Vec<Asked> = levels.iter().map(|l| level::asked(l)).collect();
        for (level, bounds) in kept.iter().zip(share::bounds(&asked, self.total)) {
            level.bound(bounds);
        }
        memory.retain(|name, _| kept.iter().any(|l| l.name == *name));
        schemas.sort_by(|a, b| {
            let key = |s: &FlowSchema| (s.spec.matching_precedence, s.metadata.name.clone());
            key(a).cmp(&key(b))
        });
        let header = |uid: &str| HeaderValue::from_str(uid).unwrap_or(HeaderValue::from_static(""));
        let flows = schemas.into_iter().filter_map(|schema| {
            let wanted = &schema.spec.priority_level_configuration.name;
            let at = levels.iter().position(|l| l.metadata.name == *wanted)?;
            let level = Arc::clone(&kept[at]);
            let same = |f: &&Arc<Flow>| {
                f.schema.metadata.name == schema.metadata.name && Arc::ptr_eq(&f.level, &level)
            };
            let counts = old.schemas.iter().find(same).map(|f| Arc::clone(&f.counts)).unwrap_or_default();
            let ids = Ids { schema: header(&schema.metadata.uid), level: header(&levels[at].metadata.uid) };
            Some(Arc::new(Flow { schema, level, counts, ids }))
        });
        let flows = flows.collect();
        self.plan.store(Arc::new(Plan { schemas: flows, levels: kept }));
        self.lend(&mut memory);
    }

    /// Lends seats anew every few seconds, when somebody comes.
    fn adjust_when_due(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = self.adjust_at.load(Ordering::Relaxed);
        let next = now + ADJUSTED_EVERY.as_millis() as u64;
        if now >= due
            && self.adjust_at.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.lend(&mut self.changing.lock());
        }
    }

    fn lend(&self, memory: &mut BTreeMap<String, Remembered>) {
        let (now, plan) = (self.now(), self.plan.load());
        let levels: Vec<_> = plan
            .levels
            .iter()
            .map(|level| {
                let remembered = memory.entry(level.name.clone()).or_default();
                remembered.note(level.take_demand(now));
                (level.exempt, level.bounds(), *remembered)
            })
            .collect();
        for (level, seats) in plan.levels.iter().zip(share::lend(&levels)) {
            level.set_limit(seats, now);
        }
    }
}

#[cfg(test)]
mod tests;
