"""An environment is loaded as a whole; each fault is reported where it stands, all at once."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path

import pytest

from orchestrator.environment import Environment, Place, load_environment
from orchestrator.errors import ConfigurationInvalid, PasInfraError, Problem

ENVIRONMENT = """\
kind: lab
description: A small one
control_node:
  place: {city: Lille, country: FR}
hosts:
  web1:
    function: Web
    supplier: Somebody
    place: {city: Lille, country: FR}
  web2:
    function: Web
    supplier: Somebody
    place: {city: Paris, country: FR}
variables: [site_owner]
"""
HOSTS = """\
all:
  hosts:
    web1:
      ansible_host: 198.18.0.11
      web_port: 8080
  children:
    shop:
      hosts:
        web2:
          ansible_host: 2001:2:0::12
      vars:
        web_mode: quick
"""
LAB = """\
networks:
  wan: {ipv4: 198.18.0.0/24, ipv6: "2001:2::/64"}
machines:
  web1: {managed: true, backend: nspawn, image: server, memory_mb: 1024, cpus: 2,
         wan: [198.18.0.11, "2001:2::11"]}
  web2: {managed: true, backend: qemu, image: server, memory_mb: 2048, cpus: 1,
         wan: [198.18.0.12, "2001:2::12"]}
  other: {managed: false, backend: nspawn, image: scanner, memory_mb: 512, cpus: 1,
          wan: [198.18.0.31, "2001:2::31"]}
"""
WAIVERS = """\
- rule: web.tls
  reason: A reason
  compensating_measure: A measure
  approver: Somebody
  until: 2020-01-31
  hosts: [web1]
"""
ALL = """\
site_owner: somebody
web_name: "{{ inventory_hostname }}"
web_users:
  - {login: anna, admin: true}
"""
SPECS = """\
argument_specs:
  main:
    options:
      web_name: {type: str, required: true}
      web_port: {type: int, default: 80}
      web_ratio: {type: float}
      web_mode: {type: str, choices: [quick, careful], default: quick}
      web_flags: {type: list, elements: str, choices: [a, b]}
      web_log: {type: str, required: true}
      web_paths: {type: dict}
      web_users:
        type: list
        elements: dict
        options:
          login: {type: str, required: true}
          admin: {type: bool, default: false}
"""
PRODUCTION = """\
kind: production
description: The real one
control_node: {place: {city: Lille, country: FR}}
hosts: {}
"""


def data_set(*paths: str) -> str:
    """A data_sets.yml with one data set of these paths."""
    listed = "".join(f"      - {path}\n" for path in paths)
    return (
        f"data_sets:\n  - name: system\n    title: T\n    host: web1\n    paths:\n{listed}"
        "    needs: {availability: 3, integrity: 3, confidentiality: 3}\n"
    )


def clients(*named: tuple[str, str]) -> str:
    """A clients.yml with these names and hosts."""
    entry = (
        "  - name: {}\n    title: Acme SA\n    host: {}\n    volume_gb: 1\n    memory_mb: 128\n"
        "    cpu_percent: 50\n    tasks: 64\n    grace_days: 30\n"
    )
    return "clients:\n" + "".join(entry.format(*each) for each in named)


Edits = Mapping[str, str | tuple[str, str]]


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one role and one valid environment of kind lab, `inventories/small`."""
    write(
        tmp_path,
        {
            "roles/web/meta/argument_specs.yml": SPECS,
            "roles/web/defaults/main.yml": "web_log: /var/log/web\n",
            "roles/web_proxy/meta/argument_specs.yml": "argument_specs: {main: {options: {}}}\n",
            "playbooks/site.yml": "- hosts: all\n  roles: [web]\n",
            "inventories/small/environment.yml": ENVIRONMENT,
            "inventories/small/hosts.yml": HOSTS,
            "inventories/small/lab.yml": LAB,
            "inventories/small/waivers.yml": WAIVERS,
            "inventories/small/group_vars/all.yml": ALL,
        },
    )
    return tmp_path


def load(project: Path) -> Environment:
    return load_environment(project / "inventories" / "small", project=project)


