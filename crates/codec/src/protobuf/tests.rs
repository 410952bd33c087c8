use super::wire::{put_bytes, put_message, put_tag, put_varint};
use super::*;
use corten_api::apiextensions::v1::CustomResourceDefinition;
use corten_api::apps::v1::Deployment;
use corten_api::core::v1::{Pod, Secret};
use corten_api::{IntOrString, Kind};

fn read<K: Kind>(message: &[u8]) -> Result<K, DecodeError> {
    let mut object = K::default();
    decode_message(message, object.as_struct_mut())?;
    Ok(object)
}

#[test]
fn malformed_messages_are_refused() {
    let eof = "unexpected EOF";
    for (bytes, want) in [
        (&[0x0a][..], eof),
        (&[0x0a, 5, 1], eof),
        (&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], eof),
        (
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            "proto: negative length found during unmarshaling",
        ),
        (&[0x80; 11], "proto: integer overflow"),
        (&[0x00, 0x00], "proto: illegal tag 0 (wire type 0)"),
        (&[0x0c], "proto: wiretype end group for non-group"),
        (&[0x0f], "proto: illegal wireType 7"),
        (&[0x0b], eof),
        (&[0x09, 1, 2], eof),
        (&[0x08, 1], "proto: wrong wireType = 0 for field Metadata"),
        (&[0x0d, 1, 2, 3, 4], "proto: wrong wireType = 5 for field Metadata"),
    ] {
        assert_eq!(read::<Pod>(bytes).expect_err("malformed").to_string(), want, "{bytes:?}");
    }
}

#[test]
fn unknown_fields_are_passed_over() {
    let pod = Pod::default();
    let mut message = Vec::new();
    put_bytes(&mut message, 90, b"later");
    put_tag(&mut message, 91, 0);
    put_varint(&mut message, 7);
    message.extend_from_slice(&[0xe3, 5, 0x08, 1, 0xe4, 5]);
    message.extend(encode_message(&pod));
    assert_eq!(read(&message), Ok(pod));
}

#[test]
fn packed_lists_are_read() {
    let mut group = Vec::new();
    // PodSecurityContext.supplementalGroups
    put_message(&mut group, 2, |spec| put_message(spec, 14, |context| put_bytes(context, 4, &[1, 0x80, 1])));
    let pod: Pod = read(&group).expect("a pod");
    let groups = pod.spec.security_context.map(|c| c.supplemental_groups).unwrap_or_default();
    assert_eq!(groups, [1, 128]);
}

#[test]
fn envelopes_are_checked() {
    let magic = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";
    for (bytes, want) in
        [(&b""[..], "empty data"), (b"{}", magic), (b"k8s", magic), (b"k8s\0\x0a\x09", "unexpected EOF")]
    {
        assert_eq!(open(bytes).expect_err("no envelope").to_string(), want);
    }
    let bytes = encode(&Pod::default());
    let envelope = open(&bytes).expect("an envelope");
    assert_eq!((&*envelope.type_meta.kind, &*envelope.type_meta.api_version), ("Pod", "v1"));
    assert_eq!(close(&envelope.type_meta, envelope.raw), bytes);
}

#[test]
fn what_is_unset_stays_unset() {
    let mut deployment = Deployment::default();
    let bytes = encode_message(&deployment);
    assert_eq!(read(&bytes), Ok(deployment.clone()));
    deployment.spec.strategy.rolling_update.get_or_insert_default().max_surge =
        Some(IntOrString::from("25%"));
    deployment.spec.replicas = Some(-1);
    deployment.metadata.creation_timestamp = "1969-12-31T23:59:59Z".parse().ok();
    assert_eq!(read(&encode_message(&deployment)), Ok(deployment));
}

#[test]
fn bytes_and_empty_values_in_maps_are_kept() {
    let mut secret = Secret::default();
    secret.data.insert("a".to_string(), Vec::new());
    secret.data.insert("b".to_string(), vec![0, 255]);
    assert_eq!(read(&encode_message(&secret)), Ok(secret));
}

#[test]
fn only_json_is_kept_as_text() {
    let definition = |raw: &[u8]| {
        let mut message = Vec::new();
        put_message(&mut message, 2, |spec| {
            put_message(spec, 7, |version| {
                put_message(version, 4, |validation| {
                    put_message(validation, 1, |schema| {
                        put_message(schema, 8, |default| put_bytes(default, 1, raw));
                    });
                });
            });
        });
        read::<CustomResourceDefinition>(&message)
    };
    assert!(definition(b"{\"a\": 1}").is_ok());
    for bad in [&b"{"[..], b"1 2", b"\xff", b"k8s\0"] {
        assert!(definition(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn depth_and_growth_are_bounded() {
    let mut schema = Vec::new();
    for _ in 0..5_000 {
        let inner = std::mem::take(&mut schema);
        put_bytes(&mut schema, 28, &inner);
    }
    let mut message = Vec::new();
    put_message(&mut message, 2, |spec| {
        put_message(spec, 7, |version| {
            put_message(version, 4, |validation| put_bytes(validation, 1, &schema));
        });
    });
    let result = read::<CustomResourceDefinition>(&message);
    assert_eq!(result.expect_err("deep").to_string(), "proto: exceeded max depth");
    let mut message = Vec::new();
    put_message(&mut message, 2, |spec| {
        for _ in 0..500_000 {
            put_bytes(spec, 2, b"");
        }
    });
    assert!(read::<Pod>(&message).is_err());
}
