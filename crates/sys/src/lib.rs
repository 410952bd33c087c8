//! The kernel behind small traits: mounts, cgroups, namespaces, netlink, nftables