def test_clients_are_read(project: Path) -> None:
    assert load(project).clients == ()
    write(project, {"inventories/small/clients.yml": clients(("acme", "web1"), ("beta", "web1"))})
    acme, beta = load(project).clients
    assert (acme.name, acme.title, acme.host, acme.grace_days) == ("acme", "Acme SA", "web1", 30)
    assert beta.as_data()["memory_mb"] == 128


def edit(project: Path, edits: Edits) -> None:
    for name, change in edits.items():
        file = project / name if "/" in name else project / "inventories" / "small" / name
        if isinstance(change, tuple):
            old, new = change
            assert old in file.read_text(), "the edit must change something"
            change = file.read_text().replace(old, new, 1)
        write(file.parent, {file.name: change})


def problems_of(project: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationInvalid) as caught:
        load(project)
    return caught.value.problems


def test_a_valid_environment_is_loaded(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(project / "state"))
    environment = load(project)
    small = project / "inventories" / "small"
    assert (environment.name, environment.kind, environment.vault) == ("small", "lab", None)
    assert environment.store_directory == project / "state/pas-infra/environments/small"
    assert environment.control_node.place == Place("Lille", "FR")
    assert environment.files == tuple(sorted(file for file in small.rglob("*") if file.is_file()))
    web1, web2 = environment.hosts
    assert (web1.name, web1.address, web1.groups) == ("web1", "198.18.0.11", ())
    assert (web2.address, web2.groups, web2.place.city) == ("2001:2::12", ("shop",), "Paris")
    assert web2.variables["web_mode"] == "quick"
    assert "web_mode" not in web1.variables
    assert environment.host("web2") is web2
    assert environment.lab is not None
    assert environment.lab.network("wan").ipv6 == IPv6Network("2001:2::/64")
    assert environment.lab.machine("other").ipv4 == IPv4Address("198.18.0.31")
    assert [machine.managed for machine in environment.lab.machines] == [True, True, False]
    (waiver,) = environment.waivers
    assert (waiver.until, waiver.hosts) == (date(2020, 1, 31), ("web1",))
    with pytest.raises(PasInfraError, match="no host `web3`"):
        environment.host("web3")


ENV, INV, ALLV = "environment.yml", "hosts.yml", "inventories/small/group_vars/all.yml"

