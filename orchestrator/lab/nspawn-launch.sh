#!/bin/sh
# Boot one machine in a mount namespace of its own: its overlay and its control group tree are
# unmounted by the kernel when the last process ends, however it ends.
# Arguments: image root, machine directory, name, bridge, control group, or "-" where systemd
# has given us one.
set -eu
image=$1 machine=$2 name=$3 bridge=$4 group=$5
echo $$ > "$machine/pid"

if [ "$group" != - ]; then
    # Not booted by systemd, or with the old control groups: a fresh cgroup2 mount, and a group a
    # machine, or they would fight over one.
    umount --lazy /sys/fs/cgroup 2>/dev/null || :
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir -p "/sys/fs/cgroup/$group"
    echo $$ > "/sys/fs/cgroup/$group/cgroup.procs"
fi
# The kernel removes a killed machine's link a while after its last process has ended.
ip link delete "vb-$name" 2> /dev/null || :
mount -t overlay overlay \
    -o "lowerdir=$image,upperdir=$machine/upper,workdir=$machine/work" "$machine/root"

# Its own resolver, log and time zone: a machine of the lab takes nothing over from this one.
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
exec systemd-nspawn --quiet --boot --register=no --keep-unit --console=read-only \
    --directory="$machine/root" --machine="$name" --hostname="$name" \
    --network-bridge="$bridge" --resolv-conf=off --link-journal=no --timezone=off
