"""The procedures: each page has its head, and every command that it gives is one that exists.

`python tests/unit/test_procedures.py` has the lab's register approve the pages as they are.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

import click
import pytest
import yaml
from jsonschema import Draft202012Validator

from orchestrator.catalogue import load_catalogue
from orchestrator.cli import cli
from orchestrator.environment import load_environment
from orchestrator.environment.documents import document_file, file_digest
from orchestrator.environment.register_definitions import (
    register_definition,
    register_definitions,
)
from orchestrator.environment.registers import read_register
from orchestrator.errors import PasInfraError
from orchestrator.procedures import procedures, read_procedure
from orchestrator.registers.entry import make_entry, register_to_add_to
from orchestrator.selection import role_names

ROOT = Path(__file__).parents[2]
LAB = ROOT / "inventories/lab"
REGISTER = LAB / "registers/documents.yml"
FOLDER = ROOT / "docs/procedures"
PAGES = sorted(FOLDER.glob("*.md"))
PROGRAM = "pas-infra"
BLOCK = re.compile(r"^( *)```(?:console|sh)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`((?:sudo )?pas-infra [^`]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MOVED = re.compile(r"^ *mv (/\S+) (/\S+)$", re.MULTILINE)
HEAD = "---\ntitle: T\nmeasures: [7.1.1]\nowner: RSSI\n---\n# T\n"


def commands(text: str) -> Iterator[str]:
    """Every command of ours that a page gives, in blocks and in sentences, as it is typed."""
    for _, block in BLOCK.findall(text):
        joined = re.sub(r"\\\n\s*", " ", block)
        for line in joined.splitlines():
            typed = line.strip().removeprefix("$ ")
            if typed.removeprefix("sudo ").startswith(f"{PROGRAM} "):
                yield typed
    for span in SPAN.findall(BLOCK.sub("", text)):
        yield re.sub(r"\s+", " ", span)


def words(command: str) -> list[str]:
    """The arguments behind the program's name, as far as they are its own."""
    lexer = shlex.shlex(command.removeprefix("sudo "), posix=True, punctuation_chars="|>&;")
    lexer.whitespace_split = True
    own = []
    for word in lexer:
        if set(word) & set("|>&;") and not set(word) - set("|>&;"):
            break
        own.append(word)
    return own[1:]


def parse(arguments: list[str]) -> tuple[str, dict[str, object]]:
    """The command and what it would be given; raises ClickException where it would refuse.

    Nothing is run. Files need not exist, and what is asked for may be left out only where the
    command itself asks.
    """
    command: click.Command = cli
    # A command remembers the help option of the first context that asks: it has to be the real one.
    context = click.Context(cli, info_name=PROGRAM, **cli.context_settings)
    while isinstance(command, click.Group) and arguments:
        name, found, rest = command.resolve_command(context, arguments)
        if found is None and command.invoke_without_command:
            break
        assert name is not None
        assert found is not None
        command, arguments = found, rest
        context = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group) and command.invoke_without_command:
            inner = [one for one in arguments if one in command.commands]
            if not inner:
                break
    given, more, _ = command.make_parser(context).parse_args(list(arguments))
    if more:
        raise click.UsageError(f"unexpected: {' '.join(more)}", context)
    for parameter in command.get_params(context):
        value = given.get(str(parameter.name))
        # Click has a sentinel of its own for what was not given, by version another one.
        missing = not isinstance(value, str | list | tuple | bool) or value in ("", [], ())
        if parameter.required and missing:
            raise click.MissingParameter(ctx=context, param=parameter)
        if not missing and not isinstance(parameter.type, click.Path | click.File):
            parameter.type_cast_value(context, value)
    return context.command_path, given


