//! Nobody gives rights that they do not hold (upstream's `policybased` storage of roles and bindings).

use corten_api::Object;
use corten_api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use corten_semantics::ApiResult;

use super::{Registry, RequestContext};

impl Registry {
    /// Refuses a role or binding that gives more than its writer has. What an update leaves as it was is
    /// not looked at.
    pub(crate) fn check_escalation(
        &self,
        ctx: &RequestContext,
        new: &dyn Object,
        old: Option<&dyn Object>,
    ) -> ApiResult<()> {
        let (authorizer, user, meta) = (&self.authorizer, &ctx.user, new.meta());
        let (namespace, name) = (meta.namespace.as_str(), meta.name.as_str());
        if let Some(role) = new.downcast_ref::<Role>() {
            let same = old.and_then(|o| o.downcast_ref::<Role>()).is_some_and(|o| o.rules == role.rules);
            return if same {
                Ok(())
            } else {
                authorizer.check_role(user, "roles", namespace, name, &role.rules)
            };
        }
        if let Some(role) = new.downcast_ref::<ClusterRole>() {
            let old = old.and_then(|o| o.downcast_ref::<ClusterRole>());
            let same = |o: &ClusterRole| o.rules == role.rules && o.aggregation_rule == role.aggregation_rule;
            return if old.is_some_and(same) {
                Ok(())
            } else {
                authorizer.check_cluster_role(user, role, old)
            };
        }
        if let Some(binding) = new.downcast_ref::<RoleBinding>() {
            let old = old.and_then(|o| o.downcast_ref::<RoleBinding>());
            let same = old.is_some_and(|o| o.role_ref == binding.role_ref && o.subjects == binding.subjects);
            return if same {
                Ok(())
            } else {
                authorizer.check_binding(user, namespace, name, &binding.role_ref)
            };
        }
        if let Some(binding) = new.downcast_ref::<ClusterRoleBinding>() {
            let old = old.and_then(|o| o.downcast_ref::<ClusterRoleBinding>());
            let same = old.is_some_and(|o| o.role_ref == binding.role_ref && o.subjects == binding.subjects);
            return if same { Ok(()) } else { authorizer.check_binding(user, "", name, &binding.role_ref) };
        }
        Ok(())
    }
}
