"""Checks of role tang: where it answers, who reaches it, who reads its keys."""

import json
from collections.abc import Mapping
from typing import Any

import clevis
import pytest
from conftest import Answers
from declared import Declared

# With its keys, so that it is asked as those ask who open their disks.
ASK = """
python3 - <<'END'
import urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
print(opener.open("http://{}:{}/adv", timeout=20).read().decode())
END
"""


@pytest.mark.pas("6.4.2")
def test_tang_answers_where_declared(answers: Answers, declared: Declared) -> None:
    """Tang answers named hosts on its declared address only; without one, it does not run."""
    address, port = declared["tang_address"], declared["tang_port"]
    show = "systemctl show tangd.socket --value --property="
    state = answers(f"{show}ActiveState").strip()
    listens = answers(f"{show}Listen").splitlines()
    if not address:
        starts = answers("systemctl is-enabled tangd.socket 2> /dev/null || :").strip()
        assert state == "inactive", f"tangd.socket is {state}, and no address is declared for it"
        assert starts != "enabled", "tangd.socket starts with the host, and no address is declared"
        return
    assert state == "active", f"tangd.socket is {state}: nobody opens a disk without a hand"
    wanted = [f"{address}:{port} (Stream)"]
    assert listens == wanted, f"tangd.socket listens on {', '.join(listens)}"
    # Whoever reaches it opens the disk that he has taken.
    assert not (found := networks_let_in(declared)), f"whole networks reach Tang: {found}"
    advertised = json.loads(answers(ASK.format(address, port)))
    keys = json.loads(clevis.decoded(advertised["payload"]))["keys"]
    uses = sorted(use for key in keys for use in key["key_ops"])
    assert uses == ["deriveKey", "verify"], f"Tang shows keys for {', '.join(uses) or 'nothing'}"


@pytest.mark.pas("6.4.2")
def test_its_keys_are_read_by_nobody_else(answers: Answers) -> None:
    """Keys of Tang, if the host has any, belong to its own account; none but root reads them."""
    there = "[ ! -e /var/lib/tang ] || "
    listed = answers(f"{there}find /var/lib/tang -printf '%m %u %g %y %p\\n'").splitlines()
    faults = [
        line
        for line in listed
        if line.split()[:4] not in (["750", "_tang", "_tang", "d"], ["440", "_tang", "_tang", "f"])
    ]
    assert not faults, f"read or changed by others: {'; '.join(faults)}"


def networks_let_in(declared: Declared) -> list[str]:
    """The flows that lead more than named hosts to Tang."""
    port = declared["tang_port"]
    assert declared.flows is not None, "the environment declares no flows"
    return [
        f"{end} ({flow['name']})"
        for flow in declared.flows["flows"]
        if declared.host in flow["to"] and flow["protocol"] == "tcp" and carries(flow, port)
        for end in flow["from"]
        if end not in declared.flows["hosts"]
    ]


def carries(flow: Mapping[str, Any], port: int) -> bool:
    """Whether a flow's ports, `22` or `8000-8010`, have this one."""
    ranges = [str(ports).split("-") for ports in flow["ports"]]
    return any(int(ends[0]) <= port <= int(ends[-1]) for ends in ranges)
