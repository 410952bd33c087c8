//! The verbs: from a request to the registry's call, and from its result to the answer.

use bytes::Bytes;
use corten_api::Object;
use corten_api::meta::v1 as meta;
use corten_client::Target;
use corten_codec::cbor;
use corten_semantics::gates::Gate;
use corten_semantics::{ApiError, ApiResult};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::chain::Exchange;
use super::decode::{self, body_kind};
use super::encode::Encoder;
use super::negotiate::{self, Accepted, Form, Offer};
use super::response::{self, Response};
use super::route::Verb;
use super::{body, formats, options, watch};
use crate::audit::Level;
use crate::registry::{Body, DeleteOptions, FieldValidation, PatchType, Reply};

/// The patches that are taken, as the refusal of another lists them.
const PATCHES: [(PatchType, &str); 5] = [
    (PatchType::Json, "application/json-patch+json"),
    (PatchType::Merge, "application/merge-patch+json"),
    (PatchType::Strategic, "application/strategic-merge-patch+json"),
    (PatchType::Apply, "application/apply-patch+yaml"),
    (PatchType::Apply, APPLY_CBOR),
];

/// Apply in CBOR, where that is served.
const APPLY_CBOR: &str = "application/apply-patch+cbor";

/// Does what a request asks for with an object or collection.
pub async fn answer(exchange: Exchange, target: Target, verb: Verb) -> ApiResult<Response> {
    match verb {
        Verb::Get => get(exchange, target).await,
        Verb::List => list(exchange, target).await,
        Verb::Watch => watch::answer(exchange, target).await,
        Verb::Create => create(exchange, target).await,
        Verb::Update => update(exchange, target).await,
        Verb::Patch => patch(exchange, target).await,
        Verb::Delete => delete(exchange, target).await,
        Verb::DeleteCollection => delete_collection(exchange, target).await,
        Verb::Connect => super::connect::answer(exchange, target).await,
    }
}

/// What an endpoint can answer with: tables are for kinds with routes of their own, and for the scales of built-in
/// ones.
pub fn offer(target: &Target) -> Offer {
    let is_own = body_kind(target.kind, target.subresource) == target.kind;
    if is_own || target.subresource == "scale" && !target.kind.custom {
        Offer::Resources
    } else {
        Offer::NoTable
    }
}

/// The encoder for the answer, which is settled before anything is done.
fn encoder(exchange: &Exchange, target: &Target) -> ApiResult<Encoder> {
    let mut accepted =
        negotiate::answer(exchange.headers(), &exchange.query, offer(target), exchange.gates())?;
    if target.kind.custom && target.subresource != "scale" {
        no_protobuf(accepted)?;
    }
    if corten_api::builtin::COMPUTED.contains(&target.kind) && accepted.format == negotiate::Format::Protobuf
    {
        // Their protobuf differs from what the tables can say; who takes it takes JSON, too.
        accepted.format = negotiate::Format::Json;
    }
    let kind = body_kind(target.kind, target.subresource);
    let strategy = exchange.api.registry.strategy(kind);
    Encoder::new(accepted, strategy, &exchange.query, exchange.api.clock.now())
}

/// Custom objects have no protobuf; their metadata alone has.
pub fn no_protobuf(accepted: Accepted) -> ApiResult<()> {
    let whole = matches!(accepted.form, Form::Plain | Form::Discovery(_));
    if accepted.format == negotiate::Format::Protobuf && whole {
        let why = "object *unstructured.Unstructured does not implement the protobuf marshalling interface and cannot be encoded to a protobuf message";
        return Err(ApiError::new(406, "NotAcceptable", why));
    }
    Ok(())
}

/// The format of a body, which must be one that the kind has.
fn body_format(exchange: &Exchange, target: &Target) -> ApiResult<negotiate::Format> {
    let format = negotiate::body(exchange.headers(), exchange.gates())?;
    if target.kind.custom && target.subresource != "scale" && format == negotiate::Format::Protobuf {
        let others: Vec<&str> = negotiate::media_types(exchange.gates())
            .iter()
            .copied()
            .filter(|t| *t != format.media_type())
            .collect();
        return Err(ApiError::unsupported_media_type(&others));
    }
    Ok(format)
}

async fn get(exchange: Exchange, target: Target) -> ApiResult<Response> {
    let mut encoder = encoder(&exchange, &target)?;
    let options = options::get(&exchange.query)?;
    let entry = exchange.api.registry.get(&exchange.context, &target, &options).await?;
    let bytes = encoder.object(&entry)?;
    record(&exchange, &encoder, |json| json.object(&entry));
    Ok(response::object_answer(exchange.headers(), StatusCode::OK, encoder.media_type(), bytes))
}

