"""A saved plan: kept to itself, read back as it was, refused when it no longer holds."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engine import Strategy
from orchestrator.environment import ControlNode, Environment, Place, Waiver
from orchestrator.errors import PasInfraError
from orchestrator.plan import (
    Change,
    Plan,
    beyond,
    change_of,
    inputs_of,
    plan_inputs,
    read_plan,
    save_plan,
    site_request,
    stale_because,
)
from orchestrator.records import TaskResult, TaskStatus
from orchestrator.selection import Selection

CHANGE = Change("web1", "ssh", "Write « sshd »", ("6.2.1", "5.5.2"), "--- a\n+++ a\n+é\n")
PLAN = Plan(
    environment="small",
    directory="inventories/small",
    made="2026-03-01T22:15:30+00:00",
    commit="0123abcd+dirty",
    selection=Selection(("web1", "web2"), ("ssh",), ("6.2.1",)),
    strategy=Strategy.LINEAR,
    inputs={"roles/ssh/tasks/main.yml": "00"},
    changes=(CHANGE, replace(CHANGE, host="web2", measures=())),
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for file in (
        "ansible.cfg",
        "playbooks/site.yml",
        "roles/ssh/tasks/main.yml",
        "roles/ssh/__pycache__/x.pyc",
        "inventories/small/hosts.yml",
    ):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a\n")
    monkeypatch.setattr("orchestrator.plan.project_root", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def environment(project: Path) -> Environment:
    directory = project / "inventories/small"
    return Environment(
        name="small", kind="lab", directory=directory, description="",
        control_node=ControlNode(Place("Lille", "FR"), None), store_directory=project / "state",
        pas_document=None, vault=None, hosts=(), lab=None, people=None, waivers=(),
        files=(directory / "hosts.yml",),
    )  # fmt: skip


def test_a_plan_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    save_plan(PLAN, tmp_path / "plan")
    assert read_plan(tmp_path / "plan") == PLAN


@pytest.mark.parametrize("before", [None, 0o644, 0o666])
def test_only_its_owner_may_read_it(tmp_path: Path, before: int | None) -> None:
    path = tmp_path / "plan"
    if before is not None:
        path.write_text("an older one, and longer than nothing")
        path.chmod(before)
    save_plan(PLAN, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_plan(path) == PLAN


def edited(edit: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def apply(text: str) -> str:
        content = json.loads(text)
        edit(content)
        return json.dumps(content)

    return apply


BROKEN: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "truncated": lambda text: text[: len(text) // 2],
    "one character short": lambda text: text[:-1],
    "not JSON": lambda _: "all:\n  hosts:\n",
    "a number": lambda _: "5",
    "a text": lambda _: '"plan"',
    "a list": lambda _: "[]",
    "nothing": lambda _: "null",
    "without format": edited(lambda plan: plan.pop("format")),
    "another format": edited(lambda plan: plan.update(format=0)),
    "without changes": edited(lambda plan: plan.pop("changes")),
    "without a selection": edited(lambda plan: plan.update(selection=None)),
    "without inputs": edited(lambda plan: plan.pop("inputs")),
    "inputs that are a text": edited(lambda plan: plan.update(inputs="none")),
    "an unknown strategy": edited(lambda plan: plan.update(strategy="free")),
    "an unknown key": edited(lambda plan: plan.update(force=True)),
    "a change without its host": edited(lambda plan: plan["changes"][0].pop("host")),
    "changes that are a text": edited(lambda plan: plan.update(changes="none")),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_no_plan_is_refused_with_the_remedy(tmp_path: Path, how: str) -> None:
    path = tmp_path / "plan"
    save_plan(PLAN, path)
    path.write_text(BROKEN[how](path.read_text()))
    with pytest.raises(PasInfraError) as caught:
        read_plan(path)
    assert caught.value.where == str(path)
    assert caught.value.next_step == "make a new one: pas-infra plan -o FILE"


def test_what_is_not_text_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("binary", "absent"):
        with pytest.raises(PasInfraError, match="no plan that can be read"):
            read_plan(tmp_path / name)


def test_an_untouched_project_leaves_a_plan_fresh(environment: Environment) -> None:
    plan = replace(PLAN, inputs=plan_inputs(environment))
    assert stale_because(plan, environment) == []


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("ansible.cfg", "b\n", "has changed"),
        ("playbooks/site.yml", "b\n", "has changed"),
        ("roles/ssh/tasks/main.yml", "a\n\n", "has changed"),
        ("inventories/small/hosts.yml", "b\n", "has changed"),
        ("roles/ssh/templates/new.j2", "", "is new"),
        ("roles/ssh/tasks/main.yml", None, "is gone"),
    ],
)
def test_whatever_shapes_a_run_makes_a_plan_stale(
    environment: Environment, project: Path, file: str, content: str | None, reason: str
) -> None:
    plan = replace(PLAN, inputs=plan_inputs(environment))
    path = project / file
    if content is None:
        path.unlink()
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    assert stale_because(plan, environment) == [f"{path} {reason}"]


def test_another_version_of_a_program_makes_a_plan_stale(environment: Environment) -> None:
    inputs = plan_inputs(environment) | {"version of ansible-core": "2.1"}
    reasons = stale_because(replace(PLAN, inputs=inputs), environment)
    assert reasons == ["version of ansible-core has changed"]


def test_compiled_files_are_no_input(environment: Environment) -> None:
    assert not [name for name in plan_inputs(environment) if "__pycache__" in name]


@pytest.mark.parametrize(
    ("change", "more"),
    [
        ({}, []),
        ({"host": "web3"}, ["web3: ssh : Write « sshd »"]),
        ({"diff": "another"}, ["web1: ssh : Write « sshd »"]),
        ({"task": "Another"}, ["web1: ssh : Another"]),
    ],
)
def test_what_the_hosts_would_change_beyond_what_was_approved(
    change: dict[str, str], more: list[str]
) -> None:
    fresh = replace(PLAN, changes=(replace(CHANGE, **change),))  # type: ignore[arg-type]
    assert beyond(PLAN, fresh) == more


def test_plan_and_apply_ask_for_the_same_but_for_check_mode(environment: Environment) -> None:
    plan, apply = (
        site_request(environment, PLAN.selection, Strategy.LINEAR, check=check)
        for check in (True, False)
    )
    assert (plan.check, apply.check) == (True, False)
    assert replace(plan, check=False) == apply
    assert (plan.hosts, plan.tags) == (("web1", "web2"), ("pas_6_2_1",))


def test_a_result_becomes_a_change() -> None:
    result = TaskResult(
        "web1", "ssh", "Write", "copy", TaskStatus.CHANGED, ("6.2.1",), "+x\n", "message", 1.0
    )
    assert change_of(result) == Change("web1", "ssh", "Write", ("6.2.1",), "+x\n")


def test_inputs_are_told_apart_by_what_they_belong_to(environment: Environment) -> None:
    found = inputs_of(environment)
    assert set(found) == {
        "role ssh", "playbooks", "programs", "hosts.yml", "waived recommendations",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("roles/ssh/tasks/main.yml", "role ssh"),
        ("playbooks/site.yml", "playbooks"),
        ("inventories/small/hosts.yml", "hosts.yml"),
    ],
)
def test_a_change_shows_in_its_own_input(
    project: Path, environment: Environment, file: str, changed: str
) -> None:
    before = inputs_of(environment)
    (project / file).write_text("b\n")
    after = inputs_of(environment)
    assert [name for name in after if after[name] != before[name]] == [changed]


def test_inputs_are_the_same_wherever_they_lie(
    project: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = inputs_of(environment)
    other = project.rename(project.with_name("elsewhere"))
    monkeypatch.setattr("orchestrator.plan.project_root", lambda: other)
    directory = other / "inventories/small"
    moved = replace(environment, directory=directory, files=(directory / "hosts.yml",))
    assert inputs_of(moved) == before


def test_of_the_waivers_only_those_that_roles_heed_count(environment: Environment) -> None:
    before = inputs_of(environment)
    ours = Waiver("drift:changed file /etc/issue", "A", "A", "A", date(2099, 12, 31), None)
    theirs = replace(ours, rule="ANSSI-BP-028 R36")
    assert inputs_of(replace(environment, waivers=(ours,))) == before
    assert inputs_of(replace(environment, waivers=(theirs,))) != before
