#!/bin/sh
# Make a mirror of the partitions, or find the one that they are; never one of other disks.
# Arguments: the host, the mirror's name, its metadata, synchronise or assume-clean, the partitions.
set -eu
host=$1 name=$2 metadata=$3 synchronise=$4
shift 4
link=/dev/disk/by-id/md-name-$host:$name
[ -e "$link" ] || mdadm --quiet --assemble "/dev/md/$name" "$@" 2> /dev/null || :
udevadm settle
if [ ! -e "$link" ]; then
    options=
    [ "$synchronise" = synchronise ] || options=--assume-clean
    # shellcheck disable=SC2086 # no option is no word
    mdadm --quiet --create "/dev/md/$name" --name="$name" --homehost="$host" --run --level=1 --force \
        --metadata="$metadata" --raid-devices=$# --bitmap=internal $options "$@"
    udevadm settle
    echo created
fi
wanted=$(printf '%s\n' "$@" | sort)
found=$(mdadm --detail --export "$link" | sed -n 's/^MD_DEVICE_.*_DEV=//p' | sort)
if [ "$wanted" != "$found" ]; then
    echo "$link is a mirror of $(echo $found), and the declared disks are $(echo $wanted):" \
        "nothing was written. Take the other disk out, or declare it" >&2
    exit 1
fi
