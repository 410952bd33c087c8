//! Acting as somebody else: the `Impersonate-*` headers, and what one must be allowed for each of them.

use crate::Attributes;
use corten_api::Items;
use corten_api::authentication::v1::UserInfo;
use corten_semantics::{ApiError, ApiResult, identity};
use std::collections::BTreeMap;

const EXTRA_PREFIX: &str = "impersonate-extra-";

/// One thing that the caller must be allowed to `impersonate`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImpersonationCheck {
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    subresource: String,
    namespace: String,
    name: String,
}

impl ImpersonationCheck {
    /// What to ask the authorizer about `caller`.
    pub fn attributes<'a>(&'a self, caller: &'a UserInfo) -> Attributes<'a> {
        Attributes {
            subresource: &self.subresource,
            namespace: &self.namespace,
            name: &self.name,
            version: self.version,
            ..Attributes::resource(caller, "impersonate", self.group, self.resource)
        }
    }
}

/// Whom a request acts as, once all checks have passed.
#[derive(Clone, Debug, PartialEq)]
pub struct Impersonation {
    /// What the caller must be allowed.
    pub checks: Vec<ImpersonationCheck>,
    /// Whom the request then acts as.
    pub user: UserInfo,
}

impl Impersonation {
    /// Reads a request's headers (names in any case); `None` if it acts as its caller.
    ///
    /// # Errors
    /// 400 for groups, extras or a UID without a user.
    pub fn from_headers<'a>(
        headers: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> ApiResult<Option<Impersonation>> {
        let (mut name, mut uid, mut groups) = ("", "", Vec::new());
        let mut extra: BTreeMap<String, Items> = BTreeMap::new();
        for (header, value) in headers {
            let header = header.to_ascii_lowercase();
            match header.as_str() {
                "impersonate-user" if name.is_empty() => name = value,
                "impersonate-uid" if uid.is_empty() => uid = value,
                "impersonate-group" => groups.push(value.to_string()),
                _ => {
                    if let Some(key) = header.strip_prefix(EXTRA_PREFIX) {
                        extra.entry(unescape(key)).or_default().0.push(value.to_string());
                    }
                }
            }
        }
        if name.is_empty() {
            let nothing = uid.is_empty() && groups.is_empty() && extra.is_empty();
            return if nothing { Ok(None) } else { Err(without_user(&groups, &extra, uid)) };
        }
        let checks = checks(name, uid, &groups, &extra);
        let groups = all_groups(name, groups);
        let user = UserInfo { username: name.into(), uid: uid.into(), groups, extra };
        Ok(Some(Impersonation { checks, user }))
    }
}

/// 400 for what is asked for without a user, shown as upstream shows its references to objects.
fn without_user(groups: &[String], extra: &BTreeMap<String, Items>, uid: &str) -> ApiError {
    const AUTHENTICATION: &str = "authentication.k8s.io/v1";
    let shown =
        |kind: &str, name: &str, version: &str, path: &str| format!("{{{kind}  {name}  {version}  {path}}}");
    let mut asked: Vec<String> = groups.iter().map(|group| shown("Group", group, "", "")).collect();
    for (key, values) in extra {
        asked.extend(values.0.iter().map(|value| shown("UserExtra", value, AUTHENTICATION, key)));
    }
    if !uid.is_empty() {
        asked.push(shown("UID", uid, AUTHENTICATION, ""));
    }
    ApiError::bad_request(format!("requested [{}] without impersonating a user", asked.join(" ")))
}

