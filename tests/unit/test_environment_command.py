"""The environments that come with the program, how they are found, and `pas-infra env`."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from orchestrator.cli import run
from orchestrator.environment import environment_names, find_environment, load_environment
from orchestrator.environment.shape import SchemaName, schema
from orchestrator.errors import PasInfraError
from orchestrator.paths import project_root

ROOT = project_root()
SHIPPED = ["lab", "production"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PAS_INFRA_ENV", raising=False)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shipped_is_valid(name: str) -> None:
    environment = load_environment(name)
    assert environment.directory == ROOT / "inventories" / name
    assert [host.name for host in environment.hosts] == ["rbx7", "sysfab", "bastion"]


def test_production_addresses_are_reserved_for_documentation() -> None:
    addresses = [host.address for host in load_environment("production").hosts]
    reserved = ("192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:")
    assert all(address.startswith(reserved) for address in addresses)


@pytest.mark.parametrize("form", ["inventories/lab", "inventories/lab/hosts.yml"])
def test_plain_ansible_reads_the_lab(form: str) -> None:
    listed = subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), "-i", form, "--list"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    theirs = json.loads(listed.stdout)["_meta"]["hostvars"]
    assert theirs == {host.name: host.variables for host in load_environment("lab").hosts}


def test_the_current_directory_comes_first(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "inventories" / "production", tmp_path / "inventories" / "production")
    shutil.copytree(ROOT / "inventories" / "production", tmp_path / "inventories" / "mine")
    assert environment_names() == ["lab", "mine", "production"]
    assert find_environment("production") == tmp_path / "inventories" / "production"
    assert find_environment("lab") == ROOT / "inventories" / "lab"
    assert find_environment("inventories/mine") == tmp_path / "inventories" / "mine"


def test_an_unknown_environment_is_corrected() -> None:
    with pytest.raises(PasInfraError, match="no environment `prodution`") as caught:
        find_environment("prodution")
    assert caught.value.next_step == "did you mean `production`?"


def test_names_need_nothing_heavy() -> None:
    script = (
        "import sys; from orchestrator.environment import environment_names;"
        "assert environment_names() == ['lab', 'production'];"
        "print(*{'jsonschema', 'ansible', 'rich', 'jinja2'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == ""


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["env", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["kind"]) for row in rows] == [
        ("lab", "lab"),
        ("production", "production"),
    ]
    assert run(["env", "list"]) == 0
    assert "Laboratoire local" in capsys.readouterr().out


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["env", "show", "production"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"sysfab +198\.51\.100\.12 +Cible des sauvegardes +SYSFAB +Paris", shown)
    assert run(["env", "show", "production", "--json"]) == 0
    rbx7 = json.loads(capsys.readouterr().out)["hosts"][0]
    assert rbx7 == {
        "name": "rbx7",
        "address": "192.0.2.11",
        "function": "Serveur dédié qui porte le service",
        "supplier": "OVHcloud",
        "place": {"city": "Roubaix", "country": "FR"},
        "groups": [],
    }


def test_check_says_what_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["env", "check"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "ok: lab is a valid environment of kind lab" in captured.out


def test_check_reports_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "inventories" / "broken"
    shutil.copytree(ROOT / "inventories" / "production", broken)
    hosts = (broken / "hosts.yml").read_text()
    (broken / "hosts.yml").write_text(hosts.replace("2001:db8::13", "192.0.2.11"))
    (broken / "waivers.yml").write_text("- rule: 1\n")
    assert run(["env", "check", "broken"]) == 5
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{broken}/hosts.yml:10: bastion has the same address as rbx7" in captured.err
    assert f"{broken}/waivers.yml:1: entry 1.rule must be text" in captured.err
    assert run(["env", "check", "broken", "--json"]) == 5
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], len(report["problems"])) == (False, 8)


def _described(rules: Any) -> Iterator[tuple[str, str]]:
    for key, inner in rules.get("properties", {}).items():
        if "description" in inner:
            yield key, inner["description"]
    for inner in rules.values():
        if isinstance(inner, dict):
            yield from _described(inner)


@pytest.mark.parametrize("name", get_args(SchemaName))
def test_the_reference_says_what_the_schema_says(name: Any) -> None:
    page = (ROOT / "docs" / "reference" / "environment.md").read_text()
    described = list(_described(schema(name)))
    assert described
    missing = [
        key
        for key, text in described
        if not re.search(rf"^\| `[^|]*{key}` \|.*{re.escape(text)}", page, re.MULTILINE)
    ]
    assert missing == []
