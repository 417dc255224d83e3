"""A client's volume: made, grown, opened at each start, and whatever is killed meanwhile.

A virtual machine with a volume group of its own (a file's), in the order of a client's life.
"""

import gzip
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from labs import STATE, SUDO, Lab, Site

from orchestrator.environment.vault import decrypt, decrypt_bytes
from orchestrator.errors import PasInfraError
from orchestrator.keys.header_copies import opens
from orchestrator.keys.key_store import KeyStore
from orchestrator.paths import project_root

pytestmark = pytest.mark.full

KEYS = "client-keys/rbx7"
BACKED_UP = "/etc/pas-infra/backup/keys/client-alpha"
# The account by which the target comes, and what sshd lets it do.
BACKUP_ROLES = ("backup_target", "accounts", "ssh", "backup_source")
YESTERDAY = (date.today() - timedelta(days=1)).isoformat()
GROUP = """
set -eu
# Built anew, emulated, it takes minutes; this one has no encrypted disk to ask for.
echo update_initramfs=no > /etc/initramfs-tools/update-initramfs.conf
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes cryptsetup-bin lvm2 e2fsprogs > /dev/null
truncate --size=3200M /var/lib/group.img
vgcreate --quiet system "$(losetup --find --show /var/lib/group.img)"
"""
AGAIN = "losetup --find /var/lib/group.img; udevadm settle; vgchange --quiet --activate y system"
SERVICE = """
cat > /etc/systemd/system/client-alpha-web.service <<END
[Service]
ExecStart=/bin/sh -c "date > /srv/clients/alpha/started; exec sleep infinity"
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --quiet client-alpha-web.service
"""


