"""Evidence as it is typed, and as an auditor verifies it without pas-infra."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from evidence_forger import (
    AGES,
    NOW,
    Forger,
    allow,
    begin,
    check,
    end,
    make_key,
    record_some,
    small_environment,
)
from oscal_validity import MODELS, is_valid

from orchestrator.cli import run
from orchestrator.environment import Environment
from orchestrator.evidence import export, verify_bundle, verify_store
from orchestrator.evidence.said import RESULTS
from orchestrator.records import RunStatus, Verdict
from orchestrator.store import Store
from orchestrator.store.chain import canonical

MINUTE = timedelta(minutes=1)
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path / "key")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    made = small_environment(tmp_path)
    # Only where things lie; loading an environment has tests of its own.
    monkeypatch.setattr("orchestrator.environment.load_environment", lambda _: made)
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def store(environment: Environment) -> Iterator[Store]:
    with Store.open(environment.store_directory, "lab") as opened:
        record_some(opened)
        yield opened


def unpacked(bundle: Path, to: Path) -> Path:
    with tarfile.open(bundle) as archive:
        archive.extractall(to, filter="data")
    (directory,) = to.iterdir()
    return directory


def shell(command: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    """As in a machine without pas-infra: no variable but the path of the system's own programs."""
    return subprocess.run(
        ["env", "-i", "PATH=/usr/bin:/bin", "bash", "-c", command],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip


def script_of_the_page(directory: Path, signers: Path) -> str:
    """The commands of the auditor's page, as they stand in the bundle."""
    blocks = (directory / "LISEZMOI.md").read_text().split("```sh\n")[1:]
    script = "".join(block.partition("```")[0] for block in blocks)
    script = script.replace("/chemin/vers/allowed_signers", str(signers))
    return f"set -e\n{script.replace('SIGNATAIRE', 'auditee@example.org')}"


def test_the_auditor_verifies_a_bundle_with_public_tools_alone(
    store: Store, environment: Environment, key: Path, tmp_path: Path
) -> None:
    bundle = export(environment, key, None, since_last=False).file
    assert bundle == Path("evidence-lab-1-3.tar.gz")
    directory = unpacked(bundle, tmp_path / "unpacked")
    signers = allow(tmp_path / "signers", key)
    script = script_of_the_page(directory, signers)
    done = shell(script, directory)
    assert (done.returncode, done.stderr) == (0, "")
    who, good, chain = done.stdout.splitlines()  # nothing else: all the rest is silent
    assert who == "auditee@example.org"
    assert good.startswith('Good "evidence@pas-infra" signature for auditee@example.org with')
    assert chain.startswith("3 links, all as they were recorded; the last: ")
    (directory / "notes.txt").touch()
    assert "< notes.txt" in shell(script, directory).stdout, "the file that was added"
    (directory / "notes.txt").unlink()
    assert sorted(path.name for path in directory.iterdir()) == [
        "LISEZMOI.md", "README.md", "SHA256SUMS", "SHA256SUMS.sig", "chain.txt", "junit",
        "manifest.json", "measures.json", "oscal", "records", "registers", "verify.py",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("records/run-000002.jsonl", "fails", "holds", "run-000002.jsonl is not what link 2"),
        ("chain.txt", " 2 2 findings ", " 2 2 ok ", "chain.txt:2: link 2 is not the SHA-256"),
        ("chain.txt", "-1 2 2 ", "-1 4 2 ", "chain.txt:2: link 4 does not follow"),
    ],
)
def test_the_script_in_the_bundle_finds_what_was_changed(
    store: Store, environment: Environment, key: Path, tmp_path: Path,
    name: str, old: str, new: str, said: str,
) -> None:  # fmt: skip
    bundle = export(environment, key, None, since_last=False).file
    forged = Forger.of(bundle).edit(name, old, new).write(tmp_path / "forged.tar.gz")
    directory = unpacked(forged, tmp_path / "unpacked")
    done = shell(f"{PYTHON} verify.py", directory)
    assert done.returncode == 2
    assert said in done.stdout
    assert shell("sha256sum --check --quiet SHA256SUMS", directory).returncode != 0