def entries_to_add(text: str) -> Iterator[tuple[str, list[str]]]:
    """Every entry that a page has somebody add in full, by its register."""
    for command in commands(text):
        path, given = parse(words(command))
        fields = given.get("fields") or given.get("given")
        if path == f"{PROGRAM} register add" and fields:
            assert isinstance(fields, list)
            yield str(given["name"]), fields


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_exists(page: Path) -> None:
    found = list(commands(page.read_text()))
    assert len(found) >= 2
    for command in found:
        try:
            parse(words(command))
        except click.ClickException as error:
            pytest.fail(f"{page.name}: {command}: {error.format_message()}")


def test_what_the_commands_name_exists() -> None:
    """Roles, measures, registers; hosts and clients are those of the lab."""
    lab = load_environment(LAB)
    hosts = {host.name for host in lab.hosts}
    sets = {f"{one.host}/{one.name}" for one in lab.data_sets}
    known = {
        "roles": set(role_names()),
        "measures": {measure.number for measure in load_catalogue()},
        "number": {measure.number for measure in load_catalogue()},
        "register": set(register_definitions()),
        "host": hosts,
        "set": sets | {f"{client.host}/client-{client.name}" for client in lab.clients},
        "client": {client.name for client in lab.clients},
    }
    seen: set[str] = set()
    for page in PAGES:
        for command in commands(page.read_text()):
            path, given = parse(words(command))
            for of, value in named(path, given):
                assert value in known[of], f"{page.name}: {command}: no {of} {value}"
                seen.add(of)
    assert seen == set(known)


def named(path: str, given: dict[str, object]) -> Iterator[tuple[str, str]]:
    """What a command names, and of which kind it is."""
    group = path.split()[1]
    kinds = {"roles": "roles", "measures": "measures", "hosts": "host", "host_name": "host",
             "host": "host", "sets": "set"}  # fmt: skip
    if group in ("plan", "apply", "verify", "drift"):
        kinds["limit"] = "host"
    if path == f"{PROGRAM} measures":
        kinds["number"] = "number"
    kinds |= {
        "register": {"name": "register", "names": "register"},
        "client": {"name": "client"},
        "backup": {"name": "set"},
    }.get(group, {})
    for parameter, of in kinds.items():
        value = given.get(parameter)
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, str) and one:
                yield of, one


WRONG = {
    "pas-infra restore rbx7": "No such command",
    "pas-infra backup undo": "No such command",
    "pas-infra drift shew 3f0a": "unexpected|No such command",
    "pas-infra apply --limits rbx7": "No such option",
    "pas-infra drift show --lmit rbx7": "No such option",
    "pas-infra backup restore rbx7/system": "Missing|--to",
    "pas-infra vulns decide CVE-2026-1 --host rbx7 --decision maybe --reason x": "maybe",
    "pas-infra keys rotate": "Missing",
    "pas-infra unlock rbx7 sysfab": "unexpected",
    "pas-infra report --max-age often": "often",
    "sudo pas-infra drift schedule --once": "No such option",
}


@pytest.mark.parametrize("command", WRONG)
def test_a_command_that_does_not_exist_is_found(command: str) -> None:
    for text in (f"```console\n$ {command}\n```\n", f"Faire `{command}` puis attendre.\n"):
        (found,) = commands(text)
        with pytest.raises(click.ClickException) as refused:
            parse(words(found))
        assert re.search(WRONG[command], refused.value.format_message())


