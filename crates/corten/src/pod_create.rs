//! What a server does with a Pod that is to be created, apart from what every request costs: measured by
//! `corten bench api` in its own process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use async_trait::async_trait;
use corten_admission::{Chain, Context, Notes, Operation, Server};
use corten_api::admissionregistration::v1::WebhookClientConfig;
use corten_api::authentication::v1::UserInfo;
use corten_api::core::v1::{Namespace, Pod, ServiceAccount};
use corten_api::{Kind, KindInfo, Object};
use corten_cli::bench::{Part, Work, pod};
use corten_codec::{Problems, json};
use corten_kinds::{before_create, strategy_for};
use corten_semantics::{ApiError, ApiResult};
use futures::FutureExt;

const NAMESPACE: &str = "shop";

/// The parts that are measured.
pub const PARTS: &[Part] = &[
    Part { operation: "Pod in process: read", ready: read },
    Part { operation: "Pod in process: default, validate", ready: judge },
    Part { operation: "Pod in process: default, admit, validate", ready: admit },
];

fn decoded(body: &[u8]) -> Result<Box<dyn Object>> {
    let mut object = Pod::INFO.blank().context("pods are no objects")?;
    json::decode_struct(body, object.as_struct_mut(), &mut Problems::strict())?;
    let meta = object.meta_mut();
    meta.namespace = NAMESPACE.into();
    meta.uid = "0f6d7b2e-5a51-4d51-9d3e-8f0a6c1b2d34".into();
    Ok(object)
}

fn pods(count: usize) -> Result<Vec<Box<dyn Object>>> {
    (0..count).map(|n| decoded(&pod(n))).collect()
}

fn read(count: usize) -> Result<Work> {
    let bodies: Vec<_> = (0..count).map(pod).collect();
    Ok(Box::new(move || bodies.iter().try_for_each(|body| decoded(body).map(drop))))
}

/// Defaults before and after admission, as a server fills them.
fn judge(count: usize) -> Result<Work> {
    let (pods, strategy) = (pods(count)?, strategy_for(Pod::INFO));
    Ok(Box::new(move || {
        for mut pod in pods {
            strategy.default(&mut *pod);
            strategy.default(&mut *pod);
            before_create(strategy, &mut *pod).map_err(anyhow::Error::from)?;
        }
        Ok(())
    }))
}

/// The same with the checks that are on by default, in a namespace without quotas, policies and webhooks.
fn admit(count: usize) -> Result<Work> {
    let (pods, strategy, chain) = (pods(count)?, strategy_for(Pod::INFO), Chain::standard());
    let mut namespace = Namespace::default();
    namespace.metadata.name = NAMESPACE.into();
    let mut account = ServiceAccount::default();
    (account.metadata.name, account.metadata.namespace) = ("default".into(), NAMESPACE.into());
    let objects: Vec<Arc<dyn Object>> = vec![Arc::new(namespace), Arc::new(account)];
    let (user, notes) = (UserInfo::default(), Notes::default());
    Ok(Box::new(move || {
        for mut pod in pods {
            let name = pod.meta().name.clone();
            let context = Context {
                kind: Pod::INFO,
                requested: Pod::INFO,
                subresource: "",
                operation: Operation::Create,
                namespace: NAMESPACE,
                name: &name,
                user: &user,
                dry_run: false,
                old: None,
                objects: &objects,
                notes: &notes,
                options: &(),
                server: &Alone,
                rounds: None,
                deadline: None,
            };
            strategy.default(&mut *pod);
            at_once(chain.admit(&context, &mut pod))?;
            strategy.default(&mut *pod);
            before_create(strategy, &mut *pod).map_err(anyhow::Error::from)?;
            at_once(chain.validate(&context, &*pod))?;
        }
        Ok(())
    }))
}

/// The result of a check that asks nobody outside.
fn at_once(check: impl Future<Output = ApiResult<()>>) -> Result<()> {
    check.now_or_never().ok_or_else(|| anyhow!("admission waits for somebody"))?.map_err(Into::into)
}

/// A server without webhooks, and with one version of everything.
struct Alone;

#[async_trait]
impl Server for Alone {
    async fn call(
        &self,
        _: &'static str,
        _: &WebhookClientConfig,
        _: Vec<u8>,
        _: Duration,
    ) -> Result<Vec<u8>, String> {
        Err("there are no webhooks".into())
    }

    fn equivalents(&self, _: &'static KindInfo) -> Vec<&'static KindInfo> {
        Vec::new()
    }

    async fn convert(&self, object: Box<dyn Object>, _: &'static KindInfo) -> ApiResult<Box<dyn Object>> {
        Ok(object)
    }

    fn decode(&self, kind: &'static KindInfo, text: &[u8]) -> ApiResult<Box<dyn Object>> {
        let mut object = kind.blank().ok_or_else(|| ApiError::internal("the kind has no objects"))?;
        json::decode_struct(text, object.as_struct_mut(), &mut Problems::ignore())
            .map_err(ApiError::internal)?;
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_can_be_done() {
        for part in PARTS {
            let work = (part.ready)(2).expect(part.operation);
            work().expect(part.operation);
        }
        let mut pods = pods(1).expect("pods");
        strategy_for(Pod::INFO).default(&mut *pods[0]);
        let filled = pods[0].downcast_ref::<Pod>().expect("a pod");
        assert_eq!(filled.spec.restart_policy, "Always");
    }
}