class Server(Site):
    """The machine, and the environment that declares its clients."""

    def declare(self, name: str, **changed: object) -> None:
        file = self.environment / "clients.yml"
        declared = yaml.safe_load(file.read_text())
        for client in declared["clients"]:
            if client["name"] == name:
                client.update(changed)
        file.write_text(yaml.safe_dump(declared, explicit_start=True, allow_unicode=True))

    def undeclare(self, name: str) -> None:
        file = self.environment / "clients.yml"
        declared = yaml.safe_load(file.read_text())["clients"]
        left = {"clients": [one for one in declared if one["name"] != name]}
        file.write_text(yaml.safe_dump(left, explicit_start=True, allow_unicode=True))

    def clients(self, code: int) -> dict[str, dict[str, Any]]:
        """What `client list` says of each."""
        said = self.pas_infra("client", "list", "--host", "rbx7", "--json", code=code).stdout
        return {client["name"]: client for client in json.loads(said)["clients"]}

    def key(self, name: str) -> str:
        words = (self.lab.directory / "client-keys-passphrase").read_text().strip()
        return KeyStore(self.lab.directory / KEYS, words).key_of(name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    copy = tmp_path_factory.mktemp("environment") / "lab"
    shutil.copytree(project_root() / "inventories/lab", copy)
    lab = Lab("f-clients")
    lab.do("down", "--erase")
    try:
        lab.do("up", "rbx7", "--backend", "qemu")
        made = Server(lab, copy)
        made.root("rbx7", GROUP)
        yield made
    finally:
        lab.do("down", "--erase")


def test_what_cannot_be_made_is_refused(server: Server) -> None:
    listed = server.clients(code=2)
    assert listed["alpha"]["faults"] == ["has no volume: pas-infra client add alpha"]
    unknown = server.pas_infra("client", "add", "gamma", code=1)
    assert "there is no client `gamma`" in unknown.stderr
    server.declare("beta", volume_gb=50)
    large = server.pas_infra("client", "add", "beta", code=1)
    assert "the volume group system has 3.4 GB left, and 50.0 GB are needed" in large.stderr
    server.declare("beta", volume_gb=1)
    # A volume of that name that somebody has made by hand.
    server.root("rbx7", "lvcreate --quiet --yes --name client_beta --size 100m system; "
                "mkfs.ext4 -q /dev/system/client_beta")  # fmt: skip
    before = server.root("rbx7", "sha256sum /dev/system/client_beta")
    refused = server.pas_infra("client", "add", "beta", code=1)
    assert "client_beta" in refused.stderr
    assert server.root("rbx7", "sha256sum /dev/system/client_beta") == before
    server.root("rbx7", "lvremove --quiet --yes system/client_beta")


@pytest.mark.parametrize("after", [2.0, 6.0, 10.0, 14.0])
def test_a_volume_is_made_though_it_is_killed(server: Server, after: float) -> None:
    """Whoever is killed, here or there, the same command ends what was begun."""
    killed = server.start("client", "add", "alpha")
    time.sleep(after)
    server.lab.do("ssh", "rbx7", "sudo pkill -9 'cryptsetup|mkfs|lvcreate' || :")
    server.kill(killed)
    server.clients(code=2)


def test_a_volume_is_made_and_mounted(server: Server) -> None:
    said = server.pas_infra("client", "add", "alpha").stderr
    assert "its header in escrow" in said
    assert "pas-infra apply --limit rbx7" in said
    server.pas_infra("apply", "--yes", "--role", "clients", "--limit", "rbx7")
    server.root("rbx7", SERVICE)
    server.pas_infra("client", "add", "alpha")
    listed = server.clients(code=2)
    assert listed["alpha"]["faults"] == []
    assert listed["beta"]["faults"] == ["has no volume: pas-infra client add beta"]
    assert server.root("rbx7", "stat --format='%U %a' /srv/clients/alpha").split() == [
        "cli-alpha",
        "700",
    ]
    assert server.root("rbx7", "systemctl is-active client-alpha-web").strip() == "active"
    # Nobody else's key, and none that lies there.
    assert len(server.key("alpha")) == 128
    assert server.lab.holders("rbx7", server.key("alpha")) == []
    devices = json.loads(server.pas_infra("keys", "status", "--host", "rbx7", "--json").stdout)[
        "devices"
    ]
    assert [(one["client"], one["faults"]) for one in devices] == [("alpha", [])]


def test_their_services_are_kept_apart_on_it(server: Server) -> None:
    server.pas_infra("client", "add", "beta")
    server.pas_infra("verify", "--role", "clients", "--limit", "rbx7")
    server.root("rbx7", "umount /srv/clients/beta; mount -t tmpfs none /srv/clients/beta")
    failed = server.pas_infra("verify", "--role", "clients", "--limit", "rbx7", code=2)
    assert "on /srv/clients/beta is none" in failed.stdout
    server.root("rbx7", "umount /srv/clients/beta")
    # Closed: what may not run then does not, and nothing else is amiss.
    server.pas_infra("apply", "--yes", "--role", "clients", "--limit", "rbx7")
    server.pas_infra("client", "add", "beta")


def test_a_volume_grows_and_its_key_changes_while_it_is_used(server: Server) -> None:
    server.root("rbx7", "head -c 20000000 /dev/urandom > /srv/clients/alpha/data; sync")
    before = server.root("rbx7", "sha256sum /srv/clients/alpha/data")
    server.declare("alpha", volume_gb=2)
    assert "is grown" in server.pas_infra("client", "add", "alpha").stderr
    size = int(server.root("rbx7", "df --output=size --block-size=1 /srv/clients/alpha | tail -1"))
    assert 1_850_000_000 < size < 2_000_000_000
    server.declare("alpha", volume_gb=1)
    smaller = server.pas_infra("client", "add", "alpha", code=1)
    assert "never made smaller" in smaller.stderr
    server.declare("alpha", volume_gb=2)
    (device,) = (
        one
        for one in json.loads(
            server.pas_infra("keys", "status", "--host", "rbx7", "--json").stdout
        )["devices"]
        if one["client"] == "beta"
    )
    named = server.pas_infra("keys", "rotate", "rbx7", "--device", device["uuid"], code=1)
    assert "no passphrase opens it" in named.stderr
    server.pas_infra("keys", "escrow", "rbx7", "--device", device["uuid"])
    assert server.root("rbx7", "sha256sum /srv/clients/alpha/data") == before


def test_their_data_is_backed_up_under_a_key_of_their_own(server: Server) -> None:
    server.lab.do("up", "sysfab")
    roles = [word for role in BACKUP_ROLES for word in ("--role", role)]
    both = ("--limit", "rbx7,sysfab", "--confirm-timeout", "300")
    server.pas_infra("apply", "--yes", *roles, *both)
    for name in ("alpha", "beta"):
        server.pas_infra("backup", "run", "--set", f"rbx7/client-{name}")
    restored = ("--path", "/srv/clients/alpha/data", "--to", "/var/tmp/back")  # noqa: S108
    server.pas_infra("backup", "restore", "rbx7/client-alpha", "--escrow", *restored)
    server.root("rbx7", "cmp /srv/clients/alpha/data /var/tmp/back/srv/clients/alpha/data")
    server.root("rbx7", "rm -r /var/tmp/back")


def test_after_a_start_they_are_closed_until_somebody_opens_them(server: Server) -> None:
    subprocess.run([*SUDO, "kill", "-9", str(server.lab.running()["rbx7"])], check=True)
    server.lab.do("up", "rbx7", "--backend", "qemu")
    server.root("rbx7", AGAIN)
    listed = server.clients(code=2)
    assert listed["alpha"]["faults"] == ["the volume is not mounted: pas-infra unlock rbx7"]
    assert server.root("rbx7", "systemctl is-active client-alpha-web || :").strip() == "inactive"
    server.pas_infra("verify", "--role", "clients", "--limit", "rbx7")
    for name in ("alpha", "beta"):
        server.pas_infra("client", "add", name)
    assert server.clients(code=0)
    assert server.root("rbx7", "systemctl is-active client-alpha-web").strip() == "active"
    server.pas_infra("plan", "--role", "clients", "--limit", "rbx7")


def test_nobody_is_offboarded_early_or_by_mistake(server: Server) -> None:
    unknown = server.pas_infra("client", "offboard", "gamma", "--confirm", "gamma", code=1)
    assert "there is no client `gamma`" in unknown.stderr
    lasting = server.pas_infra("client", "offboard", "alpha", "--confirm", "alpha", code=1)
    assert "has no end in clients.yml" in lasting.stderr
    server.declare("beta", contract_ended=date.today().isoformat())
    grace = server.pas_infra("client", "offboard", "beta", "--confirm", "beta", code=1)
    assert "30 days of grace were agreed" in grace.stderr
    server.declare("alpha", contract_ended=YESTERDAY)
    mistyped = server.pas_infra("client", "offboard", "alpha", "--confirm", "beta", code=130)
    assert "/dev/system/client_alpha" in mistyped.stderr
    assert "the backups rbx7/client-alpha on sysfab" in mistyped.stderr
    assert "nothing was changed" in mistyped.stderr
    nobody = server.pas_infra("client", "offboard", "alpha", code=130)
    assert "nobody confirmed" in nobody.stderr
    assert server.clients(code=0)["alpha"]["faults"] == []


def test_a_client_is_offboarded_though_it_is_killed(server: Server, tmp_path: Path) -> None:
    key, stays = server.key("alpha"), server.key("beta")
    # What somebody may have copied before: all that the control node keeps.
    shutil.copytree(server.lab.directory / KEYS, tmp_path / "client-keys")
    shutil.copytree(server.lab.directory / "escrow", tmp_path / "escrow")
    shutil.copytree(server.lab.directory / "backup-keys", tmp_path / "backup-keys")
    of_backups = server.root("rbx7", f"cat {BACKED_UP}.passphrase").strip()
    borg_key = server.root("rbx7", f"tail -1 {BACKED_UP}.key").strip()
    assert set(server.lab.holders("rbx7", of_backups)) == {f"{BACKED_UP}.passphrase"}
    for after in (6.0, 10.0, 16.0, 24.0):
        killed = server.start("client", "offboard", "alpha", "--confirm", "alpha")
        time.sleep(after)
        server.kill(killed)
    done = server.pas_infra("client", "offboard", "alpha", "--confirm", "alpha")
    pdf, html = map(Path, done.stdout.split())
    assert pdf.read_bytes().startswith(b"%PDF-")
    page = html.read_text()
    assert "Coopérative Alpha" in page
    assert "ouvrait 1 des 1 copies" in page
    assert "rbx7/client-alpha" in page
    again = server.pas_infra("client", "offboard", "alpha")
    assert again.stdout == done.stdout
    assert html.read_text() == page
    left = server.root(
        "rbx7",
        "getent passwd cli-alpha; getent group cli-alpha; ls -d /srv/clients/alpha "
        "/etc/systemd/system/*alpha* /dev/mapper/client_alpha; lvs --noheadings -o lv_name; :",
    )
    assert left.split() == ["client_beta"]
    assert server.key("beta") == stays
    assert server.root("rbx7", "stat --format=%U /srv/clients/beta").strip() == "cli-beta"
    (fault,) = server.clients(code=2)["alpha"]["faults"]
    assert "their erasure was confirmed" in fault
    refused = server.pas_infra("client", "add", "alpha", code=1)
    assert "the offboarding of a client `alpha` was confirmed" in refused.stderr
    server.undeclare("alpha")
    server.pas_infra("verify", "--role", "clients", "--role", "encryption", "--limit", "rbx7")
    kept = server.root("sysfab", "ls -d /srv/backup/rbx7/client-* /srv/backup-kept/rbx7/*/client-*")
    assert "client-beta" in kept
    assert "client-alpha" not in kept
    for host, secret in (("rbx7", of_backups), ("rbx7", borg_key), ("sysfab", borg_key)):
        assert server.lab.holders(host, secret) == []
    search(server, tmp_path, key, stays)
    server.pas_infra("backup", "list", "rbx7/client-beta")


def search(server: Server, copies: Path, key: str, stays: str) -> None:
    """The destroyed key is nowhere, with every password that still exists in hand."""
    clear = [
        words
        for name in (
            "escrow-passphrase",
            "client-keys-passphrase",
            "pki-passphrase",
            "backup-keys-passphrase",
        )
        if (words := (server.lab.directory / name).read_text().strip())
    ]
    (current,) = (server.lab.directory / KEYS).glob("*.key")
    passwords = [*clear, stays, decrypt(current.read_text(), clear[1].encode())]
    of_lab = ("client-keys", "offboarding", "escrow", "backup-keys")
    kept = [server.lab.directory / name for name in of_lab]
    places = [copies, STATE / "pas-infra/environments/lab", *kept, server.environment]
    opened = 0
    for file in (one for place in places for one in place.rglob("*") if one.is_file()):
        content = file.read_bytes()
        assert key.encode() not in content, file
        if not content.startswith(b"$ANSIBLE_VAULT"):
            continue
        for password in passwords:
            try:
                clear_text = decrypt_bytes(content.decode(), password.encode())
            except PasInfraError:
                continue
            opened += 1
            assert key.encode() not in clear_text, file
            if file.parent.parent.name == "escrow":
                header = gzip.decompress(clear_text)
                wanted = file.parent.parent.parent == copies and opens(header, key)
                # Of whom is gone, an old copy of the header: only the destroyed key would open it.
                assert not wanted or not any(opens(header, one) for one in passwords), file
    assert opened >= 5
    former = (copies / "backup-keys/rbx7/client-alpha.key").read_text()
    for password in passwords:
        with pytest.raises(PasInfraError):
            decrypt(former, password.encode())
    history = subprocess.run(
        ["git", "-C", project_root(), "log", "--all", "--patch"],
        capture_output=True, text=True, errors="replace", check=True,
    ).stdout  # fmt: skip
    assert key not in history
    assert server.lab.holders("rbx7", key) == []


def test_a_volume_is_written_over_when_that_is_asked_for(server: Server) -> None:
    server.declare("beta", contract_ended=YESTERDAY, grace_days=0)
    table = server.root("rbx7", "dmsetup table system-client_beta").split()
    begin, size = int(table[4]) // 2048, int(table[1]) // 2048  # MiB on the disk, in MiB
    look = "; ".join(
        f"dd if=/var/lib/group.img bs=1M skip={begin + at} count=1 status=none | sha256sum"
        for at in (0, size // 3, size // 2, size - 1)
    )
    before = server.root("rbx7", look).split()
    done = server.pas_infra("client", "offboard", "beta", "--overwrite", "--confirm", "beta")
    page = Path(done.stdout.split()[1]).read_text()
    assert "réécriture complète" in page
    after = server.root("rbx7", look).split()
    assert all(was != now for was, now in zip(before[::2], after[::2], strict=True))
    server.undeclare("beta")
    server.pas_infra("verify", "--measure", "13.3.1", "--limit", "rbx7")
    # A certificate that somebody has changed is seen.
    certificate = server.lab.directory / "offboarding/alpha.certificate.json"
    certificate.write_text(certificate.read_text().replace("Coopérative", "Cooperative"))
    failed = server.pas_infra("verify", "--measure", "13.3.1", "--limit", "rbx7", code=2).stdout
    assert "do not follow each other" in failed
