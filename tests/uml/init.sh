#!/bin/sh
# The first process in the other kernel: version 2 of control groups alone, then the tests named by TESTS.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /tmp
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
uname -r
cat /sys/fs/cgroup/cgroup.controllers
for test in $(echo "$TESTS" | tr , ' '); do
    "$test" "$FILTER" --nocapture --test-threads=1 && echo "passed: $test" || echo "FAILED: $test"
done
echo the end
poweroff -f
