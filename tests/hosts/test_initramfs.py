"""Checks of role initramfs: who may open the disks at a start; the initramfs lies in clear."""

from collections import defaultdict
from collections.abc import Mapping

import pytest
from conftest import Answers
from declared import Declared

pytestmark = pytest.mark.needs_full_kernel

Images = Mapping[str, Mapping[str, list[str]]]
LETS_IN = (
    'no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command="/usr/bin/cryptroot-unlock" '
)
# A line each: the image, a word, and what it says.
LOOK = """
for image in /boot/initrd.img-*; do
    [ -e "/boot/vmlinuz-${image#*initrd.img-}" ] || continue
    unpacked=$(mktemp -d -p /var/lib)
    unmkinitramfs "$image" "$unpacked" 2> /dev/null
    top=$unpacked
    [ ! -d "$unpacked/main" ] || top=$unpacked/main
    echo "$image there"
    grep -hv -e '^#' -e '^$' "$top"/root*/.ssh/authorized_keys | sed "s|^|$image key |"
    sed -n "s|^DROPBEAR_OPTIONS=|$image options |p" "$top/etc/dropbear/dropbear.conf"
    [ ! -e "$top/scripts/local-top/clevis" ] || echo "$image clevis"
    rm -rf "$unpacked"
done
"""


@pytest.fixture
def images(answers: Answers) -> Images:
    """What each initramfs of a kernel that can be started says; none where nothing is encrypted."""
    below = answers('lsblk --noheadings --inverse --output TYPE "$(findmnt -vno SOURCE /)"')
    if "crypt" not in below.split():
        pytest.skip("the system does not lie on an encrypted disk: nobody opens it")
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for line in answers(LOOK).splitlines():
        image, word, *rest = line.split(maxsplit=2)
        found[image][word] += rest or [""]
    assert found, "no kernel has an initramfs"
    return found


@pytest.mark.pas("5.3.1", "6.4.2")
def test_only_the_declared_may_unlock(images: Images, declared: Declared) -> None:
    """Each initramfs lets in the declared keys, to give the passphrase and for nothing else."""
    wanted = {f"{LETS_IN}{key.strip()}" for key in declared["initramfs_unlock_keys"]}
    faults = []
    for image, said in images.items():
        there = set(said["key"])
        faults += [f"{image} lets in {name(key)}, whom nobody declared" for key in there - wanted]
        faults += [f"{image} does not let in {name(key)}" for key in wanted - there]
    assert not faults, "; ".join(sorted(faults))


def name(key: str) -> str:
    """The end of a line of authorized_keys: its comment, or of what is left."""
    return key.split()[-1][-40:]


@pytest.mark.pas("6.4.2")
def test_it_asks_for_keys_only(images: Images, declared: Declared) -> None:
    """No password opens its dropbear, nothing is forwarded, on the declared port."""
    port = str(declared["initramfs_unlock_port"])
    faults = []
    for image, said in images.items():
        options = " ".join(said["options"]).strip('"').split()
        missing = {"-s", "-j", "-k"} - set(options)
        if missing:
            faults.append(f"the dropbear of {image} runs without {' '.join(sorted(missing))}")
        if ["-p", port] != options[:2]:
            faults.append(f"the dropbear of {image} does not listen on {port}: {options[:2]}")
    assert not faults, "; ".join(faults)


@pytest.mark.pas("6.4.2")
def test_it_asks_tang_only_where_declared(images: Images, declared: Declared) -> None:
    """It asks a Tang server for a key where one is declared, and waits for a hand elsewhere."""
    wanted = bool(declared["initramfs_tang_url"])
    faults = [
        f"{image} {'does not ask Tang' if wanted else 'asks Tang, which nobody declared'}"
        for image, said in images.items()
        if bool(said["clevis"]) != wanted
    ]
    assert not faults, "; ".join(faults)
