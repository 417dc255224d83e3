#!/bin/sh
# Take apart all that stands on the disks, from the top down, and overwrite where it began.
# Arguments: the disks.
set -eu
for disk in "$@"; do
    # The deepest first. One device may stand on several disks: it is gone at the second.
    lsblk --noheadings --raw --paths --output NAME,TYPE "$disk" | tac | while read -r name type; do
        [ -b "$name" ] || continue
        if grep -q "^$(readlink -f "$name") " /proc/swaps; then swapoff "$name"; fi
        while place=$(findmnt --noheadings --first-only --output TARGET --source "$name"); do
            umount --recursive "$place"
        done
        case $type in
        lvm) dmsetup remove "$name" ;;
        crypt) cryptsetup close "$name" ;;
        raid*) mdadm --quiet --stop "$name" ;;
        part)
            mdadm --quiet --zero-superblock "$name" 2> /dev/null || :
            # A new table may have its partitions where the old one had them. A header of LUKS lies behind
            # that of a mirror, within its first 192 MiB: it must not come to life again.
            mib=$(($(blockdev --getsize64 "$name") / 1048576))
            dd if=/dev/zero of="$name" bs=1M count=$((mib < 192 ? mib : 192)) conv=fsync status=none
            [ "$mib" -le 192 ] || dd if=/dev/zero of="$name" bs=1M seek=$((mib - 1)) count=1 conv=fsync status=none
            ;;
        esac
    done
    wipefs --quiet --all "$disk"
    # Without partitions a disk may be one container: its key slots lie behind what wipefs takes away.
    dd if=/dev/zero of="$disk" bs=1M count=16 conv=fsync status=none
    blockdev --rereadpt "$disk"
done
udevadm settle
