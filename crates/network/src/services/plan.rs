//! The difference between what is in the kernel and what is claimed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use corten_sys::nft::{Batch, Change, Data, Element, Family, Key, Verdict};

use super::ServicesConfig;
use super::frontends::{Action, Claim, Frontend, Target};
use super::rules::{KeyAddress, Map, Spread, refusal, skeleton, table};
use super::stale::Moved;

/// What is claimed, and what was written for it.
pub(super) struct State {
    config: ServicesConfig,
    claims: HashMap<String, Claim>,
    /// Who claims a frontend; the first has it.
    claimants: HashMap<Frontend, Vec<String>>,
    /// What the kernel does, backends in the order of their slots.
    installed: HashMap<Frontend, Action>,
    /// How many claims have an endpoint on this node.
    local: HashMap<IpAddr, usize>,
    chains: HashSet<Spread>,
    /// Whether the kernel holds what is installed.
    pub(super) kernel: Kernel,
}

/// What is known about the rules in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// They are those of an earlier process, or none.
    NotStarted,
    /// They are what is installed.
    InStep,
    /// A batch failed: they may be anything.
    Unknown,
}

/// A batch, and the UDP frontends whose connections may be stale after it.
#[derive(Default)]
pub(super) struct Plan {
    pub batch: Batch,
    pub moved: Vec<Moved>,
}

type Elements = BTreeMap<(Family, Map, Key), Data>;

impl State {
    pub(super) fn new(config: ServicesConfig) -> Self {
        State {
            config,
            claims: HashMap::new(),
            claimants: HashMap::new(),
            installed: HashMap::new(),
            local: HashMap::new(),
            chains: HashSet::new(),
            kernel: Kernel::NotStarted,
        }
    }

    /// Everything, from the claims alone, in place of what was there.
    pub(super) fn rebuild(&mut self) -> Plan {
        let before = std::mem::take(&mut self.installed);
        let claims = std::mem::take(&mut self.claims);
        (self.claimants, self.local, self.chains) = Default::default();
        let mut batch = Batch::default();
        for family in &self.config.families {
            skeleton(&self.config, *family).changes().iter().for_each(|c| batch.push(c.clone()));
        }
        // In the owners' order, so that of two claims to one frontend the same one wins at every start.
        let sorted: BTreeMap<String, Claim> = claims.into_iter().collect();
        let plan = self.update(sorted);
        plan.batch.changes().iter().for_each(|c| batch.push(c.clone()));
        let starts = self.kernel == Kernel::NotStarted;
        let left_behind = |frontend: &Frontend, now: &Action| match starts {
            true => Moved::since_unknown(*frontend, now),
            false => Moved::between(*frontend, before.get(frontend), Some(now)),
        };
        let mut moved: Vec<Moved> =
            self.installed.iter().filter_map(|(f, now)| left_behind(f, now)).collect();
        let gone = before.iter().filter(|(f, _)| !self.installed.contains_key(*f));
        moved.extend(gone.filter_map(|(f, was)| Moved::between(*f, Some(was), None)));
        Plan { batch, moved }
    }

    /// Takes over the claims and plans what differs. Grows with the change, not with what there is.
    pub(super) fn update(&mut self, changes: impl IntoIterator<Item = (String, Claim)>) -> Plan {
        let mut touched = BTreeSet::new();
        let mut local_before = BTreeMap::new();
        for (owner, claim) in changes {
            self.take_over(owner, claim, &mut touched, &mut local_before);
        }
        let (mut old, mut new) = (Elements::new(), Elements::new());
        let mut plan = Plan::default();
        for frontend in touched {
            if self.config.families.contains(&frontend.target.family()) {
                self.change_frontend(frontend, &mut old, &mut new, &mut plan);
            }
        }
        for (address, was_local) in local_before {
            let family = Target::Address(address).family();
            if !self.config.families.contains(&family) {
                continue;
            }
            let key = || Key::default().address(address).address(address);
            let element = || ((family, Map::Hairpin, key()), Data::None);
            match (was_local, self.local.contains_key(&address)) {
                (true, false) => old.extend([element()]),
                (false, true) => new.extend([element()]),
                _ => {}
            }
        }
        difference(&old, &new, &mut plan.batch);
        plan
    }