def test_the_script_finds_records_that_were_removed_or_put_in(
    store: Store, environment: Environment, key: Path, tmp_path: Path
) -> None:
    directory = unpacked(
        export(environment, key, None, since_last=False).file, tmp_path / "unpacked"
    )
    (directory / "records/run-000002.jsonl").rename(directory / "records/run-000009.jsonl")
    done = shell(f"{PYTHON} verify.py", directory)
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "records/run-000002.jsonl is missing", "records/run-000009.jsonl has no link",
    ]  # fmt: skip


def test_the_same_content_is_the_same_bundle(
    store: Store, environment: Environment, key: Path, tmp_path: Path
) -> None:
    bundle = export(environment, key, tmp_path / "one.tar.gz", since_last=False).file
    again = Forger.of(bundle).resign(key).write(tmp_path / "again.tar.gz")
    assert again.read_bytes() == bundle.read_bytes()
    assert bundle.stat().st_mode & 0o777 == 0o600


def test_the_bundle_holds_measures_junit_registers_and_certificates(
    store: Store, environment: Environment, key: Path, tmp_path: Path
) -> None:
    offboarding = environment.store_directory / "offboarding"
    offboarding.mkdir(mode=0o700)
    (offboarding / "acme.certificate.json").write_text("{}")
    (offboarding / "acme.json").write_text("{}")
    bundle = export(environment, key, None, since_last=False, max_age=AGES).file
    files = Forger.of(bundle).files
    measures = {one["measure"]: one for one in json.loads(files["measures.json"])}
    assert len(measures) == 73
    assert measures["6.2.1"]["state"] == "partly"
    assert {
        "host": "rbx7", "check": "test_ssh.py::root_is_out", "verdict": "fails", "run": 2,
        "at": "2026-03-01T22:25:30Z",
    } in measures["6.2.1"]["checks"]  # fmt: skip
    assert measures["1.1.1"] | {"title": ""} == {
        "measure": "1.1.1", "title": "", "kind": measures["1.1.1"]["kind"],
        "owner": measures["1.1.1"]["owner"], "state": "unmeasured", "checks": [],
    }  # fmt: skip
    suites = ElementTree.fromstring(files["junit/run-000002.xml"]).findall("testsuite")  # noqa: S314 - ours
    assert [(suite.get("name"), suite.get("failures")) for suite in suites] == [
        ("rbx7", "1"), ("sysfab", "0"),
    ]  # fmt: skip
    assert files["registers/access_reviews.yml"].startswith(b"- {date")
    assert [name for name in files if name.startswith("certificates")] == [
        "certificates/acme.certificate.json"
    ]


def states_in(files: Mapping[str, bytes]) -> dict[str, Any]:
    """What a bundle says of each measure, and that its OSCAL says the same."""
    measures = {one["measure"]: one for one in json.loads(files["measures.json"])}
    (result,) = json.loads(files[RESULTS])["assessment-results"]["results"]
    said = {one["title"].split()[0]: one["props"][0]["value"] for one in result["findings"]}
    assert said == {number: one["state"] for number, one in measures.items()}
    return measures


def test_what_was_seen_too_long_ago_is_unmeasured(
    store: Store, environment: Environment, key: Path
) -> None:
    run = begin(store, "verify", 30)
    store.add_checks(run, [check("rbx7", "root_is_out", Verdict.HOLDS)])
    end(store, run, 35)
    days = (datetime.now(UTC) - NOW).days + 1
    for name, max_age, state in (("young", days, "kept"), ("old", days - 2, "unmeasured")):
        file = Path(f"{name}.tar.gz")
        exported = export(environment, key, file, since_last=False, max_age=timedelta(max_age))
        assert (exported.manifest.max_age_days, exported.verified.findings) == (max_age, ())
        files = Forger.of(file).files
        measures = states_in(files)
        assert measures["6.2.1"]["state"] == state
        verdicts = {(one["verdict"], one.get("recorded")) for one in measures["6.2.1"]["checks"]}
        assert verdicts == {("holds", None) if state == "kept" else ("unmeasured", "holds")}


