"""The end of a client: when it may begin, what its journal keeps, and what its certificate says."""

import hashlib
import json
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.cli.results import show_opened
from orchestrator.cli.terminal import console
from orchestrator.clients import certificate, open_all
from orchestrator.clients.certificate import (
    certificate_of,
    certificates,
    issue,
    render,
    require_what_it_takes,
)
from orchestrator.clients.offboard import record_sum, refuse_early
from orchestrator.environment import Client, Environment
from orchestrator.errors import PasInfraError
from orchestrator.keys import SafeCopy
from orchestrator.offboardings import Journal, directory_of
from orchestrator.records import TaskResult, TaskStatus

AT = "2026-11-26T02:00:00+00:00"
ALPHA = Client("alpha", "Alpha & Fils", "rbx7", 10, 128, 50, 64, 30, date(2026, 10, 1))
VOLUME = {
    "device": "/dev/system/client_alpha",
    "size": 10_000_269_312,
    "uuid": "0b4b6b7f-6f51-4a0e-8a2f-6f0f3f7c1a11",
    "cipher": "aes-xts-plain64",
    "key_bits": 512,
    "slots": 1,
}
COPY = {"file": "/escrow/1.gz.vault", "sha256": "5" * 64, "opened": True}

SAFE = asdict(SafeCopy(
    1, "/media/x", "le coffre du siège", AT, "dbernard", 3, "6" * 64, "2026-11-27T02:00:00+00:00",
    "bdurand",
))  # fmt: skip


def environment_in(directory: Path) -> Environment:
    made = SimpleNamespace(
        directory=Path("inventories/x"), name="x", kind="production", store_directory=directory
    )
    return cast("Environment", made)


BACKUPS = {
    "repository": "rbx7/client-alpha", "target": "sysfab", "keys_there": 2, "in_escrow": True,
    "archives": 31, "size": 3_200_000_000, "copies": 35,
}  # fmt: skip


def journal_in(
    directory: Path, name: str = "alpha", *, whole: bool = False, volume: bool = True
) -> Journal:
    journal = Journal.begin(environment_in(directory), replace(ALPHA, name=name), "dbernard")
    journal.keep(
        "confirmed", AT, 7, volume=VOLUME if volume else {}, key_made=AT if volume else None,
        copies=[COPY] if volume else [], generation=3, group="system", overwrite=whole,
    )  # fmt: skip
    if volume:
        journal.keep("volume", AT, 7, proof=["slots", "header"], overwritten=2**25, whole=whole)
    journal.keep("key", AT, 8, generation=4)
    journal.keep("copies", AT, 8, tried=7)
    journal.keep("backups", AT, 8, found=BACKUPS if volume else {}, tried=9)
    journal.keep("rest", AT, 9, safe_copies=[SAFE] if volume else [])
    return journal


@pytest.mark.parametrize(
    ("client", "today", "why"),
    [
        (replace(ALPHA, contract_ended=None), date(2030, 1, 1), "has no end in clients.yml"),
        (ALPHA, date(2026, 10, 31), "may be erased from 2026-11-01 on"),
        (replace(ALPHA, grace_days=0), date(2026, 10, 1), "may be erased from 2026-10-02 on"),
    ],
)
def test_nothing_is_erased_early(client: Client, today: date, why: str) -> None:
    with pytest.raises(PasInfraError, match=why):
        refuse_early(client, environment_in(Path("x")), today)


def test_it_may_begin_on_the_day_after_their_grace() -> None:
    refuse_early(ALPHA, environment_in(Path("x")), date(2026, 11, 1))


def test_a_journal_goes_on_where_it_was(tmp_path: Path) -> None:
    environment = environment_in(tmp_path)
    assert Journal.found(environment, "alpha") is None
    begun = Journal.begin(environment, ALPHA, "dbernard")
    assert Journal.found(environment, "alpha") is None
    begun.keep("confirmed", AT, 7, volume=VOLUME)
    again = Journal.found(environment, "alpha")
    assert again is not None
    # Whatever is declared by now, this is who it was about.
    assert Client.from_data(again.client) == ALPHA
    assert (again.by, again.runs) == ("dbernard", [7])
    assert again.done("confirmed")
    assert not again.done("volume")
    assert again.steps["confirmed"]["volume"] == VOLUME
    assert again.file.stat().st_mode & 0o777 == 0o600