def test_what_follows_a_command_is_not_its_own() -> None:
    text = "```sh\npas-infra access list \\\n    --json > a.json\necho pas-infra\n```\n"
    assert [words(one) for one in commands(text)] == [["access", "list", "--json"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_entry_that_a_page_adds_would_be_taken(page: Path) -> None:
    for name, fields in entries_to_add(page.read_text()):
        given: dict[str, list[str]] = {}
        for field in fields:
            key, _, value = str(field).partition("=")
            given.setdefault(key, []).append(value)
        definition = register_to_add_to(name)
        entry = make_entry(definition, given, directory=LAB, by="lab", today=date(2026, 11, 26))
        plain = {
            key: value.isoformat() if isinstance(value, date) else value
            for key, value in entry.items()
        }
        faults = [one.message for one in Draft202012Validator(definition.entry).iter_errors(plain)]
        assert not faults, f"{page.name}, {name}: {faults}"


def test_the_pages_add_entries() -> None:
    registers = {name for page in PAGES for name, _ in entries_to_add(page.read_text())}
    assert {
        "incidents", "personal_data_breaches", "changes", "continuity_exercises",
        "procedure_exercises",
    } <= registers  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_a_heading(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        file, _, heading = target.partition("#")
        there = (page.parent / file) if file else page
        assert there.is_file(), target
        anchors = {
            re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
            for line in there.read_text().splitlines()
            if line.startswith("#")
        }
        assert not heading or heading in anchors, target


@pytest.mark.parametrize("one", procedures(), ids=lambda one: one.name)
def test_a_page_is_a_procedure(one: object) -> None:
    (procedure,) = [each for each in procedures() if each == one]
    text = procedure.file.read_text()
    assert f"\n# {procedure.title}\n" in text
    assert "7.1.1" in procedure.measures
    for said in ("**Qui**", "révenir", "## Consigner", "**Sinon**"):
        assert said in text or (said == "**Sinon**" and "il s'affiche" in text), said
    watched = {
        number
        for check in register_definition("procedure_exercises").checks
        for number in check.measures
    }
    assert not procedure.exercise_months or watched & set(procedure.measures), "no check sees it"


def test_no_page_is_no_procedure_that_is_approved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs/procedures").mkdir(parents=True)
    shutil.copy(FOLDER / "README.md", tmp_path / "docs/procedures")
    monkeypatch.setattr("orchestrator.procedures.project_root", lambda: tmp_path)
    with pytest.raises(PasInfraError, match="there is no operating procedure") as error:
        procedures()
    assert error.value.next_step


def test_the_index_names_every_page() -> None:
    named = set(LINK.findall((FOLDER / "README.md").read_text()))
    assert {page.name for page in PAGES} - {"README.md"} <= named
    assert len(procedures()) == len(PAGES) - 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_table_is_in_one_piece(page: Path) -> None:
    """A row that is indented otherwise than the one before ends the table, and is read as text."""
    lines = page.read_text().splitlines()
    for before, line in pairwise(lines):
        if before.lstrip().startswith("|") and line.lstrip().startswith("|"):
            assert line.index("|") == before.index("|"), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_no_backup_takes_stays_out_where_it_is_put_aside(page: Path) -> None:
    defaults = yaml.safe_load((ROOT / "roles/backup_source/defaults/main.yml").read_text())
    never = [Path(one) for one in defaults["backup_source_never"]]

    for source, target in MOVED.findall(page.read_text()):
        holds_some = any(one.is_relative_to(source) for one in never)
        left_out = [
            any(Path(path).is_relative_to(one) for one in never) for path in (source, target)
        ]
        assert left_out[1] or not (holds_some or left_out[0]), target


def test_something_is_put_aside() -> None:
    assert len(MOVED.findall((FOLDER / "continuite.md").read_text())) == 2


DISK_PAGES = (FOLDER / "perte-d-un-disque.md", ROOT / "docs/how-to/install.md")


@pytest.mark.parametrize("page", DISK_PAGES, ids=lambda page: page.stem)
@pytest.mark.parametrize(
    ("stays", "new", "part"), [("sda", "sdb", ""), ("nvme0n1", "nvme1n1", "p")]
)
def test_a_new_disk_gets_its_partitions(
    tmp_path: Path, page: Path, stays: str, new: str, part: str
) -> None:
    """The commands of the page, with programs that only tell how they were called."""
    blocks = [block for _, block in BLOCK.findall(page.read_text())]
    block = "\n".join(one for one in blocks if "mdadm" in one or "wipefs" in one)
    for program in ("lsblk", "wipefs", "sfdisk", "mdadm", "grub-install"):
        (tmp_path / program).write_text(f'#!/bin/sh\necho {program} "$@" >> {tmp_path}/told\n')
        (tmp_path / program).chmod(0o755)
    disks = f"stays=/dev/{stays} new=/dev/{new} p={part}"
    assert disks in block, "the page says what to type for such a disk"
    typed = re.sub("^ *stays=.*$", disks, block, count=1, flags=re.MULTILINE)
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["bash", "-uc", typed], env={"PATH": path}, check=True, timeout=60)
    told = (tmp_path / "told").read_text().splitlines()
    assert [line for line in told if line.startswith(("lsblk", "wipefs"))] == [
        "lsblk -o NAME,SIZE,SERIAL", f"wipefs --no-act /dev/{new}",
    ]  # fmt: skip
    # They run side by side, in no order.
    assert {f"sfdisk --dump /dev/{stays}", f"sfdisk /dev/{new}"} == set(told[2:4])
    added = [line.rpartition(" ")[2] for line in told if "--add" in line]
    assert added == [f"/dev/{new}{part}{number}" for number in (2, 3, 4)]
    assert told[-1] == f"grub-install --target=i386-pc /dev/{new}"


def test_a_new_disk_is_accepted_once_all_is_well() -> None:
    given = [parse(words(one))[0] for one in commands(DISK_PAGES[0].read_text())]
    assert given[-3:] == [
        f"{PROGRAM} verify", f"{PROGRAM} inventory", f"{PROGRAM} drift baseline",
    ]  # fmt: skip


BROKEN = {
    "no head": ("# T\n", "has no head"),
    "an open head": ("---\ntitle: T\n", "has no head"),
    "no YAML": (HEAD.replace("title: T", "title: ["), "is no YAML"),
    "no fields": ("---\n- a\n---\n", "has no fields"),
    "no title": (HEAD.replace("title: T\n", ""), "`title` is missing"),
    "no owner": (HEAD.replace("owner: RSSI\n", ""), "`owner` is missing"),
    "another field": (HEAD.replace("owner:", "owners: x\nowner:"), "`owners` is no field"),
    "not a list": (HEAD.replace("[7.1.1]", "7.1.1"), "`measures` is `7.1.1`"),
    "unknown measure": (HEAD.replace("7.1.1", "7.9.1"), "there is no measure 7.9.1"),
    "unknown owner": (HEAD.replace("RSSI", "Concierge"), "no role is called Concierge"),
    "an interval in words": (HEAD.replace("owner:", "exercise_months: often\nowner:"), "`often`"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_head_that_is_wrong_is_named(tmp_path: Path, name: str) -> None:
    text, says = BROKEN[name]
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(PasInfraError, match="procedure page: ") as error:
        read_procedure(page)
    assert says in error.value.what
    assert error.value.where == str(page)
    assert error.value.next_step


def test_the_lab_approves_what_is_delivered() -> None:
    entries = {entry["document"]: entry for entry in read_register(LAB, "documents")}
    for one in procedures():
        entry = entries[one.name]
        assert (entry["title"], tuple(entry["measures"])) == (one.title, one.measures)
        assert entry["sha256"] == file_digest(one.file.read_bytes()), (
            f"{one.name} was changed: python {Path(__file__).relative_to(ROOT)}"
        )


def test_a_copy_of_the_environment_comes_first(tmp_path: Path) -> None:
    name = "docs/procedures/restauration.md"
    assert document_file(tmp_path, name) == ROOT / name
    (tmp_path / "docs/procedures").mkdir(parents=True)
    shutil.copy(ROOT / name, tmp_path / name)
    assert document_file(tmp_path, name) == tmp_path / name
    assert not document_file(tmp_path, "documents/none.md").exists()


if __name__ == "__main__":
    known = REGISTER.read_text()
    for each in procedures():
        known = re.sub(
            rf"(  file: docs/procedures/{each.name}\.md\n(?:  .*\n)*?  sha256: )[0-9a-f]+",
            rf"\g<1>{file_digest(each.file.read_bytes())}",
            known,
        )
    REGISTER.write_text(known)
