//! The decision for one pod: filter the nodes, score those that are left, take the best. Pure but for the
//! dice that choose among equals.

use crate::cluster::{Cluster, NodeIndex, NodeInfo};
use crate::diagnosis::Unfit;
use crate::framework::{
    ClusterEvent, ClusterEvents, Failed, Filter, PostFilterResult, PreFilterResult, Profile, Rejection, Room,
    Score,
};
use crate::pod_info::PodInfo;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Below this number of nodes all of them are looked at; above it, at least so many are found.
const ENOUGH: usize = 100;
/// The least part of the nodes to be found, in percent.
const LEAST_PERCENT: usize = 5;

/// The node that a pod shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    pub node: NodeIndex,
    /// How many nodes would have done, of those looked at.
    pub feasible: usize,
}

/// No node will do.
#[derive(Clone, Debug)]
pub struct NoFit {
    pub unfit: Unfit,
    /// What could change that.
    pub events: ClusterEvents,
    /// What is to be done for the pod.
    pub help: Help,
}

/// What is done for a pod that no node will do for.
#[derive(Clone, Debug, Default)]
pub enum Help {
    /// Nothing: what it was promised before is void.
    #[default]
    None,
    /// It waits for what was done before.
    Wait,
    /// Others make room for it.
    MakeRoom(Room),
}

/// Decides by the plugins of one profile.
pub struct Algorithm {
    profile: Profile,
    /// Where the search for nodes goes on, so that all have their turn.
    next_start: usize,
}

impl Algorithm {
    /// An algorithm of these plugins.
    pub fn new(profile: Profile) -> Self {
        Algorithm { profile, next_start: 0 }
    }

    /// The profile.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The best node for `pod`, or why there is none.
    pub fn schedule(&mut self, pod: &PodInfo, cluster: &Cluster) -> Result<Placement, Box<NoFit>> {
        let all = cluster.present().len();
        if all == 0 {
            let events = ClusterEvents::of(&[ClusterEvent::NodeAdded]);
            return Err(Box::new(NoFit { unfit: Unfit::new(0), events, help: Help::None }));
        }
        let wanted = self.pre_filter(pod, cluster)?;
        if let Some(node) = self.promised(pod, cluster, &wanted) {
            return Ok(Placement { node, feasible: 1 });
        }
        let searched = self.search(pod, cluster, &wanted);
        self.next_start = (self.next_start + searched.feasible.len() + searched.rejections.len()) % all;
        if searched.feasible.is_empty() {
            return Err(Box::new(self.explain(pod, cluster, searched, &wanted)));
        }
        let node = self.best(pod, cluster, &searched.feasible);
        Ok(Placement { node, feasible: searched.feasible.len() })
    }

    fn pre_filter(&self, pod: &PodInfo, cluster: &Cluster) -> Result<Wanted, Box<NoFit>> {
        let mut wanted = Wanted::default();
        for (at, plugin) in self.profile.plugins.iter().enumerate() {
            let Some(point) = plugin.pre_filter() else { continue };
            match point.pre_filter(pod, cluster) {
                Ok(PreFilterResult::AllNodes) => {}
                Ok(PreFilterResult::Skip) => wanted.skip |= 1 << at,
                Ok(PreFilterResult::Nodes(names)) => {
                    wanted.by.push(plugin.name());
                    wanted.events = wanted.events.and(plugin.events());
                    wanted.names = Some(match wanted.names.take() {
                        Some(before) => before.intersection(&names).cloned().collect(),
                        None => names,
                    });
                }
                Err(rejection) => {
                    let unfit = Unfit::everywhere(cluster.present().len(), &rejection);
                    let (unfit, help) = self.help(pod, cluster, &wanted, &[], unfit);
                    return Err(Box::new(NoFit { unfit, events: plugin.events(), help }));
                }
            }
        }
        Ok(wanted)
    }

    fn search(&self, pod: &PodInfo, cluster: &Cluster, wanted: &Wanted) -> Searched {
        let filters = self.filters(wanted);
        let named: Option<Vec<NodeIndex>> =
            wanted.names.as_ref().map(|names| names.iter().filter_map(|n| cluster.index_of(n)).collect());
        let nodes = named.as_deref().unwrap_or(cluster.present());
        let enough = enough(nodes.len());
        let mut searched = Searched::default();
        for at in 0..nodes.len() {
            let index = nodes[(self.next_start + at) % nodes.len()];
            match judge(&filters, pod, cluster.node(index)) {
                Ok(()) => searched.feasible.push(index),
                Err((rejection, events)) => {
                    searched.rejections.push((index, rejection));
                    searched.events = searched.events.and(events);
                }
            }
            if searched.feasible.len() >= enough {
                break;
            }
        }
        searched
    }

    /// The filters that have something to say, with the events that could change their mind.
    fn filters(&self, wanted: &Wanted) -> Vec<(&dyn Filter, ClusterEvents)> {
        let plugins = self.profile.plugins.iter().enumerate().filter(|(at, _)| wanted.skip & (1 << at) == 0);
        plugins.filter_map(|(_, p)| Some((p.filter()?, p.events()))).collect()
    }

