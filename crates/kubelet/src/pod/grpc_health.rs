//! The gRPC health check (grpc.health.v1), as probes make it.

use tonic::client::Grpc;
use tonic::transport::Endpoint;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, ::prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, ::prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// The status that means health.
const SERVING: i32 = 1;

/// Asks the server at `host:port` about `service`.
pub async fn check(host: &str, port: i32, service: &str) -> Result<(), String> {
    let address =
        if host.contains(':') { format!("http://[{host}]:{port}") } else { format!("http://{host}:{port}") };
    let endpoint = Endpoint::from_shared(address).map_err(|e| e.to_string())?;
    let connect = |e: &dyn std::fmt::Display| {
        format!("timeout: failed to connect service \"{host}:{port}\" within 1s: {e}")
    };
    let channel = endpoint.connect().await.map_err(|e| connect(&e))?;
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|e| connect(&e))?;
    let path = http::uri::PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let request = Request::new(HealthCheckRequest { service: service.to_string() });
    match client.unary(request, path, codec).await {
        Ok(reply) if reply.get_ref().status == SERVING => Ok(()),
        Ok(_) => Err("service unhealthy (responded with \"NOT_SERVING\")".into()),
        Err(e) if e.code() == Code::Unimplemented => {
            Err("error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
                .into())
        }
        Err(e) => Err(format!("error: health rpc probe failed: {e}")),
    }
}
