#!/bin/sh
# Take apart all that stands on the disks, from the top down, and forget what they held.
# Arguments: the disks.
set -eu
for disk in "$@"; do
    # The deepest first. One device may stand on several disks: it is gone at the second.
    lsblk --noheadings --raw --paths --output NAME,TYPE "$disk" | tac | while read -r name type; do
        [ -b "$name" ] || continue
        if grep -q "^$name " /proc/mounts; then umount --recursive "$(findmnt -no TARGET "$name" | head -n 1)"; fi
        if grep -q "^$(readlink -f "$name") " /proc/swaps; then swapoff "$name"; fi
        case $type in
        lvm) dmsetup remove "$name" ;;
        crypt) cryptsetup close "$name" ;;
        raid*) mdadm --quiet --stop "$name" ;;
        part)
            mdadm --quiet --zero-superblock "$name" 2> /dev/null || :
            wipefs --quiet --all "$name"
            ;;
        esac
    done
    wipefs --quiet --all "$disk"
    partprobe "$disk" 2> /dev/null || blockdev --rereadpt "$disk"
done
udevadm settle
