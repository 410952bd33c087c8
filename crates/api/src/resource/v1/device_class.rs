use crate::Api;
use crate::Raw;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
#[kind(group = "resource.k8s.io", version = "v1", plural = "deviceclasses", cluster)]
pub struct DeviceClass {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: DeviceClassSpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceClassSpec {
    #[api(tag = 1, omitempty)]
    pub selectors: Vec<DeviceSelector>,
    #[api(tag = 2, omitempty)]
    pub config: Vec<DeviceClassConfiguration>,
    #[api(tag = 4)]
    pub extended_resource_name: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceSelector {
    #[api(tag = 1)]
    pub cel: Option<Box<CELDeviceSelector>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct CELDeviceSelector {
    #[api(tag = 1, required)]
    pub expression: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceClassConfiguration {
    #[api(tag = 1, inline)]
    pub device_configuration: DeviceConfiguration,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceConfiguration {
    #[api(tag = 1)]
    pub opaque: Option<Box<OpaqueDeviceConfiguration>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct OpaqueDeviceConfiguration {
    #[api(tag = 1, required)]
    pub driver: String,
    #[api(tag = 2, required)]
    pub parameters: Raw,
}