    /// Books the owner's claim in place of its old one, noting what that touches.
    fn take_over(
        &mut self,
        owner: String,
        claim: Claim,
        touched: &mut BTreeSet<Frontend>,
        local_before: &mut BTreeMap<IpAddr, bool>,
    ) {
        let old = self.claims.remove(&owner).unwrap_or_default();
        for address in old.local_endpoints.iter().chain(&claim.local_endpoints) {
            local_before.entry(*address).or_insert(self.local.contains_key(address));
        }
        for address in &claim.local_endpoints {
            *self.local.entry(*address).or_default() += 1;
        }
        for address in &old.local_endpoints {
            if let Some(count) = self.local.get_mut(address) {
                *count -= 1;
                if *count == 0 {
                    self.local.remove(address);
                }
            }
        }
        let new: HashMap<Frontend, &Action> = claim.frontends.iter().map(|(f, a)| (*f, a)).collect();
        for (frontend, _) in old.frontends.iter().filter(|(f, _)| !new.contains_key(f)) {
            if let Some(owners) = self.claimants.get_mut(frontend) {
                owners.retain(|o| *o != owner);
                if owners.is_empty() {
                    self.claimants.remove(frontend);
                }
            }
            touched.insert(*frontend);
        }
        for frontend in new.keys() {
            let owners = self.claimants.entry(*frontend).or_default();
            if !owners.contains(&owner) {
                owners.push(owner.clone());
            }
            touched.insert(*frontend);
        }
        if claim != Claim::default() {
            self.claims.insert(owner, claim);
        }
    }

    /// What the first claimant wants.
    fn wanted(&self, frontend: &Frontend) -> Option<&Action> {
        let owner = self.claimants.get(frontend)?.first()?;
        let frontends = &self.claims.get(owner)?.frontends;
        let at = frontends.binary_search_by_key(frontend, |(f, _)| *f).ok()?;
        frontends.get(at).map(|(_, action)| action)
    }

    fn change_frontend(
        &mut self,
        frontend: Frontend,
        old: &mut Elements,
        new: &mut Elements,
        plan: &mut Plan,
    ) {
        let was = self.installed.remove(&frontend);
        let wanted = self.wanted(&frontend).cloned();
        let now = wanted.map(|action| arrange(was.as_ref(), action));
        if let Some(spread) = now.as_ref().and_then(|a| chain_of(&frontend, a))
            && self.chains.insert(spread)
        {
            spread.add(&mut plan.batch);
        }
        old.extend(was.iter().flat_map(|a| elements(&frontend, a)));
        new.extend(now.iter().flat_map(|a| elements(&frontend, a)));
        plan.moved.extend(Moved::between(frontend, was.as_ref(), now.as_ref()));
        if let Some(action) = now {
            self.installed.insert(frontend, action);
        }
    }
}

/// Gives backends that stay their old slots: holes are filled by new ones, then by the last.
fn arrange(was: Option<&Action>, now: Action) -> Action {
    let (Some(Action::Spread { backends: old, .. }), Action::Spread { backends, masquerade, sticky }) =
        (was, &now)
    else {
        return now;
    };
    let known: HashSet<&SocketAddr> = old.iter().collect();
    let stays: HashSet<&SocketAddr> = backends.iter().collect();
    let mut fresh = backends.iter().filter(|b| !known.contains(b));
    let mut slots: Vec<Option<SocketAddr>> =
        old.iter().map(|b| if stays.contains(b) { Some(*b) } else { fresh.next().copied() }).collect();
    slots.extend(fresh.map(|b| Some(*b)));
    let mut at = 0;
    while at < slots.len() {
        if slots[at].is_some() {
            at += 1;
        } else {
            slots.swap_remove(at);
        }
    }
    Action::Spread {
        backends: slots.into_iter().flatten().collect(),
        masquerade: *masquerade,
        sticky: *sticky,
    }
}

fn key_address(target: Target) -> KeyAddress {
    match target {
        Target::Address(_) => KeyAddress::Destination,
        Target::Node(_) => KeyAddress::Node,
        Target::NodeFromInside(_) => KeyAddress::NodeFromInside,
    }
}

fn chain_of(frontend: &Frontend, action: &Action) -> Option<Spread> {
    let Action::Spread { backends, masquerade, sticky } = action else { return None };
    Some(Spread {
        family: frontend.target.family(),
        key: key_address(frontend.target),
        count: backends.len() as u32,
        masquerade: *masquerade,
        sticky: *sticky,
    })
}