def test_each_parameter_of_a_check_has_its_say(
    store: Store, environment: Environment, key: Path
) -> None:
    run = begin(store, "verify", 30)
    said = (Verdict.FAILS, Verdict.HOLDS)
    store.add_checks(run, [check("rbx7", "root_is_out", verdict) for verdict in said])
    end(store, run, 35, RunStatus.FINDINGS)
    exported = export(environment, key, None, since_last=False, max_age=AGES)
    assert exported.verified.findings == ()
    measures = states_in(Forger.of(exported.file).files)
    assert measures["6.2.1"]["state"] == "partly"
    assert [one["verdict"] for one in measures["6.2.1"]["checks"] if one["run"] == run] == [*said]


def test_a_host_that_did_not_answer_is_an_error_in_junit(
    store: Store, environment: Environment, key: Path
) -> None:
    asked = {"hosts": ["rbx7", "bastion"], "roles": [], "measures": []}
    for seen in ([check("rbx7", "a", Verdict.HOLDS)], []):
        run = begin(store, "verify", 30, options=asked)
        store.add_checks(run, seen)
        store.finish(run, RunStatus.INCOMPLETE, "bastion: no answer over SSH", NOW + 35 * MINUTE)
    files = Forger.of(export(environment, key, None, since_last=False).file).files
    for run, silent in ((4, {"bastion"}), (5, {"rbx7", "bastion"})):
        page = ElementTree.fromstring(files[f"junit/run-{run:06d}.xml"])  # noqa: S314 - ours
        errors = {one.get("name") for one in page.findall("testsuite") if one.get("errors") == "1"}
        assert errors == silent
        assert "no answer over SSH" in files[f"junit/run-{run:06d}.xml"].decode()


def test_its_oscal_is_valid_and_points_to_the_records_beside_it(
    store: Store, environment: Environment, key: Path, tmp_path: Path
) -> None:
    bundle = export(environment, key, None, since_last=False, max_age=AGES).file
    directory = unpacked(bundle, tmp_path / "unpacked")
    files = sorted((directory / "oscal").iterdir())
    assert [file.stem for file in files] == sorted(MODELS)
    assert all(map(is_valid, files))
    results = json.loads((directory / RESULTS).read_text())["assessment-results"]
    pointed = {
        link["href"]: link["hashes"][0]["value"]
        for resource in results["back-matter"]["resources"]
        for link in resource.get("rlinks", ())
    }
    assert list(pointed) == ["../records/run-000002.jsonl"]
    for href, sha256 in pointed.items():
        record = (directory / RESULTS).parent / href
        assert hashlib.sha256(record.read_bytes()).hexdigest() == sha256


def test_a_bundle_of_no_check_has_oscal_that_says_so(
    environment: Environment, key: Path, tmp_path: Path
) -> None:
    with Store.open(environment.store_directory, "lab") as store:
        end(store, begin(store, "apply", 0), 5)
    exported = export(environment, key, None, since_last=False)
    directory = unpacked(exported.file, tmp_path / "unpacked")
    assert all(map(is_valid, (directory / "oscal").iterdir()))
    results = json.loads((directory / RESULTS).read_text())["assessment-results"]
    assert results["metadata"]["last-modified"] == exported.manifest.ended
    assert "observations" not in results["results"][0]
    assert {one["state"] for one in states_in(Forger.of(exported.file).files).values()} == {
        "unmeasured"
    }


