#!/bin/sh
# Make a Debian root file system one that is unpacked on a server's own disks.
# Argument: the root. What is the server's own comes with the installation.
set -eu
root=$1

chroot "$root" systemctl --quiet enable systemd-networkd
# Made while the packages were installed: what is in every copy is nobody's secret.
rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/dropbear/initramfs/dropbear_*
rm -f "$root/etc/hostname" "$root/etc/resolv.conf" "$root"/boot/initrd.img-*
# How this machine reaches its archives is not how the server will.
rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap"
: > "$root/etc/machine-id"