def test_a_start_says_who_is_not_erased_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever clients.yml says by then; of another host, and of who is certified, nothing."""
    monkeypatch.setattr(certificate, "printed", lambda page: page.encode())
    environment = environment_in(tmp_path)
    vars(environment)["clients"] = (ALPHA,)
    begun = Journal.begin(environment, ALPHA, "dbernard")
    begun.keep("confirmed", AT, 7, volume=VOLUME)
    Journal.begin(environment, replace(ALPHA, name="far", host="sysfab"), "x").keep(
        "confirmed", AT, 7
    )
    issue(environment, journal_in(tmp_path, "done"), {7: "a" * 64})
    (opened,) = open_all(environment, "rbx7")
    assert (opened.client, opened.leaving, opened.trouble) == ("alpha", AT, "")
    show_opened(opened, console(stderr=True))
    said = " ".join(capsys.readouterr().err.split())
    assert "the erasure of alpha was confirmed on 2026-11-26 and has not ended" in said
    assert "pas-infra client offboard alpha" in said


def test_a_certificate_says_what_became_of_each_copy(tmp_path: Path) -> None:
    page = rendered(journal_in(tmp_path / "j"))
    for words in (
        "Alpha &amp; Fils",
        "01/10/2026, puis 30 jours de délai",
        "dbernard",
        "26/11/2026 à 03:00:00 (CET)",
        "Effacement des clés utilisées",
        "10,0 Go",
        VOLUME["uuid"],
        "génération 3",
        "génération 4",
        "5" * 64,
        "Celles que la clé du client ouvrait avant sa destruction : 1.",
        "chacun des 7 secrets du serveur",
        "administration : le coffre du siège",
        "selon la déclaration de bdurand",
        "27/11/2026 à 03:00:00 (CET)",
        "rbx7/client-alpha</code> sur sysfab, sauvegardes : 31, 3,2 Go",
        "35 sur sysfab",
        "sur rbx7 (fichiers : 2)",
        "chacun des 9 secrets qui existent",
    ):
        assert str(words) in page, words
    assert "réécriture complète" not in page
    assert "réécriture complète" in rendered(journal_in(tmp_path / "w", whole=True))
    nothing = rendered(journal_in(tmp_path / "n", volume=False))
    assert "Aucun espace de stockage" in nothing
    assert "ouvre plus rien" not in nothing
    assert "noyau" not in nothing
    assert "auvegardes" not in nothing


def test_certificates_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "printed", lambda page: page.encode())
    environment, place = environment_in(tmp_path), directory_of(environment_in(tmp_path))
    assert certificate_of(place, "alpha") is None
    first = issue(environment, journal_in(tmp_path), {7: "a" * 64})
    assert certificate_of(place, "alpha") == first
    assert first.facts["previous_sha256"] == "0" * 64
    # What a cut has left is no certificate.
    (place / ".gamma.certificate.json").write_text("{")
    second = issue(environment, journal_in(tmp_path, "beta"), {8: "b" * 64})
    assert second.facts["previous_sha256"] == first.sha256
    assert certificates(place) == [first, second]
    require_what_it_takes(place)
    content = (place / "alpha.certificate.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == first.sha256
    assert first.sha256 in first.html.read_text()
    (place / "alpha.certificate.json").write_bytes(content[:-1])
    with pytest.raises(PasInfraError, match="no certificate of erasure any more"):
        require_what_it_takes(place)
    (place / "alpha.certificate.json").write_bytes(content.replace(b"rbx7", b"rbx8"))
    with pytest.raises(PasInfraError, match=r"do not follow each other: beta[.]certificate"):
        require_what_it_takes(place)


def test_it_is_printed(tmp_path: Path) -> None:
    issued = issue(environment_in(tmp_path), journal_in(tmp_path), {7: "a" * 64})
    assert issued.pdf.read_bytes().startswith(b"%PDF-")
    assert issued.pdf.stat().st_mode & 0o777 == 0o600


def test_another_record_has_another_sum() -> None:
    result = TaskResult("rbx7", "", "x", "client", TaskStatus.CHANGED, duration=1.0)
    assert record_sum([result]) == record_sum([replace(result, duration=2.0)])
    for other in ({"host": "sysfab"}, {"task": "y"}, {"status": TaskStatus.OK}, {"message": "z"}):
        assert record_sum([result]) != record_sum([replace(result, **other)])


def rendered(journal: Journal) -> str:
    facts: dict[str, Any] = {
        "environment": "x", "control_node": "here", "client": dict(journal.client),
        "by": journal.by, "steps": journal.steps, "records": {"7": "a" * 64},
        "previous_sha256": "0" * 64, "issued": AT,
    }  # fmt: skip
    return render(json.loads(json.dumps(facts)), "c" * 64)
