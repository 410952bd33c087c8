#!/bin/bash
# The first process in the other kernel. The root directory is the machine's, read-only; /mnt is a disk of one's
# own. Runs the parts named by PARTS (with commas) and says of each whether it passed.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/mnt/tmp
here=$(dirname "$0")

machine() {
  mount -t proc proc /proc
  mount -t sysfs sys /sys
  mountpoint -q /dev || mount -t devtmpfs dev /dev
  mkdir -p /dev/pts /dev/shm
  mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts
  mount -t tmpfs shm /dev/shm
  mount -t tmpfs -o mode=755 run /run
  mount -t ext4 /dev/ubda /mnt
  mkdir -p /mnt/tmp /mnt/lib
  # Its modules are not where the kernel's helper looks for them.
  ln -s /usr/lib/uml/modules /mnt/lib/modules
  printf '#!/bin/sh\nexec modprobe -d /mnt "$@"\n' >/mnt/modprobe
  chmod +x /mnt/modprobe
  echo /mnt/modprobe >/proc/sys/kernel/modprobe
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount --make-rshared /
  ip link set lo up
}

load() {
  local module
  for module in "$@"; do modprobe -d /mnt "$module" || echo "no module $module"; done
}

machine
echo "Linux $(uname -r), control groups: $(cat /sys/fs/cgroup/cgroup.controllers)"
for part in ${PARTS//,/ }; do
  echo "== $part"
  begun=$(cut -d. -f1 /proc/uptime)
  . "$here/$part.sh" && word=passed: || word=FAILED:
  echo "$word $part, $(($(cut -d. -f1 /proc/uptime) - begun)) s"
done
echo the end
poweroff -f