/// The elements that stand for a frontend in the kernel.
fn elements(frontend: &Frontend, action: &Action) -> Vec<((Family, Map, Key), Data)> {
    let version = frontend.target.family();
    let at_port = |key: Key| key.protocol(frontend.protocol.number()).port(frontend.port);
    let (finds, refused, key) = match frontend.target {
        Target::Address(address) => (Map::Frontends, Map::Refused, at_port(Key::default().address(address))),
        Target::Node(_) => (Map::NodePorts, Map::RefusedNodePorts, at_port(Key::default())),
        Target::NodeFromInside(_) => (Map::InsideNodePorts, Map::RefusedNodePorts, at_port(Key::default())),
    };
    let Action::Spread { backends, sticky, .. } = action else {
        // Who asks from inside is refused by the same element as everyone.
        let covered = matches!(frontend.target, Target::NodeFromInside(_));
        let element = ((version, refused, key), refusal(*action == Action::Drop));
        return if covered { Vec::new() } else { vec![element] };
    };
    let mut out = Vec::with_capacity(backends.len() + 1);
    if let Some(spread) = chain_of(frontend, action) {
        out.push(((version, finds, key), Data::Verdict(Verdict::Goto(spread.name()))));
    }
    let base = match frontend.target {
        Target::Address(address) => at_port(Key::default().address(address)),
        other => at_port(Key(Spread::placeholder(version, key_address(other)))),
    };
    let at = |map, number| (version, map, base.clone().number(number));
    let value = |b: &SocketAddr| Data::Value(Key::default().address(b.ip()).port(b.port()));
    if sticky.is_none() {
        let numbered = (0..).zip(backends);
        out.extend(numbered.map(|(n, b)| (at(Map::Endpoints, n), value(b))));
        return out;
    }
    for (slot, (id, backend)) in (0..).zip(identifiers(backends)) {
        out.push((at(Map::Slots, slot), Data::Value(Key::default().number(id))));
        out.push((at(Map::Endpoints, id), value(backend)));
    }
    out
}

/// A number for each backend that is its own as long as it stays.
fn identifiers(backends: &[SocketAddr]) -> Vec<(u32, &SocketAddr)> {
    let mut taken: HashMap<u32, &SocketAddr> = HashMap::new();
    let mut sorted: Vec<&SocketAddr> = backends.iter().collect();
    sorted.sort();
    for backend in sorted {
        let text = backend.to_string();
        let hash = text.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        let mut id = hash;
        while taken.contains_key(&id) {
            id = id.wrapping_add(1);
        }
        taken.insert(id, backend);
    }
    let ids: HashMap<&SocketAddr, u32> = taken.into_iter().map(|(id, backend)| (backend, id)).collect();
    backends.iter().map(|b| (ids[b], b)).collect()
}

/// Removes what is no more or has changed, then adds what is new or has changed.
fn difference(old: &Elements, new: &Elements, batch: &mut Batch) {
    for ((family, map), mut elements) in only_in(old, new) {
        elements.iter_mut().for_each(|e| e.data = Data::None);
        batch.push(Change::DeleteElements(table(family), map.set(family), elements));
    }
    for ((family, map), elements) in only_in(new, old) {
        batch.push(Change::AddElements(table(family), map.set(family), elements));
    }
}

