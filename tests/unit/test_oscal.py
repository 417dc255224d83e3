"""OSCAL: valid to the tool of the field, every reference resolves, nothing satisfied unproven."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from oscal_validity import MODELS, is_valid
from report_store import HOSTS, NOW, SECRETS, Desk, desk_of, everywhere

from orchestrator.cli import run
from orchestrator.environment import Waiver
from orchestrator.exit_codes import ExitCode
from orchestrator.oscal import write_documents
from orchestrator.oscal.document import identifier
from orchestrator.records import Verdict
from orchestrator.report import LANGUAGES, Edition
from orchestrator.report.evidence import digest
from orchestrator.store import Store

EVERY = [(edition, language) for edition in Edition for language in LANGUAGES]
Document = dict[str, Any]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A store with something of everything: kept, failing, waived, silent, with parameters."""
    desk = desk_of(tmp_path, monkeypatch)
    waiver = Waiver("test_ssh.py::test_root", "because mallory", "a guard of 198.18.0.11", "bob",
                    NOW.date(), ("sysfab",))  # fmt: skip
    desk.environment = replace(desk.environment, waivers=(waiver,))
    desk.run(everywhere(), days=3)
    said = everywhere(
        rbx7=(Verdict.FAILS, f"{SECRETS[0]} says in {SECRETS[1]}: yes\nand more"),
        sysfab=Verdict.WAIVED,
        bastion=(Verdict.UNMEASURED, "needs a full kernel"),
    )
    desk.run(said | {("rbx7", "ciphers"): [Verdict.HOLDS, Verdict.HOLDS]})
    return desk


def written(
    desk: Desk, edition: Edition = Edition.INTERNAL, language: str = "fr", days: float = 0
) -> dict[str, Path]:
    files = write_documents(
        desk.environment, desk.environment.store_directory.parent / f"{edition}-{language}",
        edition=edition, language=language, max_age=timedelta(days=7),
        now=NOW + timedelta(days=days),
    )  # fmt: skip
    return {file.stem: file for file in files}


def read(files: dict[str, Path]) -> dict[str, Document]:
    return {name: json.loads(file.read_text("utf-8"))[name] for name, file in files.items()}


def result_of(documents: dict[str, Document]) -> Document:
    (result,) = documents["assessment-results"]["results"]
    return dict(result)


def findings_of(documents: dict[str, Document]) -> dict[str, Document]:
    return {one["title"].split()[0]: one for one in result_of(documents)["findings"]}


def prop(one: Document, name: str) -> Any:
    found = [each["value"] for each in one["props"] if each["name"] == name]
    return found[0] if found else None


