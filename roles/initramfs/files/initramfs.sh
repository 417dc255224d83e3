# Prints each initramfs that is not made of what lies in /etc; `build` makes it anew.
made=/etc/dropbear/initramfs
tang=/usr/share/initramfs-tools/scripts/local-top/clevis
# It holds the initramfs's host key: nobody else looks, and nothing of it stays.
unpacked=$(mktemp -d -p /var/lib)
trap 'rm -rf "$unpacked"' EXIT
keys() { grep -hv -e '^#' -e '^$' "$@" 2> /dev/null || :; }
same() { if [ -e "$1" ]; then cmp -s "$1" "$2"; else [ ! -e "$2" ]; fi; }
is_made_of_it() {
    [ "$(keys "$made/authorized_keys")" = "$(keys "$top"/root*/.ssh/authorized_keys)" ] &&
        cmp -s "$made/dropbear.conf" "$top/etc/dropbear/dropbear.conf" &&
        cmp -s /etc/initramfs-tools/conf.d/pas-infra "$top/conf/conf.d/pas-infra" || return 1
    # What asks Tang is there or not, as its package is.
    same "$tang" "$top/scripts/local-top/clevis" || return 1
    for key in "$made"/dropbear_*_host_key; do
        [ ! -e "$key" ] || cmp -s "$key" "$top/etc/dropbear/$(basename "$key")" || return 1
    done
}
for modules in /lib/modules/*; do
    version=$(basename "$modules")
    image=/boot/initrd.img-$version
    # Without a kernel nothing starts it.
    [ -e "/boot/vmlinuz-$version" ] || continue
    [ -e "$image" ] && how=-u || how=-c
    top=$unpacked/$version
    if [ -e "$image" ]; then
        # A damaged one is made of something else, too.
        unmkinitramfs "$image" "$top" || echo "$image cannot be unpacked" >&2
        [ ! -d "$top/main" ] || top=$top/main
    fi
    if ! is_made_of_it; then
        echo "$image"
        [ "$1" = look ] || update-initramfs "$how" -k "$version" > /dev/null
    fi
    rm -rf "${unpacked:?}/$version"
done