fn checks(
    name: &str,
    uid: &str,
    groups: &[String],
    extra: &BTreeMap<String, Items>,
) -> Vec<ImpersonationCheck> {
    let named = |resource, name: &str| ImpersonationCheck {
        version: "v1",
        resource,
        name: name.into(),
        ..ImpersonationCheck::default()
    };
    let mut checks = vec![match identity::split_service_account(name) {
        Some((namespace, account)) => {
            ImpersonationCheck { namespace: namespace.into(), ..named("serviceaccounts", account) }
        }
        None => named("users", name),
    }];
    checks.extend(groups.iter().map(|group| named("groups", group)));
    const AUTHENTICATION: &str = "authentication.k8s.io";
    for (key, values) in extra {
        checks.extend(values.0.iter().map(|value| ImpersonationCheck {
            group: AUTHENTICATION,
            subresource: key.clone(),
            ..named("userextras", value)
        }));
    }
    if !uid.is_empty() {
        checks.push(ImpersonationCheck { group: AUTHENTICATION, ..named("uids", uid) });
    }
    checks
}

/// The groups asked for or, for a service account without, its own; and that of all who are authenticated.
fn all_groups(name: &str, mut groups: Vec<String>) -> Vec<String> {
    if let Some((namespace, _)) = identity::split_service_account(name)
        && groups.is_empty()
    {
        groups = identity::service_account_groups(namespace);
    }
    let has = |group: &str| groups.iter().any(|g| g == group);
    if name == identity::ANONYMOUS {
        if !has(identity::UNAUTHENTICATED) {
            groups.push(identity::UNAUTHENTICATED.into());
        }
    } else if !has(identity::AUTHENTICATED) && !has(identity::UNAUTHENTICATED) {
        groups.push(identity::AUTHENTICATED.into());
    }
    groups
}

/// Undoes %-encoding; a malformed text stays as it is.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |i: usize| tail.get(i).and_then(|b| char::from(*b).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = &tail[2..];
            }
            (b'%', ..) => return text.to_string(),
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &str)]) -> ApiResult<Option<Impersonation>> {
        Impersonation::from_headers(headers.iter().copied())
    }

    #[test]
    fn each_header_is_a_check_and_shapes_the_user() {
        assert_eq!(read(&[("Accept", "*/*")]), Ok(None));
        assert_eq!(read(&[("Impersonate-Group", "g")]).expect_err("no user").code(), 400);
        let made = read(&[
            ("Impersonate-User", "jane"),
            ("Impersonate-Group", "dev"),
            ("Impersonate-Uid", "7"),
            ("Impersonate-Extra-Acme.com%2fScopes", "view"),
            ("impersonate-extra-acme.com%2fscopes", "edit"),
        ])
        .expect("good")
        .expect("some");
        let caller = UserInfo { username: "root".into(), ..UserInfo::default() };
        let asked: Vec<String> = made
            .checks
            .iter()
            .map(|check| check.attributes(&caller))
            .map(|a| format!("{} {}/{}/{} {}", a.verb, a.group, a.resource, a.subresource, a.name))
            .collect();
        assert_eq!(
            asked,
            [
                "impersonate /users/ jane",
                "impersonate /groups/ dev",
                "impersonate authentication.k8s.io/userextras/acme.com/scopes view",
                "impersonate authentication.k8s.io/userextras/acme.com/scopes edit",
                "impersonate authentication.k8s.io/uids/ 7"
            ]
        );
        assert_eq!(made.user.groups, ["dev", "system:authenticated"]);
        assert_eq!(
            (made.user.uid.as_str(), &made.user.extra["acme.com/scopes"].0),
            ("7", &vec!["view".to_string(), "edit".to_string()])
        );
    }

    #[test]
    fn groups_follow_from_the_user() {
        for (user, group, groups) in [
            ("jane", None, vec!["system:authenticated"]),
            ("system:anonymous", None, vec!["system:unauthenticated"]),
            ("jane", Some("system:unauthenticated"), vec!["system:unauthenticated"]),
            (
                "system:serviceaccount:ns:sa",
                None,
                vec!["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"],
            ),
            ("system:serviceaccount:ns:sa", Some("g"), vec!["g", "system:authenticated"]),
        ] {
            let mut headers = vec![("Impersonate-User", user)];
            headers.extend(group.map(|g| ("Impersonate-Group", g)));
            let made = read(&headers).expect("good").expect("some");
            assert_eq!(made.user.groups, groups, "{user}");
        }
    }
}
