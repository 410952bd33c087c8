use super::*;
use corten_api::apps::v1::RollingUpdateDeployment;
use corten_api::meta::v1::LabelSelector;

/// A deployment with its sets, on which decisions are carried out at once.
struct Model {
    deployment: Arc<Deployment>,
    sets: Vec<Arc<ReplicaSet>>,
    clock: i64,
}

impl Model {
    fn new(replicas: i32, strategy: &str) -> Self {
        let mut d = Deployment::default();
        d.metadata.name = "web".into();
        d.metadata.uid = "d".into();
        d.metadata.generation = 1;
        d.spec.replicas = Some(replicas);
        d.spec.strategy.type_ = strategy.into();
        d.spec.strategy.rolling_update = (strategy == "RollingUpdate").then(|| {
            Box::new(RollingUpdateDeployment {
                max_surge: Some("25%".into()),
                max_unavailable: Some("25%".into()),
            })
        });
        d.spec.selector = Some(Box::new(LabelSelector::default()));
        d.spec.progress_deadline_seconds = Some(600);
        d.spec.revision_history_limit = Some(1);
        Model { deployment: Arc::new(d), sets: Vec::new(), clock: 0 }
    }

    fn change(&mut self, f: impl FnOnce(&mut Deployment)) {
        let d = Arc::make_mut(&mut self.deployment);
        f(d);
        d.metadata.generation += 1;
    }

    /// One reconcile; then pods become available, or go, as asked. Tells whether anything was done.
    fn turn(&mut self) -> bool {
        self.clock += 1;
        let now = Timestamp::from_second(self.clock).expect("in range");
        let decided = plan(&View { deployment: &self.deployment, sets: &self.sets, pods: &[], now });
        let busy = !decided.actions.is_empty();
        for action in decided.actions {
            self.apply(action);
        }
        let mut settled = true;
        for set in &mut self.sets {
            let set = Arc::make_mut(set);
            let size = size_of(set);
            settled &= set.status.available_replicas == size;
            set.status.replicas = size;
            set.status.ready_replicas = size;
            set.status.available_replicas = size;
        }
        busy || !settled
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::CreateSet(mut set) => {
                set.metadata.uid = set.metadata.name.clone();
                set.metadata.creation_timestamp =
                    Some(Timestamp::from_second(self.clock).expect("in range").into());
                self.sets.push(Arc::new(*set));
            }
            Action::UpdateSet(set) | Action::Scale { set, .. } => {
                let at = self.sets.iter().position(|s| s.metadata.uid == set.metadata.uid).expect("known");
                self.sets[at] = Arc::new(*set);
            }
            Action::DeleteSet(set) => self.sets.retain(|s| s.metadata.uid != set.metadata.uid),
            Action::Update(d) => {
                let status = self.deployment.status.clone();
                self.deployment = Arc::new(Deployment { status, ..*d });
            }
            Action::UpdateStatus(d) => {
                let mut changed = (*self.deployment).clone();
                changed.status = d.status.clone();
                self.deployment = Arc::new(changed);
            }
        }
    }

    fn settle(&mut self) {
        for _ in 0..100 {
            if !self.turn() {
                return;
            }
        }
        panic!("the deployment does not come to rest: {:#?}", self.deployment.status);
    }

    fn sizes(&self) -> Vec<i32> {
        self.sets.iter().map(|s| size_of(s)).collect()
    }

    fn progressing(&self) -> String {
        let c = self.deployment.status.conditions.iter().find(|c| c.type_ == "Progressing");
        c.map(|c| c.reason.clone()).unwrap_or_default()
    }
}

#[test]
fn a_rollout_keeps_its_bounds_and_ends_complete() {
    let mut m = Model::new(10, "RollingUpdate");
    m.settle();
    assert_eq!(m.sizes(), [10]);
    assert_eq!(m.progressing(), "NewReplicaSetAvailable");
    m.change(|d| d.spec.template.spec.node_name = "elsewhere".into());
    while m.turn() {
        let (total, available): (i32, i32) =
            (m.sizes().iter().sum(), m.sets.iter().map(|s| s.status.available_replicas).sum());
        assert!(total <= 13, "{:?}", m.sizes());
        assert!(available >= 8, "{:?}", m.sizes());
    }
    assert_eq!(m.sizes(), [0, 10]);
    assert_eq!(m.deployment.metadata.annotations[REVISION], "2");
    assert_eq!(m.progressing(), "NewReplicaSetAvailable");
}

#[test]
fn going_back_reuses_the_old_set_with_a_new_revision() {
    let mut m = Model::new(2, "RollingUpdate");
    m.settle();
    m.change(|d| d.spec.template.spec.node_name = "elsewhere".into());
    m.settle();
    m.change(|d| d.spec.template.spec.node_name = String::new());
    m.settle();
    assert_eq!(m.sizes(), [2, 0]);
    assert_eq!(m.sets[0].metadata.annotations[REVISION], "3");
    assert_eq!(m.sets[0].metadata.annotations[HISTORY], "1");
}

#[test]
fn recreate_empties_before_it_fills() {
    let mut m = Model::new(3, "Recreate");
    m.settle();
    m.change(|d| d.spec.template.spec.node_name = "elsewhere".into());
    m.turn();
    assert_eq!(m.sizes(), [0]);
    m.settle();
    assert_eq!(m.sizes(), [0, 3]);
}

#[test]
fn a_paused_deployment_scales_but_does_not_roll() {
    let mut m = Model::new(3, "RollingUpdate");
    m.settle();
    m.change(|d| d.spec.paused = true);
    m.settle();
    assert_eq!(m.progressing(), "DeploymentPaused");
    m.change(|d| {
        d.spec.template.spec.node_name = "elsewhere".into();
        d.spec.replicas = Some(5);
    });
    m.settle();
    assert_eq!(m.sizes(), [5]);
    m.change(|d| d.spec.paused = false);
    m.settle();
    assert_eq!(m.sizes(), [0, 5]);
}

#[test]
fn history_beyond_the_limit_is_deleted() {
    let mut m = Model::new(1, "RollingUpdate");
    m.settle();
    for node in ["a", "b", "c"] {
        m.change(|d| d.spec.template.spec.node_name = node.into());
        m.settle();
    }
    assert_eq!(m.sets.len(), 2, "the present set and one old one");
}

#[test]
fn a_stuck_rollout_exceeds_its_deadline() {
    let mut m = Model::new(1, "RollingUpdate");
    m.turn();
    for s in &mut m.sets {
        Arc::make_mut(s).status = Default::default();
    }
    let late = Timestamp::from_second(700).expect("in range");
    // The first look notes the progress made so far, the second finds none since.
    for now in [Timestamp::from_second(2).expect("in range"), late] {
        let decided = plan(&View { deployment: &m.deployment, sets: &m.sets, pods: &[], now });
        decided.actions.into_iter().for_each(|a| m.apply(a));
    }
    assert_eq!(m.progressing(), "ProgressDeadlineExceeded");
}
