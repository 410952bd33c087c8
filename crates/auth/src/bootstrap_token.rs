//! Bootstrap tokens: what a new node joins with (upstream's `cluster-bootstrap`). A token `ID.SECRET` lives
//! as the Secret `bootstrap-token-ID` in `kube-system`.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use corten_api::Time;
use corten_api::authentication::v1::UserInfo;
use corten_api::core::v1::Secret;
use corten_api::meta::v1::ObjectMeta;
use corten_rt::Timestamp;
use corten_semantics::{Lookup, identity};

const NAMESPACE: &str = "kube-system";
const TYPE: &str = "bootstrap.kubernetes.io/token";
const USER_PREFIX: &str = "system:bootstrap:";

/// The two parts of a token: six and sixteen characters of a-z and 0-9.
pub fn split(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('.')?;
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (id.len() == 6 && secret.len() == 16 && plain(id) && plain(secret)).then_some((id, secret))
}

/// A new random token.
///
/// # Errors
/// When the system gives no randomness.
pub fn generate() -> Result<String, aws_lc_rs::error::Unspecified> {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut out = String::with_capacity(23);
    while out.len() < 23 {
        let mut byte = [0];
        aws_lc_rs::rand::fill(&mut byte)?;
        // 252 is the largest multiple of 36 below 256: no letter is likelier than another.
        match LETTERS.get(usize::from(byte[0]) % 36) {
            Some(letter) if byte[0] < 252 => out.push(char::from(*letter)),
            _ => continue,
        }
        if out.len() == 6 {
            out.push('.');
        }
    }
    Ok(out)
}

/// The Secret that makes `token` good for joining nodes until `expires`; `None` if it is malformed.
pub fn secret(token: &str, expires: Option<Timestamp>) -> Option<Secret> {
    let (id, password) = split(token)?;
    let mut data = vec![
        ("token-id", id.to_string()),
        ("token-secret", password.to_string()),
        ("usage-bootstrap-authentication", "true".to_string()),
        ("usage-bootstrap-signing", "true".to_string()),
        ("auth-extra-groups", DEFAULT_NODE_GROUP.to_string()),
    ];
    data.extend(expires.map(|t| ("expiration", Time::new(t).to_string())));
    Some(Secret {
        metadata: ObjectMeta {
            name: format!("bootstrap-token-{id}"),
            namespace: NAMESPACE.into(),
            ..ObjectMeta::default()
        },
        type_: TYPE.into(),
        data: data.into_iter().map(|(k, v)| (k.to_string(), v.into_bytes())).collect(),
        ..Secret::default()
    })
}

/// The group of tokens that nodes join with, as kubeadm calls it.
pub const DEFAULT_NODE_GROUP: &str = "system:bootstrappers:kubeadm:default-node-token";

/// Whose token this is; `None` if it is no good one.
pub fn authenticate(token: &str, objects: &dyn Lookup, now: Timestamp) -> Option<UserInfo> {
    let (id, password) = split(token)?;
    let secret = objects.get::<Secret>(NAMESPACE, &format!("bootstrap-token-{id}"))?;
    let data = |key: &str| secret.data.get(key).map_or(&[][..], Vec::as_slice);
    let refuse = |why: &str| {
        tracing::debug!(secret = secret.metadata.name, why, "bootstrap token refused");
        None
    };
    if secret.metadata.deletion_timestamp.is_some() {
        return refuse("it is being deleted");
    }
    if secret.type_ != TYPE {
        return refuse("the secret is of another type");
    }
    if verify_slices_are_equal(data("token-secret"), password.as_bytes()).is_err() {
        return refuse("token-secret differs");
    }
    if data("token-id") != id.as_bytes() {
        return refuse("token-id differs");
    }
    if has_expired(data("expiration"), now) {
        return refuse("it has expired");
    }
    if data("usage-bootstrap-authentication") != b"true" {
        return refuse("it is not for authentication");
    }
    match groups(data("auth-extra-groups")) {
        Some(groups) => {
            Some(UserInfo { username: format!("{USER_PREFIX}{id}"), groups, ..UserInfo::default() })
        }
        None => refuse("auth-extra-groups names a group that is not a bootstrapper's"),
    }
}

