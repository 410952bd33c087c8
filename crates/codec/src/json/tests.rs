use super::*;
use crate::{DecodeError, Problems};
use corten_api::apiextensions::v1::CustomResourceDefinition;
use corten_api::apps::v1::{Deployment, StatefulSet};
use corten_api::core::v1::{ConfigMap, Endpoints, Pod, Secret, Service};
use corten_api::meta::v1::{DeleteOptions, Status};
use corten_api::{Kind, Object};

fn read<K: Kind>(text: &str) -> Result<K, DecodeError> {
    let mut object = K::default();
    decode(text.as_bytes(), &mut object, &mut Problems::ignore())?;
    Ok(object)
}

fn findings<K: Kind>(text: &str) -> Vec<String> {
    let mut problems = Problems::strict();
    decode(text.as_bytes(), &mut K::default(), &mut problems).unwrap_or_else(|e| panic!("{text}: {e}"));
    problems.found().to_vec()
}

fn written(object: &dyn Object) -> String {
    String::from_utf8(encode(object)).expect("text")
}

#[test]
fn faults_in_the_text_are_told_in_gos_words() {
    for (text, want) in [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ("{\"metadata\":{\"name\":\"a", "unexpected end of JSON input"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ("{x", "invalid character 'x' looking for beginning of object key string"),
        ("{\"a\" 1}", "invalid character '1' after object key"),
        ("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
        ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
        ("{\"a\":[1 2]}", "invalid character '2' after array element"),
        ("{\"a\":[1,]}", "invalid character ']' looking for beginning of value"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("{\"a\":\"\n\"}", "invalid character '\\n' in string literal"),
        ("{\"a\":\"\\x\"}", "invalid character 'x' in string escape code"),
        ("{\"a\":\"\\u00g0\"}", "invalid character 'g' in \\u hexadecimal character escape"),
        ("{\"a\":-}", "invalid character '}' in numeric literal"),
        ("{\"a\":1.}", "invalid character '}' after decimal point in numeric literal"),
        ("{\"a\":1e}", "invalid character '}' in exponent of numeric literal"),
        ("{\"a\":01}", "invalid character '1' after object key:value pair"),
        ("{\"a\":trux}", "invalid character 'x' in literal true (expecting 'e')"),
        ("{\"a\":nil}", "invalid character 'i' in literal null (expecting 'u')"),
        ("{\"spec\":1,\"a\":'b'}", "invalid character '\\'' looking for beginning of value"),
        (
            "{\"metadata\":{\"creationTimestamp\":\"x\"},}",
            "invalid character '}' looking for beginning of object key string",
        ),
    ] {
        assert_eq!(read::<Pod>(text), Err(DecodeError::Syntax(want.to_string())), "{text}");
    }
}

#[test]
fn values_that_do_not_fit_are_told_in_gos_words() {
    let json = "json: cannot unmarshal";
    for (text, want) in [
        (
            "{\"spec\":{\"replicas\":\"3\"}}",
            format!("{json} string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ),
        (
            "{\"spec\":{\"replicas\":1.5}}",
            format!("{json} number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ),
        (
            "{\"spec\":{\"replicas\":3000000000}}",
            format!(
                "{json} number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32"
            ),
        ),
        (
            "{\"spec\":{\"paused\":1}}",
            format!("{json} number into Go struct field DeploymentSpec.spec.paused of type bool"),
        ),
        (
            "{\"spec\":[]}",
            format!("{json} array into Go struct field Deployment.spec of type v1.DeploymentSpec"),
        ),
        ("[]", format!("{json} array into Go value of type v1.Deployment")),
        ("\"x\"", format!("{json} string into Go value of type v1.Deployment")),
        (
            "{\"metadata\":{\"name\":123}}",
            format!("{json} number into Go struct field ObjectMeta.metadata.name of type string"),
        ),
        (
            "{\"metadata\":{\"labels\":{\"a\":1}}}",
            format!("{json} number into Go struct field ObjectMeta.metadata.labels of type string"),
        ),
        (
            "{\"metadata\":{\"labels\":[]}}",
            format!("{json} array into Go struct field ObjectMeta.metadata.labels of type map[string]string"),
        ),
        (
            "{\"spec\":{\"template\":{\"spec\":{\"containers\":{}}}}}",
            format!(
                "{json} object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container"
            ),
        ),
        (
            "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{},{\"env\":[{\"value\":1}]}]}}}}",
            format!(
                "{json} number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string"
            ),
        ),
        (
            "{\"spec\":{\"template\":{\"spec\":{\"volumes\":[{\"hostPath\":1}]}}}}",
            format!(
                "{json} number into Go struct field Volume.spec.template.spec.volumes.VolumeSource.hostPath of type v1.HostPathVolumeSource"
            ),
        ),
        (
            "{\"metadata\":{\"creationTimestamp\":1}}",
            format!(
                "{json} number into Go struct field ObjectMeta.metadata.creationTimestamp of type string"
            ),
        ),
        (
            "{\"metadata\":{\"creationTimestamp\":\"soon\"}}",
            "parsing time \"soon\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"soon\" as \"2006\""
                .to_string(),
        ),
        (
            "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"resources\":{\"limits\":{\"cpu\":\"many\"}}}]}}}}",
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                .to_string(),
        ),
        (
            "{\"spec\":{\"strategy\":{\"rollingUpdate\":{\"maxSurge\":1.5}}}}",
            format!(
                "{json} number 1.5 into Go struct field RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge of type int32"
            ),
        ),
        (
            "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"resources\":{\"limits\":[]}}]}}}}",
            format!(
                "{json} array into Go struct field ResourceRequirements.spec.template.spec.containers.resources.limits of type v1.ResourceList"
            ),
        ),
        (
            "{\"kind\":1}",
            format!("{json} number into Go struct field Deployment.TypeMeta.kind of type string"),
        ),
        // The first of two is told.
        (
            "{\"spec\":{\"replicas\":\"3\",\"paused\":1}}",
            format!("{json} string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ),
    ] {
        assert_eq!(read::<Deployment>(text), Err(DecodeError::Value(want)), "{text}");
    }
}

#[test]
fn bytes_are_base64() {
    let read =
        |text: &str| read::<Secret>(&format!("{{\"data\":{{\"a\":{text}}}}}")).map(|s| s.data["a"].clone());
    assert_eq!(read("\"aGk=\""), Ok(b"hi".to_vec()));
    assert_eq!(read("\"aG\\nk=\""), Ok(b"hi".to_vec()));
    assert_eq!(read("[104,105]"), Ok(b"hi".to_vec()));
    assert_eq!(read("null"), Ok(Vec::new()));
    for (text, at) in [
        ("\"a*==\"", 1),
        ("\"aGk\"", 0),
        ("\"aGk=a\"", 4),
        ("\"a\"", 0),
        ("\"====\"", 0),
        ("\"ab=c\"", 2),
        ("\"abc==\"", 4),
        ("\"a===\"", 1),
    ] {
        let want = DecodeError::Value(format!("illegal base64 data at input byte {at}"));
        assert_eq!(read(text), Err(want), "{text}");
    }
    assert!(read("1").is_err());
}

#[test]
fn unknown_and_duplicate_fields_are_found() {
    for (text, want) in [
        ("{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"spec\":{}}", vec![]),
        ("{\"foo\":{\"bar\":1}}", vec!["unknown field \"foo\""]),
        (
            "{\"spec\":{\"foo\":1,\"nodename\":\"x\"}}",
            vec!["unknown field \"spec.foo\"", "unknown field \"spec.nodename\""],
        ),
        (
            "{\"spec\":{\"containers\":[{\"name\":\"a\",\"name\":\"b\"},{\"foo\":1,\"foo\":2}]}}",
            vec!["duplicate field \"spec.containers[0].name\"", "unknown field \"spec.containers[1].foo\""],
        ),
        (
            "{\"metadata\":{\"labels\":{\"a\":\"b\",\"a\":\"c\"},\"x\\\"y\":1}}",
            vec!["duplicate field \"metadata.labels.a\"", "unknown field \"metadata.x\\\"y\""],
        ),
        (
            "{\"spec\":{},\"kind\":\"Pod\",\"spec\":{},\"kind\":\"Pod\"}",
            vec!["duplicate field \"spec\"", "duplicate field \"kind\""],
        ),
        (
            "{\"spec\":{\"volumes\":[{\"emptyDir\":{\"x\":1},\"emptyDir\":{}}]}}",
            vec![
                "unknown field \"spec.volumes[0].emptyDir.x\"",
                "duplicate field \"spec.volumes[0].emptyDir\"",
            ],
        ),
        ("{\"spec\":{\"kind\":1}}", vec!["unknown field \"spec.kind\""]),
        ("{\"\":1}", vec!["unknown field \"\""]),
    ] {
        assert_eq!(findings::<Pod>(text), want, "{text}");
    }
    let many: String = (0..200).map(|n| format!("\"f{n}\":1,")).collect();
    assert_eq!(findings::<Pod>(&format!("{{{many}\"spec\":{{}}}}")).len(), 100);
    assert!(findings::<StatefulSet>(
        "{\"spec\":{\"volumeClaimTemplates\":[{\"kind\":\"PersistentVolumeClaim\",\"apiVersion\":\"v1\"}]}}"
    )
    .is_empty());
}

#[test]
fn null_leaves_things_unset() {
    let pod: Pod = read(
        "{\"metadata\":{\"name\":null,\"labels\":null,\"creationTimestamp\":null,\"deletionTimestamp\":null},\
         \"spec\":{\"containers\":null,\"nodeName\":null,\"securityContext\":null,\"priority\":null},\"status\":null}",
    )
    .expect("a pod");
    assert_eq!(pod, Pod::default());
    assert_eq!(read::<Pod>("null"), Ok(Pod::default()));
}

#[test]
fn a_field_given_twice_is_the_later_one() {
    let pod: Pod = read("{\"spec\":{\"containers\":[{\"name\":\"a\"},{}],\"nodeName\":\"x\",\"containers\":[{\"image\":\"b\"}],\"nodeName\":\"y\"}}")
        .expect("a pod");
    assert_eq!((pod.spec.containers.len(), pod.spec.node_name.as_str()), (1, "y"));
    assert_eq!(pod.spec.containers[0].name, "");
}

#[test]
fn texts_keep_every_character() {
    let odd = "\u{0}\u{1f}\"\\/é\u{2028}😀\u{7f}";
    let mut map = ConfigMap::default();
    map.data.insert(odd.to_string(), odd.to_string());
    assert_eq!(read(&written(&map)), Ok(map));
    let map: ConfigMap = read("{\"data\":{\"a\":\"\\ud83d\\ude00 \\ud83d \\/\\b\"}}").expect("a map");
    assert_eq!(map.data["a"], "😀 \u{fffd} /\u{8}");
    let mut map = ConfigMap::default();
    decode(b"{\"data\":{\"a\":\"\xff\"}}", &mut map, &mut Problems::ignore()).expect("a map");
    assert_eq!(map.data["a"], "\u{fffd}");
}

#[test]
fn what_is_empty_is_written_as_go_writes_it() {
    assert_eq!(
        written(&Pod::default()),
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{},"spec":{"containers":null},"status":{}}"#
    );
    assert_eq!(
        written(&Deployment::default()),
        r#"{"kind":"Deployment","apiVersion":"apps/v1","metadata":{},"spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"strategy":{}},"status":{}}"#
    );
    let text = r#"{"spec":{"ports":[{"port":80}]}}"#;
    let service: Service = read(text).expect("a service");
    assert_eq!(
        written(&service),
        r#"{"kind":"Service","apiVersion":"v1","metadata":{},"spec":{"ports":[{"port":80,"targetPort":0}]},"status":{"loadBalancer":{}}}"#
    );
    assert_eq!(encode_struct(&Status::default()), br#"{"kind":"Status","apiVersion":"v1","metadata":{}}"#);
    assert_eq!(
        encode_struct(&corten_api::meta::v1::Table::default()),
        br#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{},"columnDefinitions":[],"rows":[]}"#
    );
    assert_eq!(written(&Endpoints::default()), r#"{"kind":"Endpoints","apiVersion":"v1","metadata":{}}"#);
}

#[test]
fn claims_in_a_stateful_set_name_their_kind() {
    let set: StatefulSet = read("{\"spec\":{\"volumeClaimTemplates\":[{}]}}").expect("a set");
    let text = written(&set);
    assert!(
        text.contains(
            r#""volumeClaimTemplates":[{"kind":"PersistentVolumeClaim","apiVersion":"v1","metadata":{}"#
        ),
        "{text}"
    );
}

#[test]
fn the_unions_of_schemas_are_read_and_written() {
    let schema = r#"{"type":"object","properties":{"a":{"items":{"type":"string"},"additionalProperties":false},"b":{"items":[{"type":"x"}],"additionalProperties":{"type":"y"},"dependencies":{"c":["d"],"e":{"type":"z"}},"default":{"z":1,"a":[1, 2]},"enum":[1,"x",null]}}}"#;
    let text =
        format!(r#"{{"spec":{{"versions":[{{"name":"v1","schema":{{"openAPIV3Schema":{schema}}}}}]}}}}"#);
    let crd: CustomResourceDefinition = read(&text).expect("a definition");
    let out: serde_json::Value = serde_json::from_slice(&encode(&crd)).expect("JSON");
    let want: serde_json::Value = serde_json::from_str(schema).expect("JSON");
    assert_eq!(out["spec"]["versions"][0]["schema"]["openAPIV3Schema"], want);
    let text = String::from_utf8(encode(&crd)).expect("text");
    assert!(text.contains(r#""default":{"z":1,"a":[1,2]}"#), "{text}");
    let bad = r#"{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"additionalProperties":1}}}]}}"#;
    assert_eq!(
        read::<CustomResourceDefinition>(bad),
        Err(DecodeError::Value("boolean or JSON schema expected".to_string()))
    );
}

#[test]
fn depth_is_bounded() {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let want = Err(DecodeError::Syntax("exceeded max depth".to_string()));
    assert_eq!(read::<Pod>(&format!("{{\"x\":{deep}}}")), want);
    let nested = |n: usize| {
        let schema = format!("{}{{}}{}", "{\"not\":".repeat(n), "}".repeat(n));
        read::<CustomResourceDefinition>(&format!(
            "{{\"spec\":{{\"versions\":[{{\"schema\":{{\"openAPIV3Schema\":{schema}}}}}]}}}}"
        ))
    };
    assert_eq!(nested(5_000).err(), want.err());
    let deepest = nested(150).expect("a definition");
    assert_eq!(read(&written(&deepest)), Ok(deepest));
}

#[test]
fn a_small_body_does_not_become_a_large_object() {
    let items = vec!["{}"; 500_000].join(",");
    assert!(read::<Pod>(&format!("{{\"spec\":{{\"containers\":[{items}]}}}}")).is_err());
}

#[test]
fn type_meta_is_read_from_anywhere() {
    let meta = |text: &'static str| {
        type_meta(text.as_bytes()).map(|m| (m.api_version.into_owned(), m.kind.into_owned()))
    };
    let pod = ("v1".to_string(), "Pod".to_string());
    assert_eq!(meta("{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"spec\":"), Ok(pod.clone()));
    assert_eq!(meta("{\"spec\":{\"kind\":\"x\"},\"kind\":\"Pod\",\"apiVersion\":\"v1\"}"), Ok(pod));
    assert_eq!(meta("{}"), Ok(Default::default()));
    assert_eq!(meta("null"), Ok(Default::default()));
    for (text, want) in [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ("<a>", "invalid character '<' looking for beginning of value"),
        ("{\"kind\":1}", "json: cannot unmarshal number into Go struct field .kind of type string"),
    ] {
        let want = format!("couldn't get version/kind; json parse error: {want}");
        assert_eq!(meta(text).expect_err(text).to_string(), want);
    }
    let group = type_meta(b"{\"apiVersion\":\"apps/v1\"}").expect("meta");
    assert_eq!(group.group_version(), ("apps", "v1"));
}

#[test]
fn bodies_without_metadata_are_read_too() {
    let mut options = DeleteOptions::default();
    let mut problems = Problems::strict();
    let text = br#"{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0,"propagationPolicy":"Foreground","x":1}"#;
    decode_struct(text, &mut options, &mut problems).expect("options");
    assert_eq!(options.grace_period_seconds, Some(0));
    assert_eq!(problems.error().as_deref(), Some("strict decoding error: unknown field \"x\""));
}

#[test]
fn stored_objects_have_no_version_until_it_is_spliced_in() {
    let mut pod = Pod::default();
    pod.metadata.name = "a".to_string();
    pod.metadata.resource_version = "3".to_string();
    let stored = encode_stored(&pod);
    assert!(!String::from_utf8_lossy(&stored).contains("resourceVersion"));
    pod.metadata.resource_version = "42".to_string();
    assert_eq!(&splice_resource_version(&stored, 42).expect("stored")[..], &encode(&pod)[..]);
    let empty = encode_stored(&Pod::default());
    let spliced: Pod =
        read(&String::from_utf8_lossy(&splice_resource_version(&empty, 1).expect("stored"))).expect("a pod");
    assert_eq!(spliced.metadata.resource_version, "1");
}
