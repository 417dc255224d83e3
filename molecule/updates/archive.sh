#!/bin/sh
# Offer package $1 in version 2, in an archive of origin $2 and label $3 that the lab's key signs,
# and install it in version 1.
set -eu
package=$1 origin=$2 label=$3
mkdir -p "/var/tmp/archive/$package"
cd "/var/tmp/archive/$package"
export GNUPGHOME=/var/tmp/archive/keys
[ -d "$GNUPGHOME" ] || {
    mkdir -m 0700 "$GNUPGHOME"
    gpg --batch --quiet --passphrase '' --quick-generate-key 'Lab <lab@example.org>' ed25519 sign never
    gpg --batch --armor --export > /var/tmp/archive/key.asc
}

for version in 1 2; do
    mkdir -p "$version/DEBIAN"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Lab <lab@example.org>\nDescription: lab\n' \
        "$package" "$version" > "$version/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$version" "${package}_$version.deb" > /dev/null
done
dpkg --install "${package}_1.deb" > /dev/null

file=${package}_2.deb
{
    dpkg-deb --field "$file"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n' \
        "$file" "$(stat -c %s "$file")" "$(sha256sum < "$file" | cut -d' ' -f1)"
} > Packages
printf 'Origin: %s\nLabel: %s\nSuite: stable-security\nCodename: trixie-security\nDate: %s\nSHA256:\n %s %s Packages\n' \
    "$origin" "$label" "$(LC_ALL=C date -Ru)" \
    "$(sha256sum < Packages | cut -d' ' -f1)" "$(stat -c %s Packages)" > Release
gpg --batch --quiet --yes --clearsign --output InRelease Release
rm Release
printf 'Types: deb\nURIs: file:%s\nSuites: ./\nSigned-By: /var/tmp/archive/key.asc\n' "$PWD" \
    > "/etc/apt/sources.list.d/$package.sources"