    /// The node on which room was made for the pod, if it will do by now.
    fn promised(&self, pod: &PodInfo, cluster: &Cluster, wanted: &Wanted) -> Option<NodeIndex> {
        let node = cluster.nominated_node(&pod.key)?;
        let named = wanted.names.as_ref().is_none_or(|names| names.contains(&*cluster.node(node).name));
        let fits = named && judge(&self.filters(wanted), pod, cluster.node(node)).is_ok();
        fits.then_some(node)
    }

    fn explain(&self, pod: &PodInfo, cluster: &Cluster, searched: Searched, wanted: &Wanted) -> NoFit {
        let mut unfit = Unfit::new(cluster.present().len());
        searched.rejections.iter().for_each(|(_, rejection)| unfit.add(rejection));
        if wanted.names.is_some() {
            unfit.add_to_rest(format!("node(s) didn't satisfy plugin(s) [{}]", wanted.by.join(" ")));
        }
        let (unfit, help) = self.help(pod, cluster, wanted, &searched.rejections, unfit);
        NoFit { unfit, events: searched.events.and(wanted.events), help }
    }

    /// Asks the plugins whether something can be done; the first that can is heard.
    fn help(
        &self,
        pod: &PodInfo,
        cluster: &Cluster,
        wanted: &Wanted,
        rejections: &[(NodeIndex, Rejection)],
        mut unfit: Unfit,
    ) -> (Unfit, Help) {
        let filters = self.filters(wanted);
        let judge = |node: &NodeInfo| judge(&filters, pod, node).map_err(|(rejection, _)| rejection);
        let failed = Failed { pod, cluster, rejections, judge: &judge };
        let (mut said, mut help) = (Vec::new(), Help::None);
        for point in self.profile.plugins.iter().filter_map(|p| p.post_filter()) {
            match point.post_filter(&failed) {
                PostFilterResult::Nothing(why) => said.push(why),
                PostFilterResult::Wait(why) => {
                    said.push(why);
                    help = Help::Wait;
                }
                PostFilterResult::MakeRoom(room) => return (unfit, Help::MakeRoom(room)),
            }
        }
        unfit.set_after(said.join(", "));
        (unfit, help)
    }

    fn best(&self, pod: &PodInfo, cluster: &Cluster, feasible: &[NodeIndex]) -> NodeIndex {
        if let [only] = feasible {
            return *only;
        }
        let mut totals = vec![0; feasible.len()];
        let mut scores = vec![0; feasible.len()];
        let points = self.profile.plugins.iter().filter_map(|p| p.score());
        for point in points.filter(|p| p.applies(pod)) {
            add_scores(point, pod, cluster, feasible, &mut scores, &mut totals);
        }
        let best = totals.iter().copied().max().unwrap_or(0);
        let equals = totals.iter().filter(|t| **t == best).count();
        let chosen = corten_rt::random::below(equals);
        let mut of_best = feasible.iter().zip(&totals).filter(|(_, total)| **total == best);
        of_best.nth(chosen).map_or(feasible[0], |(index, _)| *index)
    }
}

/// What the plugins said before the nodes were looked at.
#[derive(Default)]
struct Wanted {
    /// One bit per plugin whose filter need not be asked.
    skip: u64,
    names: Option<BTreeSet<String>>,
    by: Vec<&'static str>,
    events: ClusterEvents,
}

#[derive(Default)]
struct Searched {
    feasible: Vec<NodeIndex>,
    rejections: Vec<(NodeIndex, Rejection)>,
    events: ClusterEvents,
}

fn judge(
    filters: &[(&dyn Filter, ClusterEvents)],
    pod: &PodInfo,
    node: &NodeInfo,
) -> Result<(), (Rejection, ClusterEvents)> {
    let ask = |node: &NodeInfo| {
        filters
            .iter()
            .try_for_each(|(f, events)| f.filter(pod, node).map_err(|rejection| (rejection, *events)))
    };
    let before = |other: &&Arc<PodInfo>| other.key != pod.key && other.priority >= pod.priority;
    if node.nominated.iter().any(|other| before(&other)) {
        // Room that was made for others of at least this priority is theirs.
        let mut later = node.clone();
        node.nominated.iter().filter(before).for_each(|other| later.add(other.clone()));
        return ask(&later);
    }
    ask(node)
}

fn add_scores(
    point: &dyn Score,
    pod: &PodInfo,
    cluster: &Cluster,
    feasible: &[NodeIndex],
    scores: &mut [i64],
    totals: &mut [i64],
) {
    for (score, index) in scores.iter_mut().zip(feasible) {
        *score = point.score(pod, cluster.node(*index), cluster);
    }
    point.normalize(scores);
    for (total, score) in totals.iter_mut().zip(&*scores) {
        *total += score * point.weight();
    }
}

/// How many nodes that will do are enough: all of a small cluster, a smaller part of a larger one.
fn enough(nodes: usize) -> usize {
    if nodes < ENOUGH {
        return nodes;
    }
    let percent = 50usize.saturating_sub(nodes / 125).max(LEAST_PERCENT);
    (nodes * percent / 100).max(ENOUGH)
}

#[cfg(test)]
#[path = "algorithm_tests.rs"]
mod tests;