def test_a_bundle_of_before_looks_had_an_age_is_no_forgery(
    store: Store, environment: Environment, key: Path
) -> None:
    forger = Forger.of(export(environment, key, None, since_last=False, max_age=AGES).file)
    for name in [name for name in forger.files if name.startswith("oscal/")]:
        del forger.files[name]
    manifest, measures = (json.loads(forger.files[f"{n}.json"]) for n in ("manifest", "measures"))
    del manifest["max_age_days"]
    for measure in measures:  # what nobody has looked at was not in them either
        measure["checks"] = [seen for seen in measure["checks"] if seen["run"] is not None]
    for seen in (seen for measure in measures for seen in measure["checks"]):
        del seen["at"]
    forger.put("manifest.json", [canonical(manifest)]).put("measures.json", [canonical(measures)])
    file = forger.resign(key).write(Path("before.tar.gz"))
    verified = verify_bundle(file, None, None, datetime.now(UTC))
    assert verified.findings == ()
    later = forger.edit_manifest(said_later=1).resign(key).write(Path("later.tar.gz"))
    assert verify_bundle(later, None, None, datetime.now(UTC)).findings == ()


def test_the_next_bundle_starts_where_the_last_ended(
    store: Store, environment: Environment, key: Path
) -> None:
    going_on = begin(store, "apply", 60)
    first = export(environment, key, None, since_last=True).manifest
    assert (first.after.position, first.until.position, first.until.running) == (0, 3, (going_on,))
    assert first.previous_bundle is None
    store.finish(going_on, RunStatus.OK, "", datetime.now(UTC))
    second = export(environment, key, None, since_last=True)
    assert second.file == Path("evidence-lab-4-5.tar.gz"), "the export itself, and what went on"
    assert second.manifest.after == first.until == second.manifest.previous_bundle
    now = datetime.now(UTC)
    before = Path("evidence-lab-1-3.tar.gz")
    assert not verify_bundle(second.file, None, before, now).findings
    whole = export(environment, key, None, since_last=False)
    assert whole.manifest.after.position == 0
    assert whole.manifest.previous_bundle == second.manifest.until
    assert not verify_bundle(whole.file, None, second.file, now).findings


