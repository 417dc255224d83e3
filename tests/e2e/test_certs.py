"""`pas-infra certs` on real hosts: what role pki made, and what nobody declared."""

import json
from typing import Any

from e2e.bench import Bench

# A listener with a certificate of its own, which ends in five days.
ROGUE = """
set -eu
mkdir -p /srv/rogue
openssl req -x509 -newkey rsa:2048 -nodes -days 5 -subj /CN=rogue \
  -keyout /srv/rogue/key.pem -out /srv/rogue/web.crt 2> /dev/null
systemd-run --quiet --unit=rogue openssl s_server -accept 8443 -quiet \
  -key /srv/rogue/key.pem -cert /srv/rogue/web.crt
until ss -ltn | grep -q :8443; do sleep 0.2; done
"""


def listed(bench: Bench, code: int) -> list[dict[str, Any]]:
    said = bench.pas_infra("certs", "--json", code=code).stdout
    found: list[dict[str, Any]] = json.loads(said)["certificates"]
    return found


def test_what_the_role_made_is_found_and_so_is_what_nobody_declared(hardened: Bench) -> None:
    before = listed(hardened, 0)
    made = [one for one in before if one["place"] == "/etc/pas-infra/pki/logs/certificate.pem"]
    assert [(one["host"], one["subject"]) for one in made] == [
        (host, f"CN={host},O=Laboratoire") for host in ("rbx7", "sysfab", "bastion")
    ]
    hardened.on("rbx7", ROGUE)
    try:
        strange = [one for one in listed(hardened, 2) if one not in before]
    finally:
        hardened.on("rbx7", "systemctl stop rogue; rm -r /srv/rogue")
    assert [(one["host"], one["place"], one["used_by"]) for one in strange] == [
        ("rbx7", "tcp 8443", ["rogue.service"]),
        ("rbx7", "/srv/rogue/web.crt", ["rogue.service"]),
    ]
    for one in strange:
        assert one["faults"][0].startswith("it ends on ")
        assert one["faults"][1] == "it has a weak key: RSA 2048"
