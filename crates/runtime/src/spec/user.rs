//! As whom a container runs. Names are looked up in the container, by the supervisor.

use corten_node_api::cri::{self, SupplementalGroupsPolicy};
use corten_pod::protocol::User;

use super::Refusal;
use super::refusal::invalid;

/// The user: the configuration's name or number, else the image's. Groups that the image gives the user are
/// added, unless the policy is strict.
pub(super) fn of(context: &cri::LinuxContainerSecurityContext, image: &str) -> Result<User, Refusal> {
    let id = |value: i64, kind: &str| {
        u32::try_from(value).map_err(|_| invalid(format!("{kind} {value} is not between 0 and 4294967295")))
    };
    let gid = context.run_as_group.as_ref().map(|g| id(g.value, "group")).transpose()?;
    let name = match (&context.run_as_user, context.run_as_username.as_str()) {
        (_, name) if !name.is_empty() => name.to_owned(),
        (Some(uid), _) => id(uid.value, "user")?.to_string(),
        (None, _) => {
            if let Some(gid) = gid {
                return Err(invalid(format!("user group \"{gid}\" is specified without user")));
            }
            image.to_owned()
        }
    };
    let groups: Result<Vec<u32>, _> =
        context.supplemental_groups.iter().map(|g| id(*g, "supplemental group")).collect();
    let strict = match SupplementalGroupsPolicy::try_from(context.supplemental_groups_policy) {
        Ok(policy) => policy == SupplementalGroupsPolicy::Strict,
        Err(_) => {
            let policy = context.supplemental_groups_policy;
            return Err(invalid(format!("unsupported supplementalGroupsPolicy: {policy}")));
        }
    };
    Ok(User { name, gid, groups: groups?, image_groups: !strict })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_against_the_images_user() {
        let value = |value: i64| Some(cri::Int64Value { value });
        for (user, name, group, image, expected) in [
            (None, "", None, "app:staff", Ok(("app:staff", None))),
            (None, "", None, "", Ok(("", None))),
            (value(1000), "", None, "app", Ok(("1000", None))),
            (value(1000), "", value(7), "app", Ok(("1000", Some(7)))),
            (None, "web", value(0), "app", Ok(("web", Some(0)))),
            (None, "", value(7), "app", Err("user group \"7\" is specified without user")),
            (value(-1), "", None, "", Err("user -1 is not between 0 and 4294967295")),
        ] {
            let context = cri::LinuxContainerSecurityContext {
                run_as_user: user,
                run_as_username: name.into(),
                run_as_group: group,
                supplemental_groups: vec![5, 6],
                ..Default::default()
            };
            let expected = expected.map_err(invalid).map(|(name, gid)| User {
                name: name.into(),
                gid,
                groups: vec![5, 6],
                image_groups: true,
            });
            assert_eq!(of(&context, image), expected, "{name:?} over {image:?}");
        }
    }

    #[test]
    fn the_policy_decides_about_the_images_groups() {
        for (policy, expected) in [(0, Some(true)), (1, Some(false)), (9, None)] {
            let context = cri::LinuxContainerSecurityContext {
                supplemental_groups_policy: policy,
                ..Default::default()
            };
            assert_eq!(of(&context, "").ok().map(|u| u.image_groups), expected, "policy {policy}");
        }
    }
}