def test_a_failed_export_is_none(
    store: Store, environment: Environment, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key.write_text("no key\n")
    assert run(["evidence", "export", "--key", str(key)]) == 1
    assert not list(Path.cwd().glob("*.tar.gz"))
    assert store.runs(1)[0].status is RunStatus.FAILED
    key.unlink()
    key.with_suffix(".pub").unlink()
    manifest = export(environment, make_key(key), None, since_last=True).manifest
    assert manifest.after.position == 0, "the failed one counts for nothing"
    assert manifest.links == 4, "but is on record"


def test_a_run_that_was_taken_for_dead_and_ended_is_no_forgery(
    environment: Environment, key: Path, tmp_path: Path
) -> None:
    with Store.open(environment.store_directory, "lab") as store:
        with subprocess.Popen(["true"]) as gone:
            number = begin(store, "apply", 0, pid=gone.pid)
        store.mark_broken(NOW + timedelta(minutes=1))
        first = export(environment, key, None, since_last=True)
        now = datetime.now(UTC)
        store.finish(number, RunStatus.OK, "", now)
        assert not verify_store(store, None, first.file, now).findings
        whole = export(environment, key, None, since_last=False)
        assert not verify_bundle(whole.file, None, first.file, now).findings
        directory = unpacked(whole.file, tmp_path / "unpacked")
        assert shell(f"{PYTHON} verify.py", directory).returncode == 0


def test_the_commands_as_they_are_typed(
    store: Store, environment: Environment, key: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    signers = allow(tmp_path / "signers", key)
    assert run(["evidence", "export", "--key", str(key)]) == 0
    said = capsys.readouterr()
    assert said.out == "evidence-lab-1-3.tar.gz\n"
    assert "3 links, 2026-03-01T22:15:30Z to 2026-03-01T22:40:30Z: 1 to 3" in said.err
    bundle = said.out.strip()
    assert run(["evidence", "verify", bundle, "--allowed-signers", str(signers)]) == 0
    said = capsys.readouterr()
    assert "3 links, all as recorded" in said.out
    assert "signed by auditee@example.org with SHA256:" in said.out
    assert run(["evidence", "verify", bundle]) == 4, "nobody said who may sign"
    assert "give --allowed-signers" in capsys.readouterr().err
    assert run(["evidence", "verify", "--after", bundle]) == 0
    assert "4 links, all as recorded" in capsys.readouterr().out
    forged = Forger.of(Path(bundle)).edit("records/run-000002.jsonl", "fails", "holds")
    file = str(forged.write(tmp_path / "forged.tar.gz"))
    assert run(["evidence", "verify", file, "--allowed-signers", str(signers), "--json"]) == 2
    data = json.loads(capsys.readouterr().out)
    (finding,) = data["findings"]
    assert (finding["file"], finding["line"], finding["run"]) == ("records/run-000002.jsonl", 5, 2)
    assert data["signer"] == "auditee@example.org"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["export"], 1, "Missing option '--key'"),
        (["export", "--key", "nothing"], 1, "there is no signing key"),
        (["export", "--key", "inventory"], 1, "there is no signing key"),
        (["export", "--key", "key", "-o", "nowhere/x"], 1, "there is no directory"),
        (["export", "--key", "key", "-o", "key.pub"], 1, "evidence is never overwritten"),
        (["export", "--key", "alone.pub"], 1, "could not be signed"),
        (["verify", "nothing"], 1, "does not exist"),
        (["verify", "key"], 1, "no sound gzip file"),
        (["verify", "--allowed-signers", "nothing"], 1, "does not exist"),
    ],
)
def test_wrong_input_is_told_and_nothing_is_left(
    store: Store, environment: Environment, key: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str,
) -> None:  # fmt: skip
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    shutil.copy("key.pub", "alone.pub")  # beside no private one, and no agent runs
    before = sorted(Path.cwd().iterdir())
    assert run(["evidence", *arguments]) == code
    assert said in capsys.readouterr().err
    assert sorted(Path.cwd().iterdir()) == before


def test_an_empty_list_of_signers_is_an_error(
    store: Store, environment: Environment, key: Path, tmp_path: Path
) -> None:
    bundle = export(environment, key, None, since_last=False).file
    (tmp_path / "empty").write_text("# nobody yet\n")
    assert run(["evidence", "verify", str(bundle), "--allowed-signers", "empty"]) == 1


def test_nothing_recorded_is_nothing_to_export(
    environment: Environment, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evidence", "export", "--key", str(key)]) == 1
    assert "nothing was recorded yet" in capsys.readouterr().err
    assert run(["evidence", "verify"]) == 4
    assert "nothing is recorded, so nothing can be said" in capsys.readouterr().out


def test_the_agent_signs_where_the_public_key_is_given(
    store: Store, environment: Environment, key: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        while not socket.exists():
            assert agent.poll() is None
        subprocess.run(["ssh-add", "-q", str(key)], check=True)
        key.unlink()
        bundle = export(environment, key.with_suffix(".pub"), None, since_last=False).file
        signers = allow(tmp_path / "signers", key)
        verified = verify_bundle(bundle, signers, None, datetime.now(UTC))
        assert verified.signer == "auditee@example.org"
    finally:
        agent.terminate()
        agent.wait(timeout=10)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_place_that_takes_no_file_is_told(
    store: Store, environment: Environment, key: Path, tmp_path: Path
) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    assert run(["evidence", "export", "--key", str(key), "-o", "closed/x.tar.gz"]) == 1


def test_a_disk_that_is_full_leaves_no_half_bundle(
    store: Store, environment: Environment, key: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "bundle.tar.gz")

    monkeypatch.setattr("orchestrator.evidence.archive.write", full)
    assert run(["evidence", "export", "--key", str(key), "-o", "bundle.tar.gz"]) == 1
    assert "No space left" in capsys.readouterr().err
    assert not Path("bundle.tar.gz").exists()
