# Volumes of the kubelet from an NFS server in the same kernel: mounted by mount.nfs, and by the kernel without it.
load overlay nfsd nfsv4
mkdir -p /mnt/export /mnt/nfs/sm /mnt/nfs/rpc_pipefs /mnt/nfs/v4recovery
touch /mnt/nfs/etab /mnt/nfs/rmtab
mount --bind /mnt/nfs /var/lib/nfs
mount -t rpc_pipefs sunrpc /var/lib/nfs/rpc_pipefs
mount -t nfsd nfsd /proc/fs/nfsd
rpcbind -w
exportfs -o rw,no_root_squash,no_subtree_check,fsid=0,insecure 127.0.0.0/8:/mnt/export
rpc.mountd --no-nfs-version 3
rpc.nfsd --no-nfs-version 3 --grace-time 10 --lease-time 10 2
echo "the server has versions $(cat /proc/fs/nfsd/versions)"

nfs_tests() { CORTEN_TEST_NFS=/mnt/export "$KUBELET_TESTS" volumes::tests::nfs --nocapture --test-threads=1; }
without_mount_nfs() {
  mkdir /mnt/sbin /mnt/sbin.work
  mount -t overlay -o lowerdir=/usr/sbin,upperdir=/mnt/sbin,workdir=/mnt/sbin.work overlay /usr/sbin
  rm /usr/sbin/mount.nfs
}
nfs_tests && without_mount_nfs && echo "without mount.nfs:" && nfs_tests