/// A time that cannot be read counts as past.
fn has_expired(expiration: &[u8], now: Timestamp) -> bool {
    if expiration.is_empty() {
        return false;
    }
    let end: Option<Time> = std::str::from_utf8(expiration).ok().and_then(|t| t.parse().ok());
    end.is_none_or(|end| end.0 <= now)
}

fn groups(extra: &[u8]) -> Option<Vec<String>> {
    let mut groups = vec![identity::BOOTSTRAPPERS.to_string()];
    let extra = std::str::from_utf8(extra).ok()?;
    let mut more: Vec<&str> = extra.split(',').filter(|_| !extra.is_empty()).collect();
    more.sort_unstable();
    more.dedup();
    for group in more {
        let tail = group.strip_prefix(identity::BOOTSTRAPPERS)?.strip_prefix(':')?.as_bytes();
        let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let ends_well = tail.last().is_some_and(plain);
        if tail.len() > 256 || !ends_well || !tail.iter().all(|b| plain(b) || matches!(b, b':' | b'-')) {
            return None;
        }
        groups.push(group.to_string());
    }
    Some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Object;
    use std::sync::Arc;

    const TOKEN: &str = "abcdef.0123456789abcdef";

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().expect("a time")
    }

    fn try_with(token: &str, change: impl FnOnce(&mut Secret)) -> Option<UserInfo> {
        let mut secret = secret(TOKEN, Some(now() + std::time::Duration::from_secs(60))).expect("a secret");
        change(&mut secret);
        let objects: Vec<Arc<dyn Object>> = vec![Arc::new(secret)];
        authenticate(token, &objects, now())
    }

    #[test]
    fn a_good_token_is_a_bootstrapper() {
        let user = try_with(TOKEN, |_| {}).expect("accepted");
        assert_eq!(user.username, "system:bootstrap:abcdef");
        assert_eq!(user.groups, ["system:bootstrappers", DEFAULT_NODE_GROUP]);
        let bare = try_with(TOKEN, |s| {
            s.data.remove("auth-extra-groups");
            s.data.remove("expiration");
        });
        assert_eq!(bare.expect("accepted").groups, ["system:bootstrappers"]);
    }

    #[test]
    fn bad_tokens_are_refused() {
        for token in
            ["abcdef.0123456789abcdeX", "abcdef.0123456789abcde0", "bbcdef.0123456789abcdef", "abcdef", ""]
        {
            assert_eq!(try_with(token, |_| {}), None, "{token}");
        }
        let set = |key: &'static str, value: &'static str| {
            move |s: &mut Secret| drop(s.data.insert(key.into(), value.into()))
        };
        for (key, value) in [
            ("expiration", "2026-01-01T00:00:00Z"),
            ("expiration", "tomorrow"),
            ("usage-bootstrap-authentication", "false"),
            ("token-id", "fedcba"),
            ("token-secret", ""),
            ("auth-extra-groups", "system:masters"),
            ("auth-extra-groups", "system:bootstrappers:"),
            ("auth-extra-groups", "system:bootstrappers:A"),
        ] {
            assert_eq!(try_with(TOKEN, set(key, value)), None, "{key}={value}");
        }
        assert_eq!(try_with(TOKEN, |s| s.type_ = "Opaque".into()), None);
        assert_eq!(try_with(TOKEN, |s| s.metadata.deletion_timestamp = Some(Time::new(now()))), None);
    }

    #[test]
    fn generated_tokens_are_well_formed_and_differ() {
        let (a, b) = (generate().expect("random"), generate().expect("random"));
        assert!(split(&a).is_some() && split(&b).is_some() && a != b, "{a} {b}");
    }
}
