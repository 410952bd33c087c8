//! The newer document: everything at once.

use bytes::Bytes;
use corten_api::View;
use corten_api::apidiscovery::v2::{
    APIGroupDiscovery, APIResourceDiscovery, APISubresourceDiscovery, APIVersionDiscovery,
};
use corten_api::meta::v1::{GroupVersionKind, ListMeta};
use corten_codec::cbor::Shape;
use corten_codec::json::TypeMeta;
use corten_codec::{json, list, protobuf};
use corten_semantics::ApiResult;

use super::resources::{Group, Resource, Version};
use crate::http::formats;
use crate::http::negotiate::{Accepted, Format};

/// The document of these groups, in version `v2` or `v2beta1`.
pub fn document(groups: Vec<APIGroupDiscovery>, version: &str, accepted: Accepted) -> ApiResult<Bytes> {
    let what = TypeMeta {
        api_version: format!("apidiscovery.k8s.io/{version}").into(),
        kind: "APIGroupDiscoveryList".into(),
    };
    let meta = ListMeta::default();
    if accepted.format == Format::Protobuf {
        let items: Vec<Vec<u8>> = groups.iter().map(|g| protobuf::encode_message(g)).collect();
        return Ok(list::encode_protobuf(&what, &meta, items).into());
    }
    let items: Vec<Vec<u8>> = groups
        .iter()
        .map(|g| {
            let mut out = Vec::new();
            json::encode_value(&mut out, View::Struct(g));
            out
        })
        .collect();
    formats::from_json(list::encode_json(&what, &meta, None, items).into(), accepted, Shape::Any)
}

/// The core group, or all others.
pub fn groups(groups: &[Group], core: bool) -> Vec<APIGroupDiscovery> {
    groups.iter().filter(|g| g.name.is_empty() == core).map(group).collect()
}

fn group(group: &Group) -> APIGroupDiscovery {
    let mut out = APIGroupDiscovery::default();
    out.metadata.name = group.name.into();
    out.versions = group.versions.iter().map(version).collect();
    out
}

fn version(version: &Version) -> APIVersionDiscovery {
    APIVersionDiscovery {
        version: version.name.into(),
        resources: version.resources.iter().map(resource).collect(),
        freshness: "Current".into(),
    }
}

fn resource(resource: &Resource) -> APIResourceDiscovery {
    let kind = resource.kind;
    let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    APIResourceDiscovery {
        resource: kind.plural.into(),
        response_kind: response_kind((kind.group, kind.version, kind.kind)),
        scope: if kind.namespaced { "Namespaced" } else { "Cluster" }.into(),
        singular_resource: kind.singular(),
        verbs: texts(&resource.verbs),
        short_names: texts(kind.short_names),
        categories: texts(kind.categories),
        subresources: resource
            .subresources
            .iter()
            .map(|sub| APISubresourceDiscovery {
                subresource: sub.name.into(),
                response_kind: response_kind(sub.kind),
                verbs: texts(sub.verbs),
                ..APISubresourceDiscovery::default()
            })
            .collect(),
    }
}

fn response_kind((group, version, kind): (&str, &str, &str)) -> Option<Box<GroupVersionKind>> {
    Some(Box::new(GroupVersionKind { group: group.into(), version: version.into(), kind: kind.into() }))
}
