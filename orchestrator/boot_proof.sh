# What the next start of this host will be like: a line each, a word and what it says.
# Read by orchestrator/boot_proof.py; sent to the host over SSH and run there as root.
set -eu
says() { printf '%s %s\n' "$1" "$2"; }

chain=$(lsblk --noheadings --raw --inverse --output TYPE,FSTYPE,UUID "$(findmnt -vno SOURCE /)")
echo "$chain" | grep -q '^crypt ' || { says encrypted no; exit 0; }
says encrypted yes
echo "$chain" | awk '$2 == "crypto_LUKS" { print "luks " $3 }' | sort -u

route=$(ip -4 route show default | head -n 1)
interface=$(echo "$route" | sed 's/.* dev \([^ ]*\).*/\1/')
says interface "$interface"
says gateway "$(echo "$route" | sed 's/.* via \([^ ]*\).*/\1/')"
says mac "$(cat "/sys/class/net/$interface/address")"
ip -4 -oneline address show dev "$interface" scope global | awk '{ split($4, a, "/"); print "address " a[1] }'

# What the boot loader takes without being asked: its first entry.
entry=$(awk '$1 == "linux" || $1 == "initrd" { print $1, $2 } $1 == "initrd" { exit }' /boot/grub/grub.cfg)
for what in linux initrd; do
    path=$(echo "$entry" | awk -v what="$what" '$1 == what { print $2 }')
    # A /boot of its own is the boot loader's root directory.
    for file in "/boot$path" "$path"; do [ -f "$file" ] && break; done
    [ -n "$path" ] && [ -f "$file" ] || { says missing "$what $path"; exit 0; }
    says "$what" "$file"
done

mkdir -p /var/lib/pas-infra
unpacked=$(mktemp -d -p /var/lib/pas-infra)
trap 'rm -rf "$unpacked"' EXIT
unmkinitramfs "$file" "$unpacked" 2> /dev/null || { says missing "initramfs that can be unpacked"; exit 0; }
top=$unpacked
[ ! -d "$unpacked/main" ] || top=$unpacked/main

[ ! -f "$top/cryptroot/crypttab" ] || sed 's/^/crypttab /' "$top/cryptroot/crypttab"
# Not whether it may be run: /var is mounted so that nothing may.
for file in "$top/bin/cryptroot-unlock" "$top/usr/bin/cryptroot-unlock"; do
    [ ! -f "$file" ] || { says unlocker yes; break; }
done
for key in "$top"/etc/dropbear/dropbear_*_host_key; do
    [ ! -f "$key" ] || dropbearkey -y -f "$key" | awk '/^(ssh|ecdsa)-/ { print "hostkey " $1 " " $2 }'
done
for keys in "$top"/root*/.ssh/authorized_keys; do
    [ ! -f "$keys" ] || grep -v -e '^#' -e '^$' "$keys" | sed 's/^/letsin /'
done
[ ! -f "$top/scripts/local-top/clevis" ] || says tang yes
[ ! -f "$top/sbin/dropbear" ] && [ ! -f "$top/usr/sbin/dropbear" ] || says dropbear yes
cat "$top"/etc/dropbear/dropbear.conf 2> /dev/null | sed -n 's/^DROPBEAR_OPTIONS=.*-p *\([0-9]*\).*/port \1/p'
# The last one counts there, and an option of the kernel's more than any.
cat "$top"/conf/initramfs.conf "$top"/conf/conf.d/* 2> /dev/null | sed -n 's/^IP=/ip /p' | tail -n 1
awk '$1 == "linux" { print; exit }' /boot/grub/grub.cfg | tr ' ' '\n' | grep -E '^(ip|cryptopts|cryptdevice)=' |
    sed 's/^/overrides /' || :
grub-editenv /boot/grub/grubenv list 2> /dev/null | grep -E '^(next_entry|saved_entry)=.' | sed 's/^/chosen /' || :
grep -ih '^PermanentMACAddress=\|^MACAddress=' "$top"/usr/lib/systemd/network/*.link 2> /dev/null |
    sed 's/^.*=/link /' || :
module=$(basename "$(readlink "/sys/class/net/$interface/device/driver/module" || :)")
if [ ! -e "/sys/class/net/$interface/device/driver" ]; then
    says driver "none: $interface is no network card"
elif [ -z "$module" ]; then
    says driver built-in
elif find "$top" -name "$module.ko*" -o -name "$(echo "$module" | tr _ -).ko*" | grep -q .; then
    says driver there
else
    says driver "missing $module"
fi
