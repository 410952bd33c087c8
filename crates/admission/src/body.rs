//! What a request carries, as far as those outside of this process may change it: an object, the options of a
//! connection, or nothing.

use crate::webhook::call::Exhibits;
use crate::webhook::matching::Invocation;
use crate::webhook::review::Shown;
use corten_api::core::v1::{
    NodeProxyOptions, PodAttachOptions, PodExecOptions, PodPortForwardOptions, PodProxyOptions,
    ServiceProxyOptions,
};
use corten_api::{Object, Struct, View};
use corten_codec::{Problems, json};
use corten_semantics::ApiResult;
use serde_json::Value;

/// What a request carries.
pub(crate) enum Body<'a> {
    Object(&'a mut Box<dyn Object>),
    /// `PodExecOptions` and the like.
    Connection(&'a mut Value),
    /// A deletion.
    Nothing,
}

/// What is put in its place.
pub(crate) enum New {
    Object(Box<dyn Object>),
    Options(Value),
}

impl Body<'_> {
    /// The object, if there is one.
    pub fn object(&self) -> Option<&dyn Object> {
        match self {
            Body::Object(object) => Some(&***object),
            _ => None,
        }
    }

    /// Its JSON; empty of nothing.
    pub fn json(&self) -> Vec<u8> {
        match self {
            Body::Object(object) => json::encode(&***object),
            Body::Connection(options) => options.to_string().into_bytes(),
            Body::Nothing => Vec::new(),
        }
    }

    /// Shows it as it is now.
    pub async fn show<'e>(
        &self,
        exhibits: &'e mut Exhibits<'_>,
        invocation: &Invocation,
    ) -> ApiResult<&'e Shown> {
        match self {
            Body::Connection(options) => exhibits.show(invocation, options),
            body => exhibits.make(invocation, body.object()).await,
        }
    }

    /// Replaces it by what somebody made of it.
    pub fn put(&mut self, new: New) {
        match (self, new) {
            (Body::Object(object), New::Object(new)) => **object = new,
            (Body::Connection(options), New::Options(new)) => **options = new,
            _ => {}
        }
    }
}

/// The options as their kind has them; fields that it does not have go to `problems`.
///
/// # Errors
/// In upstream's words, when a value is of another type than its field.
pub(crate) fn read_options(options: &Value, problems: &mut Problems) -> Result<Value, String> {
    let kind = options["kind"].as_str().unwrap_or_default();
    let mut typed: Box<dyn Struct> = match kind {
        "PodExecOptions" => Box::new(PodExecOptions::default()),
        "PodAttachOptions" => Box::new(PodAttachOptions::default()),
        "PodPortForwardOptions" => Box::new(PodPortForwardOptions::default()),
        "PodProxyOptions" => Box::new(PodProxyOptions::default()),
        "ServiceProxyOptions" => Box::new(ServiceProxyOptions::default()),
        "NodeProxyOptions" => Box::new(NodeProxyOptions::default()),
        _ => return Err(format!("no kind {kind:?} is registered for version \"v1\" in scheme")),
    };
    let read = json::decode_struct(options.to_string().as_bytes(), &mut *typed, problems);
    read.map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    json::encode_value(&mut bytes, View::Struct(&*typed));
    let mut read: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    read["kind"] = kind.into();
    read["apiVersion"] = "v1".into();
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options_are_what_their_kind_has() {
        let kind = |mut options: Value| {
            options["kind"] = "PodExecOptions".into();
            options["apiVersion"] = "v1".into();
            options
        };
        let mut problems = Problems::strict();
        let options = kind(json!({"command": ["ls"], "tty": true, "tall": 1}));
        let read = read_options(&options, &mut problems);
        assert_eq!(read, Ok(kind(json!({"command": ["ls"], "tty": true}))));
        assert!(problems.error().is_some_and(|why| why.contains("tall")));
        assert!(read_options(&kind(json!({"command": "ls"})), &mut Problems::ignore()).is_err());
        assert!(read_options(&json!({"kind": "Pod"}), &mut Problems::ignore()).is_err());
    }
}