async fn list(exchange: Exchange, target: Target) -> ApiResult<Response> {
    let options = options::list(&exchange.query)?;
    let mut encoder = encoder(&exchange, &target)?;
    let list = exchange.api.registry.list(&exchange.context, &target, &options).await?;
    record(&exchange, &encoder, |json| json.list(&list));
    if let Some(pieces) = encoder.pieces(&list) {
        return Ok(response::list_answer(exchange.headers(), encoder.media_type(), pieces));
    }
    let bytes = encoder.list(&list)?;
    Ok(response::object_answer(exchange.headers(), StatusCode::OK, encoder.media_type(), bytes))
}

/// Gives the answer to the audit log, when it wants it.
fn record(exchange: &Exchange, encoder: &Encoder, encode: impl FnOnce(&mut Encoder) -> ApiResult<Bytes>) {
    if let Some(record) = exchange.record.as_ref().filter(|r| r.wants(Level::RequestResponse))
        && let Ok(json) = encode(&mut encoder.in_json())
    {
        record.response(json);
    }
}

/// Takes the body out of the request and reads it.
pub async fn read_body(exchange: &mut Exchange) -> ApiResult<Bytes> {
    let limit = exchange.api.limits.body_bytes;
    let incoming = exchange.body.take().ok_or_else(|| ApiError::internal("the body was read already"))?;
    body::read(incoming, limit).await
}

async fn create(mut exchange: Exchange, target: Target) -> ApiResult<Response> {
    let mut encoder = encoder(&exchange, &target)?;
    let format = body_format(&exchange, &target)?;
    let bytes = read_body(&mut exchange).await?;
    let options = options::write(&exchange.query, "CreateOptions")?;
    let mut read = read_object(&exchange, &target, &bytes, format, options.field_validation)?;
    if !target.subresource.is_empty() && !target.name.is_empty() {
        name_in_path(read.object.as_mut(), &target)?;
    }
    let registry = &exchange.api.registry;
    let reply = registry.create(&exchange.context, &target, read.object, &options).await?;
    finish(&exchange, &mut encoder, reply, read.warnings)
}

async fn update(mut exchange: Exchange, target: Target) -> ApiResult<Response> {
    let mut encoder = encoder(&exchange, &target)?;
    let bytes = read_body(&mut exchange).await?;
    let options = options::write(&exchange.query, "UpdateOptions")?;
    let format = body_format(&exchange, &target)?;
    let read = read_object(&exchange, &target, &bytes, format, options.field_validation)?;
    same_name(read.object.as_ref(), &target)?;
    let registry = &exchange.api.registry;
    let reply = registry.update(&exchange.context, &target, read.object, &options).await?;
    finish(&exchange, &mut encoder, reply, read.warnings)
}

/// Reads the object that a body holds, which is of the namespace of the path.
fn read_object(
    exchange: &Exchange,
    target: &Target,
    body: &Bytes,
    format: negotiate::Format,
    validation: FieldValidation,
) -> ApiResult<decode::Decoded> {
    let kind = body_kind(target.kind, target.subresource);
    let strategy = exchange.api.registry.strategy(kind);
    let mut read = decode::object(body, format, kind, &*strategy, validation)?;
    settle_namespace(read.object.as_mut(), target)?;
    if let Some(record) = &exchange.record {
        record.request(&*read.object);
    }
    Ok(read)
}

/// The body's namespace is the path's, or is set to it.
fn settle_namespace(object: &mut dyn Object, target: &Target) -> ApiResult<()> {
    let wanted = target.namespace.as_deref().unwrap_or_default();
    let meta = object.meta_mut();
    if !wanted.is_empty() && !meta.namespace.is_empty() && meta.namespace != wanted {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    meta.namespace = wanted.to_string();
    Ok(())
}

/// The body's name is the path's.
fn same_name(object: &dyn Object, target: &Target) -> ApiResult<()> {
    let name = &object.meta().name;
    if name.is_empty() {
        let why = "name must be provided";
        return Err(ApiError::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: {why}",
            target.name
        )));
    }
    if *name != target.name {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name
        )));
    }
    Ok(())
}