# One fault each: what is edited, then the file and line it must be reported at, and the words.
FAULTS: dict[str, tuple[Edits, str, int | None, str, str]] = {
    "syntax": ({ENV: ("kind: lab", "kind: [lab")}, ENV, 2, "not valid YAML", "quotes"),
    "syntax of variables": ({ALLV: ALL + "- x\n"}, ALLV, 5, "not valid YAML", "indentation"),
    "control character": ({INV: HOSTS + "# \x07\n"}, INV, 13, "YAML forbids", "remove"),
    "unknown key": ({ENV: ("kind:", "knd: 1\nkind:")}, ENV, 1, "`knd` is unknown", "`kind`"),
    "unknown nested key": (
        {ENV: ("place: {city: Paris, country", "place: {city: Paris, county: FR, country")},
        ENV,
        13,
        "`county` is unknown in hosts.web2.place",
        "`country`",
    ),
    "missing key": (
        {ENV: ("    supplier: Somebody\n", "")},
        ENV,
        6,
        "`supplier` is missing in hosts.web1",
        "Who provides",
    ),
    "wrong type": ({ENV: ("A small one", "12")}, ENV, 2, "must be text", "quote it"),
    "empty": ({ENV: ("A small one", '""')}, ENV, 2, "description is empty", "One sentence"),
    "enum": ({ENV: ("kind: lab", "kind: labb")}, ENV, 1, "one of lab, production", "`lab`"),
    "country": ({ENV: ("country: FR", "country: France")}, ENV, 4, "two-letter", "ISO 3166"),
    "relative store": (
        {ENV: ("control_node:", "control_node:\n  store: var/x")},
        ENV,
        4,
        "an absolute path",
        "Absolute",
    ),
    "duplicate key": ({ENV: ("hosts:", "kind: lab\nhosts:")}, ENV, 5, "second time", "keep one"),
    "key is no text": ({ALLV: ALL + "web_paths: {on: /x}\n"}, ALLV, 5, "not text", '"on"'),
    "no contract": (
        {ENV: ("kind:", "pas_document: pas.md\nkind:")},
        ENV,
        1,
        "`pas.md` is not there",
        "write it",
    ),
    "host only in hosts.yml": (
        {INV: ("web1:", "web9: {ansible_host: 198.18.0.9}\n    web1:"), "lab.yml": LAB.replace(
            "  other: {managed: false", "  web9: {managed: true"
        ).replace("198.18.0.31", "198.18.0.9")},
        INV,
        3,
        "web9 has no entry",
        "function",
    ),
    "host only in environment.yml": (
        {ENV: ("  web2:", "  web3:\n    function: X\n    supplier: X\n"
               "    place: {city: X, country: FR}\n  web2:")},
        ENV,
        10,
        "web3 is not in hosts.yml",
        "add it there",
    ),
    "host range": (
        {INV: ("web1:", "web[1:9]: {ansible_host: 198.18.0.9}\n    web1:")},
        INV,
        3,
        "a host's name",
        "rename",
    ),
    "unknown inventory key": ({INV: ("vars:", "var:")}, INV, 11, "`var` is unknown", "`vars`"),
    "group in itself": (
        {INV: ("      vars:", "      children: {shop: {}}\n      vars:")},
        INV,
        11,
        "contains itself",
        "take it out",
    ),
    "vars of no group": (
        {"inventories/small/group_vars/shoop.yml": "{}\n"},
        "inventories/small/group_vars/shoop.yml",
        None,
        "no group `shoop`",
        "`shop`",
    ),
    "vars hidden by a directory": (
        {"inventories/small/group_vars/all/x.yml": "{}\n"},
        ALLV,
        None,
        "would read only one",
        "merge",
    ),
    "vars are a list": (
        {"inventories/small/host_vars/web1.yml": "- x\n"},
        "inventories/small/host_vars/web1.yml",
        1,
        "must be a mapping",
        "name: value",
    ),
    "misnamed file": (
        {"waiver.yml": "[]\n"},
        "waiver.yml",
        None,
        "nothing reads",
        "`waivers.yml`",
    ),
    "no address": ({INV: ("      ansible_host: 198.18.0.11\n", "")}, INV, 3, "no address", "give"),
    "no valid address": ({INV: ("198.18.0.11", "198.18.0.311")}, INV, 4, "no address for", "IPv4"),
    "templated address": ({INV: ("198.18.0.11", '"{{ x }}"')}, INV, 4, "computed", "itself"),
    "not the machine's address": (
        {INV: ("198.18.0.11", "198.18.0.77")}, INV, 4, "is at 198.18.0.11", "198.18.0.11"
    ),
    "no machine": ({"lab.yml": ("  web1:", "  web7:")}, INV, 3, "no machine `web1`", "`web7`"),
    "unmanaged host": ({"lab.yml": ("true", "false")}, INV, 3, "not managed", "managed: true"),
    "machine without host": (
        {"lab.yml": ("false", "true")}, "lab.yml", 8, "hosts.yml has no such host", "add"
    ),
    "machine outside": (
        {"lab.yml": ("198.18.0.31", "198.18.9.31")}, "lab.yml", 9, "does not lie", "free"
    ),
    "gateway": ({"lab.yml": ('"2001:2::31"', '"2001:2::1"')}, "lab.yml", 9, "gateway", "free"),
    "machine's address twice": (
        {"lab.yml": ('"2001:2::31"', '"2001:2:0:0::0011"')}, "lab.yml", 9, "web1 already", "free"
    ),
    "no network": (
        {"lab.yml": ("198.18.0.0/24", "198.18.0.1/24")}, "lab.yml", 2, "host bits", "198.18.0.0"
    ),
    "wrong family": (
        {"lab.yml": ("198.18.0.0/24", "2001:3::/64")}, "lab.yml", 2, "no IPv4 network", "IPv4"
    ),
    "lab in production": ({ENV: ("kind: lab", "kind: production")}, "lab.yml", 1, "no lab", "kind"),
    "waiver without reason": (
        {"waivers.yml": ("  reason: A reason\n", "")}, "waivers.yml", 1, "`reason` is miss", "Why"
    ),
    "waiver without date": (
        {"waivers.yml": ("2020-01-31", "2020-02-31")}, "waivers.yml", 5, "a date", "last day"
    ),
    "waiver of no recommendation": (
        {"waivers.yml": "- rule: ANSSI-BP-028 R81\n  reason: A\n  compensating_measure: A\n"
                        "  approver: A\n  until: 2099-12-31\n"},
        "waivers.yml", 1, "`ANSSI-BP-028 R81` is no recommendation", "R80`",
    ),
    "client on no host": (
        {"clients.yml": clients(("acme", "wbe1"))}, "clients.yml", 4, "on `wbe1`", "`web1`"
    ),
    "two clients of one name": (
        {"clients.yml": clients(("acme", "web1"), ("acme", "web1"))},
        "clients.yml", 10, "a client `acme` already", "name of their own",
    ),
    "client's name": (
        {"clients.yml": clients(("a-b", "web1"))}, "clients.yml", 2, "letters and digits", "name",
    ),
    "a client's data under the host's key": (
        {"data_sets.yml": data_set("/etc", "/srv/clients/acme/www")},
        "data_sets.yml", 7, "outlast the erasure", "leave /srv/clients out",
    ),
    "all clients' data under the host's key": (
        {"data_sets.yml": data_set("/srv")}, "data_sets.yml", 6, "/srv has", "leave /srv/clients",
    ),
    "waiver of no host": (
        {"waivers.yml": ("web1", "wbe1")}, "waivers.yml", 6, "`wbe1`, which is no host", "`web1`"
    ),
    "vaulted declaration": (
        {"waivers.yml": "$ANSIBLE_VAULT;1.1;AES256\n00\n"}, "waivers.yml", 1, "not be vault", "dec"
    ),
    "unknown variable": ({ALLV: ALL + "site_ownr: x\n"}, ALLV, 5, "is unknown", "`site_owner`"),
    "role's unknown variable": (
        {INV: ("web_port", "web_prot")}, INV, 5, "role web knows no variable", "`web_port`"
    ),
    "longest prefix": (
        {ALLV: ALL + "web_proxy_x: 1\n"}, ALLV, 5, "role web_proxy knows no", "argument_specs"
    ),
    "number as text": ({INV: ("8080", '"8080"')}, INV, 5, "a whole number, but is text", "quotes"),
    "bool as number": ({INV: ("8080", "true")}, INV, 5, "must be a whole number", "type"),
    "text as number": ({ALLV: ("somebody", "x\nweb_log: 12")}, ALLV, 2, "must be text", "quote it"),
    "choice": ({INV: ("quick", "quik")}, INV, 12, "outside its choices: text (quik)", "`quick`"),
    "choice in a list": ({ALLV: ALL + "web_flags: [a, c]\n"}, ALLV, 5, "text (c)", "a, b"),
    "element": ({ALLV: ALL + "web_flags:\n  - a\n  - [b]\n"}, ALLV, 7, "web_flags[1]", "type"),
    "key in a dict": (
        {ALLV: ("login: anna", "login: anna, amin: 1")}, ALLV, 4, "in web_users[0]", "`admin`"
    ),
    "missing in a dict": (
        {ALLV: ("login: anna, ", "")}, ALLV, 4, "`login` is missing in web_users[0]", "add"
    ),
    "missing for all hosts": (
        {ALLV: ('web_name: "{{ inventory_hostname }}"\n', "")},
        INV,
        3,
        "`web_name`, which is missing for web1, web2",
        "roles/web",
    ),
    "missing for one host": (
        {
            ALLV: ('web_name: "{{ inventory_hostname }}"\n', ""),
            "inventories/small/host_vars/web1.yml": "web_name: x\n",
        },
        INV,
        9,
        "missing for web2",
        "host_vars",
    ),
    "the role's own file": (
        {"roles/web/meta/argument_specs.yml": ("float", "flaot")},
        "roles/web/meta/argument_specs.yml",
        6,
        "`flaot` is no type",
        "correct",
    ),
}  # fmt: skip
# These break a second promise as well: the renamed host is missing elsewhere.
WITH_COMPANY = {"host range", "no machine"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_reported_where_it_stands(project: Path, fault: str) -> None:
    edits, name, line, what, next_step = FAULTS[fault]
    edit(project, edits)
    problems = problems_of(project)
    file = project / name if "/" in name else project / "inventories" / "small" / name
    (problem,) = [p for p in problems if (p.file, p.line) == (file, line) and what in p.what]
    assert len(problems) == 1 or fault in WITH_COMPANY
    assert next_step in problem.next_step


HARMLESS: dict[str, Edits] = {
    "template for a number": {INV: ("8080", '"{{ ports.web }}"')},
    "nothing for an optional one": {ALLV: ALL + "web_ratio:\n"},
    "whole number for a float": {ALLV: ALL + "web_ratio: 2\n"},
    "variable set by the play": {
        ALLV: ('web_name: "{{ inventory_hostname }}"\n', ""),
        "playbooks/site.yml": "- hosts: all\n  vars: {web_name: x}\n  roles: [{role: web}]\n",
    },
    "role that is not for the host": {
        ALLV: ('web_name: "{{ inventory_hostname }}"\n', ""),
        "inventories/small/host_vars/web2.yml": "web_name: x\n",
        "playbooks/site.yml": "- hosts: shop\n  tasks: [{include_role: {name: web}}]\n",
    },
    "no waivers file needed": {"waivers.yml": "---\n"},
    "backup of an editor": {"inventories/small/group_vars/shoop.yml~": "x"},
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_right_is_no_problem(project: Path, name: str) -> None:
    edit(project, HARMLESS[name])
    load(project)


def test_all_faults_are_reported_at_once(project: Path) -> None:
    edit(
        project,
        {
            ENV: ENVIRONMENT.replace("A small one", "[]").replace("site_owner", "site_author"),
            INV: HOSTS.replace("quick", "slow"),
            "lab.yml": LAB.replace("qemu", "xen"),
            "waivers.yml": "- {}\n",
            ALLV: ALL + "web_x: 1\n",
        },
    )
    found = [(p.file.name, p.line) for p in problems_of(project)]
    assert sorted(set(found)) == sorted(
        [(ENV, 2), (INV, 12), ("lab.yml", 6), ("waivers.yml", 1), ("all.yml", 1), ("all.yml", 5)]
    )


def test_a_file_that_is_missing_or_unreadable_is_named(project: Path) -> None:
    small = project / "inventories" / "small"
    (small / "hosts.yml").unlink()
    (small / "environment.yml").write_bytes(b"kind: \xff\n")
    assert [(p.file.name, p.what) for p in problems_of(project)] == [
        (ENV, "the file is not UTF-8 text"),
        (INV, "the file is missing"),
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::a", "2001:0DB8:0:0::000A"),
        ("192.0.2.7", "::ffff:192.0.2.7"),
        ("web.example.org", "WEB.example.org."),
    ],
)
def test_the_same_address_twice(project: Path, first: str, second: str) -> None:
    edit(
        project,
        {
            INV: HOSTS.replace("198.18.0.11", first).replace("2001:2:0::12", f'"{second}"'),
            ENV: ("kind: lab", "kind: production"),
        },
    )
    (project / "inventories/small/lab.yml").unlink()
    (problem,) = problems_of(project)
    assert (problem.file.name, problem.line) == (INV, 10)
    assert "web2 has the same address as web1" in problem.what


@pytest.mark.parametrize(
    ("address", "named_in", "text", "line"),
    [
        ("203.0.113.5", ALLV, ALL + "site_owner2: https://203.0.113.5:8443/x\n", 5),
        ("2001:db8::5", ALLV, ALL + 'site_owner2: "[2001:DB8:0::5]:22"\n', 5),
        ("www.example.org", ALLV, ALL + "site_owner2: [x, root@WWW.example.org]\n", 5),
        ("203.0.113.5", "lab.yml", LAB.replace("198.18.0", "203.0.113").replace(".31", ".5"), 9),
    ],
)
def test_a_lab_never_names_a_production_address(
    project: Path, address: str, named_in: str, text: str, line: int
) -> None:
    real = {
        "environment.yml": PRODUCTION,
        "hosts.yml": f"all: {{hosts: {{web1: {{ansible_host: '{address}'}}}}}}\n",
    }
    write(project / "inventories" / "real", real)
    edit(project, {ENV: ("[site_owner]", "[site_owner, site_owner2]")})
    load(project)
    edit(project, {named_in: text})
    if named_in == "lab.yml":
        edit(project, {INV: ("198.18.0.11", "203.0.113.11")})
    (problem,) = problems_of(project)
    assert f"{address} belongs to the production environment real" in problem.what
    assert problem.file.name == Path(named_in).name
    assert problem.line == line


def test_a_production_beside_the_lab_that_cannot_be_read_stops_the_lab(project: Path) -> None:
    write(project / "inventories" / "real", {"environment.yml": PRODUCTION, "hosts.yml": "all: ["})
    (problem,) = problems_of(project)
    assert problem.file.parent.name == "real"
    assert "nothing proves that the lab leaves real alone" in problem.what


def test_two_labs_may_share_addresses(project: Path) -> None:
    declared = {"environment.yml": ENVIRONMENT, "hosts.yml": HOSTS, "lab.yml": LAB}
    write(project / "inventories" / "second", declared)
    load(project)


def test_a_lab_needs_its_machines(project: Path) -> None:
    (project / "inventories/small/lab.yml").unlink()
    (problem,) = problems_of(project)
    assert (problem.file.name, problem.line) == (ENV, 1)
    assert "needs a lab.yml" in problem.what


def test_variables_are_merged_as_ansible_merges_them(project: Path) -> None:
    edit(
        project,
        {
            "inventories/small/hosts.yml": """\
all:
  hosts:
    web1: {ansible_host: 198.18.0.11, v_host: inventory, v_both: inventory}
  vars: {v_all: inventory, v_plain: all}
  children:
    outer:
      vars: {v_all: outer, v_level: outer, v_side: outer}
      children:
        inner:
          hosts: {web1: , web2: {ansible_host: 198.18.0.12, v_host: two}}
          vars: {v_level: inner, v_tie: inner, v_map: {a: 1}}
    beta:
      hosts: {web1: }
      vars: {v_tie: beta, v_side: beta, v_rank: beta}
    alpha:
      hosts: {web1: }
      vars: {v_tie: alpha, v_rank: alpha, ansible_group_priority: 5}
""",
            ALLV: "v_all: file\nv_level: file of all\nv_x: &x {k: 1, l: 2}\nv_y: {<<: *x, k: 3}\n",
            "inventories/small/group_vars/inner/b.yml": "v_map: {b: 2}\nv_file: b\n",
            "inventories/small/group_vars/inner/a.yml": "v_file: a\nv_number: 0x10\n",
            "inventories/small/group_vars/ungrouped.yml": "v_lonely: true\n",
            "inventories/small/host_vars/web1.yml": "v_both: file\n",
            "roles/web/meta/argument_specs.yml": "argument_specs: {main: {options: {}}}\n",
        },
    )
    names = (
        "v_all, v_host, v_both, v_plain, v_level, v_side, v_tie, v_map, v_rank, v_x, v_y, v_file, "
        "v_number, v_lonely"
    )
    edit(project, {ENV: ("site_owner", names)})
    small = project / "inventories" / "small"
    listed = subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), "-i", "hosts.yml", "--list"],
        cwd=small,
        env={**os.environ, "ANSIBLE_HOME": str(project / "home")},
        check=True,
        capture_output=True,
        text=True,
    )
    theirs = json.loads(listed.stdout)["_meta"]["hostvars"]
    ours = {host.name: dict(host.variables) for host in load(project).hosts}
    assert ours == theirs
    assert load(project).host("web1").groups == ("beta", "outer", "alpha", "inner")
