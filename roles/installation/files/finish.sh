#!/bin/sh
# Leave the disks as the first start is to find them.
# Arguments: the host, where its system is mounted, its volume group, its mapping, the disks.
set -eu
host=$1 root=$2 group=$3 mapping=$4
shift 4
if mountpoint -q "$root"; then
    umount --recursive --lazy "$root/dev" "$root/proc" "$root/sys" "$root/run"
    umount --recursive "$root"
fi
private=$(dirname "$root")
! mountpoint -q "$private" || umount "$private"
vgchange --quiet --activate n "$group" > /dev/null
cryptsetup close "$mapping"
for name in esp boot system; do
    mdadm --quiet --stop "/dev/disk/by-id/md-name-$host:$name"
done
for disk in "$@"; do
    number=0
    for name in bios esp boot system; do
        number=$((number + 1))
        sfdisk --quiet --no-reread --part-label "$disk" "$number" "pas-infra $name"
    done
done
sync
