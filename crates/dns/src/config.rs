//! What an operator may set.

use std::net::{IpAddr, SocketAddr};

/// Where the machine's resolvers are listed.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// The port of DNS.
const PORT: u16 = 53;

/// The server's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen, by UDP and TCP each.
    pub listen: Vec<SocketAddr>,
    /// The cluster's zone, `cluster.local`.
    pub domain: String,
    /// The address under which the cluster knows this server; `ns.dns` of the zone.
    pub address: Option<IpAddr>,
    /// Who answers for other names, in the order they are asked.
    pub upstreams: Vec<SocketAddr>,
}

impl Config {
    /// Listens at `address` and passes other names on to the machine's resolvers.
    pub fn new(address: IpAddr) -> Self {
        let file = std::fs::read_to_string(RESOLV_CONF).unwrap_or_else(|error| {
            tracing::warn!(%error, "{RESOLV_CONF} cannot be read: only the cluster's names are answered");
            String::new()
        });
        // A resolver that is this server itself would only ask itself.
        let others = nameservers(&file).into_iter().filter(|a| *a != address);
        Config {
            listen: vec![SocketAddr::new(address, PORT)],
            domain: "cluster.local".into(),
            address: Some(address),
            upstreams: others.map(|a| SocketAddr::new(a, PORT)).collect(),
        }
    }
}

/// The resolvers that a `resolv.conf` lists.
pub fn nameservers(file: &str) -> Vec<IpAddr> {
    let words = file.lines().map(|line| line.split_whitespace());
    words
        .filter_map(
            |mut words| if words.next() == Some("nameserver") { words.next()?.parse().ok() } else { None },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read() {
        let file =
            "# nameserver 9.9.9.9\nsearch a b\nnameserver 10.0.0.1\n  nameserver\t::1 \nnameserver what\n";
        let want: Vec<IpAddr> = vec!["10.0.0.1".parse().expect("valid"), "::1".parse().expect("valid")];
        assert_eq!(nameservers(file), want);
    }
}
