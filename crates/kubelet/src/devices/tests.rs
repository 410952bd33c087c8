//! What a plugin says reaches the container.

use super::*;
use corten_node_api::device_plugin::{ContainerAllocateResponse, DeviceSpec, Mount as PluginMount};

#[tokio::test]
async fn containers_get_what_the_plugin_says() {
    let dir = tempfile::tempdir().expect("directory");
    let devices = Devices::new(dir.path());
    let response = ContainerAllocateResponse {
        envs: [("GPU".to_string(), "d0".to_string()), ("SET".to_string(), "plugin".to_string())].into(),
        mounts: vec![PluginMount {
            container_path: "/lib/gpu".into(),
            host_path: "/opt".into(),
            read_only: true,
        }],
        devices: vec![DeviceSpec {
            container_path: "/dev/gpu".into(),
            host_path: "/dev/null".into(),
            permissions: "rw".into(),
        }],
        annotations: [("a".to_string(), "b".to_string())].into(),
        ..ContainerAllocateResponse::default()
    };
    devices.state.lock().given.push(Given {
        uid: "u".into(),
        container: "c".into(),
        resource: "x/r".into(),
        devices: ["d0".to_string()].into(),
        response,
    });
    let mut pod = Pod::default();
    pod.metadata.uid = "u".into();
    let container = |name: &str| Container { name: name.into(), ..Container::default() };
    let own = ContainerConfig {
        envs: vec![KeyValue { key: "SET".into(), value: b"pod".to_vec() }],
        ..ContainerConfig::default()
    };
    let got = devices.give(&pod, &container("c"), own.clone()).await.expect("given");
    let envs: Vec<String> =
        got.envs.iter().map(|e| format!("{}={}", e.key, String::from_utf8_lossy(&e.value))).collect();
    assert_eq!(envs, ["SET=pod", "GPU=d0"]);
    assert_eq!((got.mounts[0].readonly, got.devices[0].container_path.as_str()), (true, "/dev/gpu"));
    assert_eq!(got.annotations["a"], "b");
    assert_eq!(devices.give(&pod, &container("other"), own.clone()).await, Ok(own));
}
