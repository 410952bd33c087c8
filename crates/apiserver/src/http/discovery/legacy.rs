//! The older documents: a list of groups, and a list of resources for each version.

use corten_api::Items;
use corten_api::meta::v1::{
    APIGroup, APIGroupList, APIResource, APIResourceList, APIVersions, GroupVersionForDiscovery,
    ServerAddressByClientCIDR,
};

use super::resources::{Group, Version, storage_version_hash};

/// `/api`.
pub fn versions(host: &str) -> APIVersions {
    APIVersions {
        versions: vec!["v1".into()],
        server_address_by_client_cidrs: vec![ServerAddressByClientCIDR {
            client_cidr: "0.0.0.0/0".into(),
            server_address: host.into(),
        }],
    }
}

/// `/apis`.
pub fn groups(groups: &[Group]) -> APIGroupList {
    APIGroupList { groups: groups.iter().filter(|g| !g.name.is_empty()).map(group).collect() }
}

/// `/apis/GROUP`.
pub fn group(group: &Group) -> APIGroup {
    let versions: Vec<GroupVersionForDiscovery> = group
        .versions
        .iter()
        .map(|v| GroupVersionForDiscovery {
            group_version: group_version(group.name, v.name),
            version: v.name.into(),
        })
        .collect();
    APIGroup {
        name: group.name.into(),
        preferred_version: versions.first().cloned().unwrap_or_default(),
        versions,
        ..APIGroup::default()
    }
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.into() } else { format!("{group}/{version}") }
}

/// `/api/v1` and `/apis/GROUP/VERSION`.
pub fn resources(group: &str, version: &Version) -> APIResourceList {
    let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut resources = Vec::new();
    for resource in &version.resources {
        let kind = resource.kind;
        resources.push(APIResource {
            name: kind.plural.into(),
            singular_name: kind.singular(),
            namespaced: kind.namespaced,
            kind: kind.kind.into(),
            verbs: Items(texts(&resource.verbs)),
            short_names: texts(kind.short_names),
            categories: texts(kind.categories),
            storage_version_hash: storage_version_hash(resource.stored),
            ..APIResource::default()
        });
        for sub in &resource.subresources {
            let (sub_group, sub_version, sub_kind) = sub.kind;
            // The group is told only where it differs.
            let other = (sub_group, sub_version) != (kind.group, kind.version);
            resources.push(APIResource {
                name: format!("{}/{}", kind.plural, sub.name),
                namespaced: kind.namespaced,
                group: if other { sub_group.into() } else { String::new() },
                version: if other { sub_version.into() } else { String::new() },
                kind: sub_kind.into(),
                verbs: Items(texts(sub.verbs)),
                ..APIResource::default()
            });
        }
    }
    APIResourceList { group_version: group_version(group, version.name), resources }
}
