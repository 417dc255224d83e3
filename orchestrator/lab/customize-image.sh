#!/bin/sh
# Make a Debian root file system a machine of the lab, as a supplier would deliver a server.
# Arguments: the root, the directory with apt.conf and *.crt, the operator's account, the resolver.
set -eu
root=$1 from=$2 operator=$3 resolver=$4

chroot "$root" systemctl --quiet enable systemd-networkd
echo "nameserver $resolver" > "$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n::1 localhost\n' > "$root/etc/hosts"

chroot "$root" useradd --create-home --shell /bin/bash --groups sudo "$operator"
echo "$operator ALL=(ALL:ALL) NOPASSWD: ALL" > "$root/etc/sudoers.d/$operator"
chmod 0440 "$root/etc/sudoers.d/$operator"
install -d -m 0700 -o 1000 -g 1000 "$root/home/$operator/.ssh"

# Every machine gets an identity of its own.
rm -f "$root"/etc/ssh/ssh_host_*
: > "$root/etc/machine-id"

# How the control node reaches its archives is how the machine does.
[ ! -s "$from/apt.conf" ] || cp "$from/apt.conf" "$root/etc/apt/apt.conf.d/90lab"
for certificate in "$from"/*.crt; do
    [ -e "$certificate" ] || continue
    cp "$certificate" "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates > /dev/null
done

# A machine with a kernel has a boot loader; until somebody runs update-grub, this is what it starts.
if [ -d "$root/etc/grub.d" ]; then
    # Emulated devices can take longer to appear than systemd waits.
    # No table of file systems makes the root writable.
    line="rw console=ttyS0 systemd.default_device_timeout_sec=600 systemd.default_timeout_start_sec=600"
    printf '%s\n' GRUB_DEFAULT=0 GRUB_TIMEOUT=0 GRUB_DISTRIBUTOR=Debian \
        'GRUB_CMDLINE_LINUX_DEFAULT=""' "GRUB_CMDLINE_LINUX=\"$line\"" \
        GRUB_TERMINAL=serial > "$root/etc/default/grub"
    mkdir -p "$root/boot/grub"
    printf '%s\n' 'serial' 'terminal_output serial' "linux /vmlinuz root=/dev/vda $line" \
        'initrd /initrd.img' boot > "$root/boot/grub/grub.cfg"
fi