/// What `one` has and the other has not, or otherwise, by map.
fn only_in(one: &Elements, other: &Elements) -> BTreeMap<(Family, Map), Vec<Element>> {
    let mut out: BTreeMap<(Family, Map), Vec<Element>> = BTreeMap::new();
    for (at, data) in one.iter().filter(|(at, data)| other.get(at) != Some(data)) {
        let (family, map, key) = at;
        out.entry((*family, *map)).or_default().push(Element { key: key.clone(), data: data.clone() });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::{Endpoint, Protocol, ServicePort, TrafficPolicy};
    use std::time::Duration;

    fn state() -> State {
        State::new(ServicesConfig {
            families: vec![Family::V4],
            cluster_ranges: vec!["10.244.0.0/16".parse().expect("range")],
            service_ranges: vec!["10.96.0.0/12".parse().expect("range")],
        })
    }

    fn port(endpoints: &[u8]) -> ServicePort {
        let endpoint =
            |n: &u8| Endpoint { address: ([10, 244, 0, *n], 8080).into(), local: false, ready: true };
        ServicePort {
            cluster_ips: vec![[10, 96, 0, 9].into()],
            external_ips: vec![],
            protocol: Protocol::Tcp,
            port: 80,
            node_port: None,
            endpoints: endpoints.iter().map(endpoint).collect(),
            internal_policy: TrafficPolicy::Cluster,
            external_policy: TrafficPolicy::Cluster,
            affinity: None,
        }
    }

    fn claim(endpoints: &[u8]) -> Claim {
        Claim::of_service(&[port(endpoints)])
    }

    /// A batch in short: chains made, elements removed and added per map.
    fn shown(batch: &Batch) -> Vec<String> {
        let show = |change: &Change| match change {
            Change::AddChain(_, chain) => Some(format!("chain {}", chain.name)),
            Change::AddElements(_, set, e) => Some(format!("+{} {}", e.len(), set.name)),
            Change::DeleteElements(_, set, e) => Some(format!("-{} {}", e.len(), set.name)),
            _ => None,
        };
        batch.changes().iter().filter_map(show).collect()
    }

    #[test]
    fn a_service_grows_shrinks_and_ends() {
        let mut state = state();
        let mut step = |claim: Claim| shown(&state.update([("a".to_owned(), claim)]).batch);
        assert_eq!(step(claim(&[2, 3])), ["chain spread-2", "+1 frontends", "+2 endpoints"]);
        assert!(step(claim(&[3, 2])).is_empty(), "order does not matter");
        let grown = ["chain spread-3", "-1 frontends", "+1 frontends", "+1 endpoints"];
        assert_eq!(step(claim(&[2, 3, 4])), grown);
        // The first goes: the last takes its slot.
        assert_eq!(step(claim(&[3, 4])), ["-1 frontends", "-2 endpoints", "+1 frontends", "+1 endpoints"]);
        assert_eq!(step(claim(&[3, 5])), ["-1 endpoints", "+1 endpoints"]);
        assert_eq!(step(claim(&[])), ["-1 frontends", "-2 endpoints", "+1 refused"]);
        assert_eq!(step(Claim::default()), ["-1 refused"]);
    }

    #[test]
    fn the_change_is_small_however_much_there_is() {
        let mut state = state();
        let service = |n: u16, endpoints: &[u8]| {
            let [high, low] = n.to_be_bytes();
            let one = ServicePort { cluster_ips: vec![[10, 96, high, low].into()], ..port(endpoints) };
            (n.to_string(), Claim::of_service(&[one]))
        };
        state.update((0..5000).map(|n| service(n, &[2, 3, 4])));
        let plan = state.update([service(77, &[2, 9, 4])]);
        assert_eq!(plan.batch.element_count(), 2);
        assert_eq!(state.rebuild().batch.element_count(), 5000 * 4);
    }

    #[test]
    fn the_first_claimant_has_a_frontend_and_the_next_inherits_it() {
        let mut state = state();
        state.update([("b".to_owned(), claim(&[2]))]);
        assert!(state.update([("a".to_owned(), claim(&[3]))]).batch.is_empty());
        let inherited = state.update([("b".to_owned(), Claim::default())]).batch;
        assert_eq!(shown(&inherited), ["-1 endpoints", "+1 endpoints"]);
    }

    #[test]
    fn affinity_is_switched_live() {
        let mut state = state();
        let sticky = ServicePort { affinity: Some(Duration::from_secs(60)), ..port(&[2, 3]) };
        state.update([("a".to_owned(), claim(&[2, 3]))]);
        let on = state.update([("a".to_owned(), Claim::of_service(&[sticky]))]).batch;
        assert_eq!(
            shown(&on),
            [
                "chain spread-2-sticky-60",
                "-1 frontends",
                "-2 endpoints",
                "+1 frontends",
                "+2 endpoints",
                "+2 slots"
            ]
        );
        let off = state.update([("a".to_owned(), claim(&[2, 3]))]).batch;
        assert_eq!(shown(&off), ["-1 frontends", "-2 endpoints", "-2 slots", "+1 frontends", "+2 endpoints"]);
    }

    #[test]
    fn hairpins_are_counted_over_owners() {
        let mut state = state();
        let mut step = |owner: &str, local: bool| {
            let mut claim = Claim::default();
            claim.local_endpoints.extend(local.then(|| IpAddr::from([10, 244, 0, 2])));
            shown(&state.update([(owner.to_owned(), claim)]).batch)
        };
        assert_eq!(step("a", true), ["+1 hairpin"]);
        assert!(step("b", true).is_empty());
        assert!(step("a", false).is_empty());
        assert_eq!(step("b", false), ["-1 hairpin"]);
    }

    #[test]
    fn sticky_identifiers_stay_with_their_backend() {
        let at = |n: u16| SocketAddr::from(([10, 0, 0, 1], n));
        let (a, b) = ([at(1), at(2), at(3)], [at(3), at(2)]);
        let all: HashMap<_, _> = identifiers(&a).into_iter().map(|(id, b)| (*b, id)).collect();
        assert_eq!(all.values().collect::<HashSet<_>>().len(), 3);
        for (id, backend) in identifiers(&b) {
            assert_eq!(all[backend], id);
        }
    }
}
