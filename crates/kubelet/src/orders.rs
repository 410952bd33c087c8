//! Orders to end pods that do not come from the API: of eviction, and of the machine's shutdown. The pod's
//! worker finds its order, and carries it out.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

/// Why a pod has to end, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The pod's reason and message.
    pub reason: String,
    pub message: String,
    /// How long its containers have to end; the pod's own time if that is shorter.
    pub grace: Duration,
    /// Whether the pod's condition `DisruptionTarget` tells that it is no fault of its own.
    pub disruption: bool,
}

/// The reason of a pod that makes room for a critical one.
pub const PREEMPTED: &str = "Preempting";

/// Is called with the UID of each pod that is given an order.
type Wake = Box<dyn Fn(&str) + Send + Sync>;

/// Orders by pod UID.
#[derive(Default)]
pub struct Orders {
    given: Mutex<HashMap<String, Order>>,
    wake: OnceLock<Wake>,
}

impl Orders {
    /// Gives an order; an earlier one to the same pod stands.
    pub fn give(&self, uid: &str, order: Order) {
        self.given.lock().entry(uid.to_string()).or_insert(order);
        if let Some(wake) = self.wake.get() {
            wake(uid);
        }
    }

    /// Has `wake` called with the UID of each pod that is given an order.
    pub fn on_order(&self, wake: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.wake.set(Box::new(wake));
    }

    /// Takes the order to this pod.
    pub fn take(&self, uid: &str) -> Option<Order> {
        let mut orders = self.given.lock();
        if orders.is_empty() { None } else { orders.remove(uid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_order_stands_until_it_is_taken() {
        let orders = Orders::default();
        let order = |reason: &str| Order {
            reason: reason.into(),
            message: String::new(),
            grace: Duration::ZERO,
            disruption: false,
        };
        orders.give("u", order("Evicted"));
        orders.give("u", order("Terminated"));
        assert_eq!(orders.take("u").map(|o| o.reason).as_deref(), Some("Evicted"));
        assert_eq!(orders.take("u"), None);
    }
}
