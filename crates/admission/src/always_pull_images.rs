//! AlwaysPullImages: every start of a container asks the registry, so that nobody runs an image that only
//! others may fetch. Off unless enabled.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::core::v1::{Pod, PodSpec};
use corten_semantics::ApiResult;
use corten_semantics::field::FieldError;
use std::collections::BTreeSet;

const ALWAYS: &str = "Always";

pub(crate) struct AlwaysPullImages;

fn images(spec: &PodSpec) -> BTreeSet<&str> {
    let debugging = spec.ephemeral_containers.iter().map(|c| c.ephemeral_container_common.image.as_str());
    let plain = spec.init_containers.iter().chain(&spec.containers).map(|c| c.image.as_str());
    plain.chain(debugging).collect()
}

/// Whether the write brings an image that the pod did not have.
fn matters(context: &Context<'_>, pod: &Pod) -> bool {
    let old = context.old::<Pod>().filter(|_| context.operation == Operation::Update);
    old.is_none_or(|old| !images(&pod.spec).is_subset(&images(&old.spec)))
}

#[async_trait]
impl Check for AlwaysPullImages {
    fn name(&self) -> &'static str {
        "AlwaysPullImages"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        matches!(context.operation, Operation::Create | Operation::Update) && context.is_whole::<Pod>()
    }

    async fn admit(&self, context: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        let Some(pod) = object.downcast_mut::<Pod>().filter(|pod| matters(context, pod)) else {
            return Ok(());
        };
        for container in pod.spec.init_containers.iter_mut().chain(&mut pod.spec.containers) {
            container.image_pull_policy = ALWAYS.into();
        }
        for container in &mut pod.spec.ephemeral_containers {
            container.ephemeral_container_common.image_pull_policy = ALWAYS.into();
        }
        for image in pod.spec.volumes.iter_mut().filter_map(|v| v.volume_source.image.as_mut()) {
            image.pull_policy = ALWAYS.into();
        }
        Ok(())
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        let Some(pod) = object.downcast_ref::<Pod>().filter(|pod| matters(context, pod)) else {
            return Ok(());
        };
        let of = |what: &str, i: usize, policy: &str| {
            (format!("spec.{what}[{i}].imagePullPolicy"), policy.to_string())
        };
        let spec = &pod.spec;
        let init = spec.init_containers.iter().enumerate();
        let init = init.map(|(i, c)| of("initContainers", i, &c.image_pull_policy));
        let main = spec.containers.iter().enumerate().map(|(i, c)| of("containers", i, &c.image_pull_policy));
        let debugging = spec.ephemeral_containers.iter().enumerate();
        let debugging = debugging
            .map(|(i, c)| of("ephemeralContainers", i, &c.ephemeral_container_common.image_pull_policy));
        let volumes = spec.volumes.iter().enumerate().filter_map(|(i, v)| {
            let image = v.volume_source.image.as_ref()?;
            Some((format!("spec.volumes[{i}].image.pullPolicy"), image.pull_policy.clone()))
        });
        let wrong = init.chain(main).chain(debugging).chain(volumes).find(|(_, policy)| policy != ALWAYS);
        match wrong {
            Some((path, policy)) => {
                let why = FieldError::not_supported(path, policy, &[ALWAYS]).to_string();
                Err(context.forbidden(Some(object), &why))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Request};

    #[tokio::test]
    async fn images_are_always_asked_for() {
        let request = Request::of::<Pod>(Operation::Create, "ns", "p");
        let mut pod = sample::pod("p");
        pod.spec.containers[0].image_pull_policy = "Never".into();
        let refused = request.validate(&AlwaysPullImages, &pod).await.expect_err("refused").to_string();
        assert!(
            refused.contains("spec.containers[0].imagePullPolicy: Unsupported value: \"Never\""),
            "{refused}"
        );
        request.admit(&AlwaysPullImages, &mut pod).await.expect("admitted");
        assert_eq!(pod.spec.containers[0].image_pull_policy, ALWAYS);
        request.validate(&AlwaysPullImages, &pod).await.expect("valid");
        let update = Request::of::<Pod>(Operation::Update, "ns", "p").old(sample::pod("p"));
        let mut same = sample::pod("p");
        update.admit(&AlwaysPullImages, &mut same).await.expect("admitted");
        assert_eq!(same.spec.containers[0].image_pull_policy, "", "no new image");
    }
}
