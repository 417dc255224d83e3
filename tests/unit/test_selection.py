"""What a command narrows itself down to."""

from pathlib import Path

import pytest

from orchestrator.environment import ControlNode, Environment, Host, Place
from orchestrator.errors import PasInfraError
from orchestrator.selection import Selection, role_names, select

HERE = Place("Lille", "FR")


def host(name: str, *groups: str) -> Host:
    return Host(name, "198.18.0.1", groups, "Web", "Somebody", HERE, {})


ENVIRONMENT = Environment(
    name="small", kind="lab", directory=Path("small"), description="",
    control_node=ControlNode(HERE, None), store_directory=Path("state"), pas_document=None,
    vault=None, hosts=(host("web1", "web", "front"), host("web2", "web"), host("data1")),
    lab=None, people=None, waivers=(), files=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "hosts"),
    [
        ((), ("web1", "web2", "data1")),
        (("all",), ("web1", "web2", "data1")),
        (("web2",), ("web2",)),
        (("web",), ("web1", "web2")),
        (("front,data1",), ("web1", "data1")),
        (("data1", "web1"), ("web1", "data1")),
        (("web,web1",), ("web1", "web2")),
        ((",",), ("web1", "web2", "data1")),
    ],
)
def test_a_limit_names_hosts_and_groups_and_keeps_their_order(
    limit: tuple[str, ...], hosts: tuple[str, ...]
) -> None:
    assert select(ENVIRONMENT, limit=limit).hosts == hosts


@pytest.mark.parametrize(
    ("narrowed", "message", "remedy"),
    [
        ({"limit": ["web9"]}, "no host or group web9", "web1, web2, data1, front, web"),
        ({"limit": ["web1,db"]}, "no host or group db", "web1"),
        ({"limit": ["!web1"]}, "no host or group !web1", "web1"),
        ({"roles": ["sssh"]}, "no role `sssh`", "ssh"),
        ({"measures": ["99.1"]}, "99.1", ""),
    ],
)
def test_an_unknown_name_is_refused(
    narrowed: dict[str, list[str]], message: str, remedy: str
) -> None:
    with pytest.raises(PasInfraError, match=message) as caught:
        select(ENVIRONMENT, **narrowed)
    assert remedy in str(caught.value.next_step)


@pytest.mark.parametrize(
    ("roles", "measures", "tags", "skipped"),
    [
        ((), (), (), set()),
        (("ssh",), (), ("ssh",), set()),
        (("ssh", "time"), (), ("ssh", "time"), set()),
        ((), ("6.2.1", "5.5.2"), ("pas_6_2_1", "pas_5_5_2"), set()),
        (("ssh",), ("6.2.1",), ("pas_6_2_1",), set(role_names()) - {"ssh"}),
    ],
)
def test_tags_narrow_and_never_widen(
    roles: tuple[str, ...], measures: tuple[str, ...], tags: tuple[str, ...], skipped: set[str]
) -> None:
    selection = Selection(("web1",), roles, measures)
    assert (selection.tags, set(selection.skip_tags)) == (tags, skipped)


def test_a_role_is_one_of_the_site(tmp_path: Path) -> None:
    site = tmp_path / "playbooks/site.yml"
    site.parent.mkdir()
    site.write_text("- hosts: all\n  roles: [{role: b}]\n- hosts: web\n  roles: [{role: a}]\n")
    # One that an operation of its own calls, such as an installation, is no part of an apply.
    assert {"ssh", "hardening"} <= set(role_names())
    assert "installation" not in role_names()
    assert role_names(tmp_path) == ("a", "b")
