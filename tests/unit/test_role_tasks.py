"""Roles are honest in check mode, and leave nothing of what they write to chance.

What drift says of a host is what these tasks say in check mode: one that is skipped there is blind.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.paths import project_root
from orchestrator.selection import role_names

COMMANDS = {"command", "shell", "script", "raw"}
EDITS = {"lineinfile", "blockinfile", "replace"}
# Who gets in, and as whom.
SECURITY = re.compile(
    r"/etc/(?:passwd|shadow|group|gshadow|sudoers|pam[.]|ssh/|security/|nftables)"
)
# Of a file that has another content each time nobody can say that it has not changed.
VOLATILE = re.compile(r"now\(|ansible_date_time|strftime|ansible_facts\['date_time'\]|random\b")

# Never in check mode: it builds a system where there is none.
BUILDS = {"installation"}
# Each with the reason why it may.
SKIPPED_IN_CHECK_MODE = {
    ("accounts", "End the sessions, processes and waiting jobs of who has left"):
        "nothing runs for somebody whose account is gone: its removal is what is told",
    ("firewall", "Have the kernel follow the connections of administration"):
        "lasts for the change of rules only, which is told by the task that loads them",
}  # fmt: skip
EDITED_IN_PLACE = {
    ("accounts", "Forget the former passwords of who has left"):
        "a line of somebody who has gone is taken out; nobody reads it to let anybody in",
    ("accounts", "Remove accounts that are root under another name"):
        "takes lines out only, under the confirmed commit, which brings the file back",
    ("accounts", "Forget the passwords of root's other names"):
        "takes lines out only, under the confirmed commit, which brings the file back",
    ("accounts", "Keep everybody out of the group by which a host is delivered"):
        "empties one list of members, under the confirmed commit, which brings the file back",
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    role: str
    name: str
    module: str
    given: dict[str, Any]
    words: dict[str, Any]
    handler: bool = False

    @property
    def id(self) -> str:
        return f"{self.role}: {self.name}"

    @property
    def key(self) -> tuple[str, str]:
        return self.role, self.name


def tasks_of(items: Any, outer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in items or []:
        blocks = [item[word] for word in ("block", "rescue", "always") if word in item]
        if not blocks:
            yield outer | item
        inner = {word: value for word, value in item.items() if word in ("check_mode", "when")}
        for block in blocks:
            yield from tasks_of(block, outer | inner)


def read(file: Path) -> Iterator[Task]:
    for words in tasks_of(yaml.safe_load(file.read_text()), {}):
        for word, value in words.items():
            if word.startswith("ansible.builtin."):
                given = value if isinstance(value, dict) else {}
                yield Task(
                    file.relative_to(project_root() / "roles").parts[0],
                    str(words.get("name")),
                    word.removeprefix("ansible.builtin."),
                    {**given, **words.get("args", {})},
                    words,
                    "handlers" in file.parts,
                )


FILES = sorted((project_root() / "roles").glob("*/[th]a*s/**/*.yml")) + sorted(
    (project_root() / "roles").glob("*/handlers/*.yml")
)
TASKS = [task for file in FILES for task in read(file)]


def test_there_is_something_to_look_at() -> None:
    assert len(TASKS) > 400
    assert len([one for one in TASKS if one.module in COMMANDS]) > 60
    known = {one.key for one in TASKS}
    assert set(SKIPPED_IN_CHECK_MODE) | set(EDITED_IN_PLACE) <= known


def is_blind(task: Task) -> bool:
    """Whether check mode skips it without a word."""
    if task.module not in COMMANDS or task.handler or task.role in BUILDS:
        return False
    if {"creates", "removes"} & task.given.keys() or "check_mode" in task.words:
        return False
    return "ansible_check_mode" not in str(task.words.get("when", ""))


def lacks(task: Task) -> set[str]:
    """What is left to the umask, or to who made it before."""
    if task.module in ("copy", "template"):
        return (
            {"owner", "group", "mode"}
            - task.given.keys()
            - ({"owner", "group"} if task.role in BUILDS or "delegate_to" in task.words else set())
        )
    if task.module == "file" and task.given.get("state") == "directory":
        return {"owner", "group", "mode"} - task.given.keys()
    return set()


def edits_what_lets_in(task: Task) -> bool:
    """Whether it edits, without a check of the whole, a file that says who gets in."""
    path = str(task.given.get("path", ""))
    return task.module in EDITS and bool(SECURITY.match(path)) and "validate" not in task.given


@pytest.mark.parametrize("task", [one for one in TASKS if is_blind(one)], ids=lambda one: one.id)
def test_what_check_mode_skips_has_a_reason(task: Task) -> None:
    assert task.key in SKIPPED_IN_CHECK_MODE, "give it creates, removes or check_mode"


def test_nothing_that_is_written_is_left_to_chance() -> None:
    assert {task.id: lacks(task) for task in TASKS if lacks(task)} == {}


@pytest.mark.parametrize(
    "task", [one for one in TASKS if edits_what_lets_in(one)], ids=lambda one: one.id
)
def test_what_lets_somebody_in_is_written_whole(task: Task) -> None:
    assert task.key in EDITED_IN_PLACE, "write the file from a template, with validate"


def test_no_template_has_another_content_each_time() -> None:
    templates = (project_root() / "roles").glob("*/templates/**/*.j2")
    found = [str(one) for one in templates if VOLATILE.search(one.read_text())]
    assert found == []


# ── And the rules see what they are for ────────────────────────────────────────────────────────
WRONG = """
- name: Skipped
  ansible.builtin.command: {argv: [x]}