/// The body of a subresource's creation may leave the name out.
fn name_in_path(object: &mut dyn Object, target: &Target) -> ApiResult<()> {
    if object.meta().name.is_empty() {
        object.meta_mut().name.clone_from(&target.name);
        return Ok(());
    }
    if object.meta().name == target.name {
        return Ok(());
    }
    Err(ApiError::bad_request(match target.subresource {
        "eviction" => "name in URL does not match name in Eviction object".to_string(),
        "binding" => "name in URL does not match name in Binding object".to_string(),
        _ => format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            object.meta().name,
            target.name
        ),
    }))
}

async fn patch(mut exchange: Exchange, target: Target) -> ApiResult<Response> {
    let header = exchange.headers().get(CONTENT_TYPE).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let media_type = header.split(';').next().unwrap_or_default().trim();
    // Custom kinds say nothing of merge keys.
    let cbor = exchange.gates().open(Gate::CborServingAndStorage);
    let taken = PATCHES.iter().filter(|(kind, name)| {
        !(target.kind.custom && *kind == PatchType::Strategic) && (cbor || *name != APPLY_CBOR)
    });
    let from_cbor = media_type == APPLY_CBOR;
    let Some((kind, _)) = taken.clone().find(|(_, name)| *name == media_type) else {
        let names: Vec<&str> = taken.map(|(_, name)| *name).collect();
        return Err(ApiError::unsupported_media_type(&names));
    };
    let mut encoder = encoder(&exchange, &target)?;
    let mut bytes = read_body(&mut exchange).await?;
    if from_cbor {
        let json = cbor::to_json(&bytes);
        bytes = json.map_err(|e| ApiError::bad_request(format!("error decoding YAML: {e}")))?.into();
    }
    if let Some(record) = &exchange.record {
        record.request_body(&bytes);
    }
    let options = options::patch(&exchange.query, *kind)?;
    let registry = &exchange.api.registry;
    let reply = registry.patch(&exchange.context, &target, (*kind, &bytes), &options).await?;
    finish(&exchange, &mut encoder, reply, Vec::new())
}

async fn delete_options(exchange: &mut Exchange) -> ApiResult<DeleteOptions> {
    let bytes = read_body(exchange).await?;
    if let Some(record) = &exchange.record {
        record.request_body(&bytes);
    }
    if bytes.is_empty() {
        return options::delete_query(&exchange.query);
    }
    let format = negotiate::body(exchange.headers(), exchange.gates())?;
    let mut read = meta::DeleteOptions::default();
    decode::options(&bytes, format, "DeleteOptions", &mut read)?;
    options::delete_body(read)
}

async fn delete(mut exchange: Exchange, target: Target) -> ApiResult<Response> {
    let mut encoder = encoder(&exchange, &target)?;
    let options = delete_options(&mut exchange).await?;
    let reply = exchange.api.registry.delete(&exchange.context, &target, &options).await?;
    finish(&exchange, &mut encoder, reply, Vec::new())
}

async fn delete_collection(mut exchange: Exchange, target: Target) -> ApiResult<Response> {
    let mut encoder = encoder(&exchange, &target)?;
    let selection = options::list(&exchange.query)?;
    let options = delete_options(&mut exchange).await?;
    let registry = &exchange.api.registry;
    let gone = registry.delete_collection(&exchange.context, &target, &selection, &options).await?;
    let bytes = encoder.list(&gone)?;
    let media_type = encoder.media_type();
    let mut answer = response::object_answer(exchange.headers(), StatusCode::OK, media_type, bytes);
    response::warn(&mut answer, &exchange.context.notes.take_warnings());
    Ok(answer)
}

/// The answer to a write.
pub fn finish(
    exchange: &Exchange,
    encoder: &mut Encoder,
    reply: Reply,
    mut warnings: Vec<String>,
) -> ApiResult<Response> {
    let code = StatusCode::from_u16(reply.code).unwrap_or(StatusCode::OK);
    let bytes = match reply.body {
        Body::Object(entry) => {
            record(exchange, encoder, |json| json.object(&entry));
            encoder.object(&entry)?
        }
        Body::Status(status) => {
            if let Some(record) = &exchange.record {
                record.status(&status);
            }
            let accepted = Accepted { form: Form::Plain, ..encoder.accepted() };
            formats::structure(status.as_ref(), accepted)?
        }
    };
    let mut answer = response::object_answer(exchange.headers(), code, encoder.media_type(), bytes);
    warnings.extend(reply.warnings);
    warnings.extend(exchange.context.notes.take_warnings());
    response::warn(&mut answer, &warnings);
    Ok(answer)
}