def walk(node: Any) -> Iterator[Document]:
    """Every object of a document, at any depth."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list):
            yield from walk(child)


@pytest.mark.parametrize(("edition", "language"), EVERY)
def test_trestle_finds_them_valid(desk: Desk, edition: Edition, language: str) -> None:
    files = written(desk, edition, language)
    assert list(files) == list(MODELS)
    for file in files.values():
        assert is_valid(file)
        assert file.stat().st_mode & 0o777 == 0o600


def without(*path: str | int) -> Callable[[Document], None]:
    def damage(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        del document[path[-1]]

    return damage


def setting(value: Any, *path: str | int) -> Callable[[Document], None]:
    def damage(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value

    return damage


CONTROL = ("groups", 0, "controls", 0)
OBSERVATION = ("results", 0, "observations", 0)
BROKEN: dict[str, tuple[str, Callable[[Document], None]]] = {
    "no uuid": ("catalog", without("uuid")),
    "uuid that is none": ("component-definition", setting("pas-1", "components", 0, "uuid")),
    "no title": ("catalog", without(*CONTROL, "title")),
    "an id that is no token": ("catalog", setting("1.1.1", *CONTROL, "id")),
    "an empty list": ("catalog", setting([], "groups")),
    "a field of ours": ("assessment-results", setting("kept", *OBSERVATION, "verdict")),
    "a property without value": ("catalog", setting(" ", *CONTROL, "props", 0, "value")),
    "another state": (
        "assessment-results",
        setting("kept", "results", 0, "findings", 0, "target", "status", "state"),
    ),
    "a day for a moment": ("assessment-results", setting("26/11", *OBSERVATION, "collected")),
    "not dated": ("assessment-results", without(*OBSERVATION, "collected")),
    "no plan": ("assessment-results", without("import-ap")),
    "one uuid twice": (
        "assessment-results",
        lambda one: one["results"][0]["observations"].append(one["results"][0]["observations"][0]),
    ),
}


@pytest.mark.parametrize("damage", BROKEN)
def test_trestle_refuses_what_is_broken(desk: Desk, damage: str) -> None:
    name, break_it = BROKEN[damage]
    file = written(desk)[name]
    assert is_valid(file)
    document = json.loads(file.read_text("utf-8"))
    break_it(document[name])
    file.write_text(json.dumps(document))
    try:
        valid = is_valid(file)
    except Exception:  # noqa: BLE001 - of which kind is trestle's own affair
        valid = False
    assert not valid


@pytest.mark.parametrize("edition", Edition)
def test_every_reference_resolves(desk: Desk, edition: Edition) -> None:
    documents = read(written(desk, edition))
    catalog = [*walk(documents["catalog"])]
    ids = {one["id"] for one in catalog if "id" in one}
    controls = {one["id"] for one in catalog if "parts" in one}
    assert len(controls) == 73
    for document in ("component-definition", "assessment-results"):
        asked = {one["control-id"] for one in walk(documents[document]) if "control-id" in one}
        assert asked <= controls
    results = documents["assessment-results"]
    assert {one["target"]["target-id"] for one in result_of(documents)["findings"]} == {
        f"{control}_smt" for control in controls
    }
    assert {f"{control}_smt" for control in controls} <= ids
    known = {one["uuid"] for one in walk(results) if "uuid" in one}
    for one in walk(results):
        for name, value in one.items():
            if name.endswith("-uuid"):
                assert value in known, name
            if name == "href" and value.startswith("#"):
                assert value[1:] in known
    for one in documents["component-definition"]["components"]:
        assert one["control-implementations"][0]["source"] == "catalog.json"


@pytest.mark.parametrize("edition", Edition)
def test_the_verdicts_are_those_of_the_report(desk: Desk, edition: Edition) -> None:
    findings = findings_of(read(written(desk, edition)))
    standings = {one.number: one for one in desk.gather(edition).standings}
    assert {number: prop(one, "verdict") for number, one in findings.items()} == {
        number: one.state for number, one in standings.items()
    }
    for number, one in standings.items():
        assert prop(findings[number], "records-sha256") == (
            digest(one.evidence) if one.evidence else None
        )
    assert {
        number: one["target"]["status"]["state"]
        for number, one in findings.items()
        if number in ("6.2.1", "5.5.2", "5.4.1", "1.1.1")
    } == {
        "5.4.1": "satisfied", "5.5.2": "satisfied",
        "6.2.1": "not-satisfied", "1.1.1": "not-satisfied",
    }  # fmt: skip
    assert findings["6.2.1"]["target"]["status"]["reason"] == "fail"
    assert findings["1.1.1"]["target"]["status"]["reason"] == "other"


@pytest.mark.parametrize("edition", Edition)
def test_nothing_is_satisfied_without_dated_evidence(desk: Desk, edition: Edition) -> None:
    documents = read(written(desk, edition))
    observations = {one["uuid"]: one for one in result_of(documents)["observations"]}
    back_matter = documents["assessment-results"]["back-matter"]
    resources = {f"#{one['uuid']}": one for one in back_matter["resources"]}
    with Store.open(desk.environment.store_directory, "lab") as store:
        links = {str(link.run): link for link in store.chain.links()}
    satisfied = [
        one
        for one in findings_of(documents).values()
        if one["target"]["status"]["state"] == "satisfied"
    ]
    assert satisfied
    for finding in satisfied:
        for related in finding["related-observations"]:
            one = observations[related["observation-uuid"]]
            assert one["collected"] < NOW.isoformat() < one["expires"]
            for evidence in one["relevant-evidence"]:
                run_of_it = resources[evidence["href"]]
                link = links[prop(run_of_it, "run")]
                assert prop(run_of_it, "record-sha256") == link.record
                assert prop(run_of_it, "chain-link") == link.sha256


def test_each_check_on_each_host_is_an_observation(desk: Desk) -> None:
    result = result_of(read(written(desk)))
    seen = sorted(
        (one["subjects"][0]["title"], prop(one, "check").split("_")[-1], prop(one, "verdict"),
         one["methods"][0])
        for one in result["observations"]
    )  # fmt: skip
    assert seen == sorted([
        ("Registres", "review", "holds", "EXAMINE"),
        ("rbx7", "ciphers", "holds", "TEST"),
        ("rbx7", "ciphers", "holds", "TEST"),
        ("rbx7", "root", "fails", "TEST"),
        ("sysfab", "ciphers", "holds", "TEST"),
        ("sysfab", "root", "waived", "TEST"),
        ("bastion", "ciphers", "holds", "TEST"),
        ("bastion", "root", "unmeasured", "TEST"),
    ])  # fmt: skip
    (failing,) = [one for one in result["observations"] if prop(one, "verdict") == "fails"]
    assert "expires" not in failing, "a failure stands until a run sees that it is gone"


def test_roles_are_components_with_what_proves_them(desk: Desk) -> None:
    components = {
        one["title"]: one["control-implementations"][0]["implemented-requirements"]
        for one in read(written(desk))["component-definition"]["components"]
    }
    assert {name: [one["control-id"] for one in kept] for name, kept in components.items()} == {
        "ssh": ["pas-6.2.1"], "Registres": ["pas-5.4.1"],
    }  # fmt: skip
    (ssh,) = components["ssh"]
    assert [one["value"] for one in ssh["props"]] == [
        "test_ssh.py::test_ciphers", "test_ssh.py::test_root",
    ]  # fmt: skip
    assert ssh["description"] == "1 tâche, prouvée par 2 contrôles"
    assert ssh["remarks"] == "- Harden sshd"


def test_the_contract_words_the_controls(desk: Desk) -> None:
    (one,) = [one for one in walk(read(written(desk))["catalog"]) if one.get("id") == "pas-6.2.1"]
    shown = {one.number: one for one in desk.gather().standings}["6.2.1"]
    assert one["parts"][0]["prose"] == shown.view.clauses[0].text


def test_the_same_store_gives_the_same_documents(desk: Desk) -> None:
    before = {name: file.read_bytes() for name, file in written(desk).items()}
    assert {name: file.read_bytes() for name, file in written(desk, days=0.5).items()} == before
    desk.run(everywhere(), days=-0.1)
    after = {name: file.read_bytes() for name, file in written(desk, days=0.5).items()}
    assert after["assessment-results"] != before["assessment-results"]


def test_what_was_seen_too_long_ago_satisfies_nothing(desk: Desk) -> None:
    late = read(written(desk, days=8))
    findings = findings_of(late)
    states = {one["target"]["status"]["state"] for one in findings.values()}
    assert states == {"not-satisfied"}
    assert prop(findings["5.5.2"], "verdict") == "unmeasured"
    assert prop(findings["6.2.1"], "verdict") == "not kept", "what failed has failed"
    stale = [one for one in result_of(late)["observations"] if prop(one, "recorded") == "holds"]
    assert {prop(one, "verdict") for one in stale} == {"unmeasured"}


def test_a_waiver_is_a_risk_that_was_accepted(desk: Desk) -> None:
    outside, inside = (read(written(desk, edition)) for edition in Edition)
    for documents in (inside, outside):
        result = result_of(documents)
        (risk,) = result["risks"]
        assert (risk["status"], risk["deadline"]) == ("deviation-approved", "2026-11-26T23:59:59Z")
        related = findings_of(documents)["6.2.1"]["related-risks"]
        assert related == [{"risk-uuid": risk["uuid"]}]
    (risk,) = result_of(inside)["risks"]
    assert risk["description"] == "because mallory"
    assert risk["mitigating-factors"][0]["description"] == "a guard of 198.18.0.11"
    assert [prop(risk, name) for name in ("rule", "approver", "host")] == [
        "test_ssh.py::test_root", "bob", "sysfab",
    ]  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_sees_nothing_of_the_inside(desk: Desk, language: str) -> None:
    environment = desk.environment
    assert environment.people
    secret = {*SECRETS, "test_ssh", "Root cannot log in", "Only strong ciphers", "Harden sshd",
              "because mallory", "a guard", "bob"}  # fmt: skip
    for host in environment.hosts:
        secret |= {host.name, host.address, *host.addresses}
        secret.add(identifier("subject", environment.name, host.name))
    for person in environment.people.persons:
        secret |= {person.account, person.name}
    secret |= {client.name for client in environment.clients}

    def shown(edition: Edition) -> set[str]:
        text = "".join(
            file.read_text("utf-8") for file in written(desk, edition, language).values()
        )
        return {
            one for one in secret if f'"{one}' in text or f" {one}" in text or f"- {one}" in text
        }

    assert shown(Edition.INTERNAL) >= {*HOSTS, *SECRETS, "bob"}, "else it is not looked for well"
    assert shown(Edition.CLIENT) == set()


def test_no_look_is_no_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = desk_of(tmp_path, monkeypatch)
    monkeypatch.setattr("orchestrator.environment.load_environment", lambda _: desk.environment)
    arguments = ["evidence", "oscal", "-o", str(tmp_path / "out")]
    assert run(arguments) == ExitCode.ERROR
    said = capsys.readouterr()
    assert said.out == ""
    assert "no run of lab has looked at a check yet" in said.err
    assert "pas-infra verify --env lab" in said.err
    assert not (tmp_path / "out").exists()
    desk.run(everywhere())
    (tmp_path / "file").touch()
    assert run([*arguments[:-1], str(tmp_path / "file/below")]) == ExitCode.ERROR
    assert "no OSCAL document can be written there" in capsys.readouterr().err


def test_the_files_paths_are_all_that_stdout_says(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("orchestrator.environment.load_environment", lambda _: desk.environment)
    assert run(["evidence", "oscal"]) == ExitCode.OK
    said = capsys.readouterr()
    files = list(map(Path, said.out.splitlines()))
    assert said.err == ""
    assert {file.parent for file in files} == {desk.environment.store_directory / "oscal/client"}
    assert run(["evidence", "oscal", "--edition", "internal", "--json"]) == ExitCode.OK
    given = json.loads(capsys.readouterr().out)["files"]
    assert list(given) == list(MODELS)
    assert prop(read({n: Path(f) for n, f in given.items()})["catalog"]["metadata"], "edition") == (
        "internal"
    )