- name: Half
  ansible.builtin.template: {src: a, dest: b, mode: "0644"}
- name: In place
  ansible.builtin.lineinfile: {path: /etc/ssh/sshd_config, line: PermitRootLogin yes}
- name: Looks
  block:
    - name: Inside
      ansible.builtin.shell: {cmd: x}
  check_mode: false
- name: Makes
  ansible.builtin.command: {argv: [x], creates: y}
- name: Not then
  ansible.builtin.command: {argv: [x]}
  when: not ansible_check_mode
"""


def test_the_rules_see_what_they_are_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.project_root", lambda: tmp_path)
    file = tmp_path / "roles/x/tasks/main.yml"
    file.parent.mkdir(parents=True)
    file.write_text(WRONG)
    found = list(read(file))
    assert len(found) == 6
    assert [one.name for one in found if is_blind(one)] == ["Skipped"]
    assert {one.name: lacks(one) for one in found if lacks(one)} == {"Half": {"owner", "group"}}
    assert [one.name for one in found if edits_what_lets_in(one)] == ["In place"]
    assert VOLATILE.search("# {{ now() }}")


# What makes a device new, or takes from one what opens it.
FORMATS = re.compile(
    r"\bmk(?:fs|swap|e2fs)\b|luksFormat|luksErase|\b(?:f|sf|g|sg)disk\b|\bparted\b|\bwipefs\b|\bblkdiscard\b"
    r"|\b(?:pv|vg|lv)(?:create|remove)\b|mdadm\s.*--(?:create|zero-superblock)|\bdd\s.*of=|\bshred\b"
    r"|\b(?:luks_device|filesystem|lvg|lvol|parted|zfs):"
)


def lines_that_format(role: str) -> list[str]:
    """Lines of what a role runs or sends to hosts; its README and its arguments only tell of it."""
    root = project_root() / "roles" / role
    told = {"README.md", "argument_specs.yml"}
    return [
        f"{file.relative_to(root)}: {line.strip()}"
        for file in sorted(root.rglob("*"))
        if file.is_file() and file.name not in told and "__pycache__" not in file.parts
        for line in file.read_text("utf-8").splitlines()
        if FORMATS.search(line) and not line.lstrip().startswith("#")
    ]


@pytest.mark.parametrize("role", role_names())
def test_nothing_that_an_apply_runs_can_format_a_device(role: str) -> None:
    assert lines_that_format(role) == []


def test_what_formats_devices_would_be_found() -> None:
    found = "\n".join(lines_that_format("installation"))
    for word in ("luks_device", "sfdisk", "mdadm --quiet --create", "wipefs", "dd if=/dev/zero"):
        assert word in found, found
