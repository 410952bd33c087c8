//! DefaultIngressClass: an Ingress that names no class gets the default one, if there is one.

use crate::check::{Check, Context, Operation};
use crate::default_storage_class::newest_default;
use async_trait::async_trait;
use corten_api::Object;
use corten_api::networking::v1::{Ingress, IngressClass};
use corten_semantics::ApiResult;

/// An Ingress' class in the time before it had a field.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const IS_DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

pub(crate) struct DefaultIngressClass;

#[async_trait]
impl Check for DefaultIngressClass {
    fn name(&self) -> &'static str {
        "DefaultIngressClass"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        context.operation == Operation::Create && context.is_whole::<Ingress>()
    }

    async fn admit(&self, context: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        if let Some(ingress) = object.downcast_mut::<Ingress>()
            && ingress.spec.ingress_class_name.is_none()
            && !ingress.metadata.annotations.contains_key(CLASS_ANNOTATION)
        {
            ingress.spec.ingress_class_name = newest_default::<IngressClass>(context, &[IS_DEFAULT]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Request, meta};

    #[tokio::test]
    async fn an_ingress_without_class_gets_the_default() {
        let mut class = IngressClass { metadata: meta("", "usual"), ..IngressClass::default() };
        class.metadata.annotations.insert(IS_DEFAULT.into(), "true".into());
        let mut request = Request::of::<Ingress>(Operation::Create, "ns", "i");
        request.has(class);
        for (annotated, expected) in [(false, Some("usual")), (true, None)] {
            let mut ingress = Ingress::default();
            if annotated {
                ingress.metadata.annotations.insert(CLASS_ANNOTATION.into(), "old".into());
            }
            request.admit(&DefaultIngressClass, &mut ingress).await.expect("admitted");
            assert_eq!(ingress.spec.ingress_class_name.as_deref(), expected);
        }
    }
}
