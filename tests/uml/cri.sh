# Containers of Corten's runtime, as the CRI suite sees them. The kernel's nftables cannot translate addresses, so
# that the network is that of Debian's plugins, with the iptables of old.
load overlay bridge veth br_netfilter
export CRI_DATA=/mnt/cri CRI_CGROUP=/cri-suite RUNTIMES=corten
export CRI_FLAGS="--cni-conf-dir $CRI_DATA/conf --cni-bin-dir /usr/lib/cni"
mkdir -p "$CRI_DATA/conf" "$CRI_DATA/bin"
ln -s /usr/sbin/iptables-legacy "$CRI_DATA/bin/iptables"
ln -s /usr/sbin/ip6tables-legacy "$CRI_DATA/bin/ip6tables"
cat >"$CRI_DATA/conf/10-suite.conflist" <<CNI
{"cniVersion": "1.0.0", "name": "suite", "plugins": [
  {"type": "bridge", "bridge": "suite0", "isGateway": true, "ipMasq": false, "ipam": {"type": "host-local",
   "dataDir": "$CRI_DATA/ipam", "ranges": [[{"subnet": "10.88.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
CNI
PATH=$CRI_DATA/bin:$PATH bash "$here/../cri/run" ${CRI_WORDS//,/ } || { tail -n 40 "$CRI_DATA/corten.log"; false; }
