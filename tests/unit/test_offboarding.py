"""The end of a client: when it may begin, what its journal keeps, and what its certificate says."""

import hashlib
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.clients import certificate
from orchestrator.clients.certificate import certificate_of, certificates, issue, render
from orchestrator.clients.journal import Journal
from orchestrator.clients.offboard import record_sum, refuse_early
from orchestrator.environment import Client, Environment
from orchestrator.errors import PasInfraError

AT = "2026-11-26T02:00:00+00:00"
ALPHA = Client("alpha", "Alpha & Fils", "rbx7", 10, 128, 50, 64, 30, date(2026, 10, 1))
ENVIRONMENT = cast("Environment", SimpleNamespace(directory=Path("inventories/x"), name="x"))
VOLUME = {
    "device": "/dev/system/client_alpha",
    "size": 10_000_269_312,
    "uuid": "0b4b6b7f-6f51-4a0e-8a2f-6f0f3f7c1a11",
    "cipher": "aes-xts-plain64",
    "key_bits": 512,
    "slots": 1,
}
COPY = {"file": "/escrow/1.gz.vault", "sha256": "5" * 64, "opened": True}


def journal_in(directory: Path, *, whole: bool = False, volume: bool = True) -> Journal:
    journal = Journal.open(directory, ALPHA, AT, "dbernard")
    journal.keep(
        "found", AT, volume=VOLUME if volume else {}, key_made=AT if volume else None,
        copies=[COPY] if volume else [],
    )  # fmt: skip
    journal.keep(
        "volume", AT, erased=volume, proof=["slots", "header"], overwritten=2**25, whole=whole
    )
    journal.keep("key", AT, former=3, generation=4)
    journal.keep("copies", AT, destroyed=1, tried=7)
    journal.keep("rest", AT)
    return journal


@pytest.mark.parametrize(
    ("client", "today", "why"),
    [
        (replace(ALPHA, contract_ended=None), date(2030, 1, 1), "has no end in clients.yml"),
        (ALPHA, date(2026, 10, 30), "is theirs until 2026-10-31"),
        (replace(ALPHA, grace_days=0), date(2026, 9, 30), "is theirs until 2026-10-01"),
    ],
)
def test_nothing_is_erased_early(client: Client, today: date, why: str) -> None:
    with pytest.raises(PasInfraError, match=why):
        refuse_early(client, ENVIRONMENT, today)


def test_it_may_begin_on_the_day_after_their_grace() -> None:
    refuse_early(ALPHA, ENVIRONMENT, date(2026, 10, 31))


def test_a_journal_goes_on_where_it_was(tmp_path: Path) -> None:
    begun = Journal.open(tmp_path / "j", ALPHA, AT, "dbernard")
    begun.keep("found", AT, volume=VOLUME)
    # Whoever goes on is not whoever began, and what is declared meanwhile does not count.
    again = Journal.open(tmp_path / "j", replace(ALPHA, title="Another"), "2027-01-01", "cleroy")
    assert (again.by, again.began, again.client["title"]) == ("dbernard", AT, "Alpha & Fils")
    assert again.done("found")
    assert not again.done("volume")
    assert again.steps["found"]["volume"] == VOLUME
    assert (tmp_path / "j/alpha.json").stat().st_mode & 0o777 == 0o600


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
        "ouvrait 1 des 1 copies",
        "chacun des 7 secrets",
    ):
        assert str(words) in page, words
    assert "réécriture complète" not in page
    assert "réécriture complète" in rendered(journal_in(tmp_path / "w", whole=True))
    nothing = rendered(journal_in(tmp_path / "n", volume=False))
    assert "Aucun espace de stockage" in nothing
    assert "ouvre plus rien" not in nothing


def test_certificates_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "printed", lambda page: page.encode())
    assert certificate_of(tmp_path / "j", "alpha") is None
    first = issue(ENVIRONMENT, journal_in(tmp_path / "j"), 7, "a" * 64)
    assert certificate_of(tmp_path / "j", "alpha") == first
    assert first.facts["previous_sha256"] == "0" * 64
    other = Journal.open(tmp_path / "j", replace(ALPHA, name="beta"), AT, "dbernard")
    other.steps = dict(journal_in(tmp_path / "k").steps)
    second = issue(ENVIRONMENT, other, 8, "b" * 64)
    assert second.facts["previous_sha256"] == first.sha256
    assert certificates(tmp_path / "j") == [first, second]
    content = (tmp_path / "j/alpha.certificate.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == first.sha256
    assert first.sha256 in first.html.read_text()
    (tmp_path / "j/alpha.certificate.json").write_bytes(content.replace(b"rbx7", b"rbx8"))
    with pytest.raises(PasInfraError, match=r"do not follow each other: beta[.]certificate"):
        certificates(tmp_path / "j")


def test_it_is_printed(tmp_path: Path) -> None:
    issued = issue(ENVIRONMENT, journal_in(tmp_path / "j"), 7, "a" * 64)
    assert issued.pdf.read_bytes().startswith(b"%PDF-")
    assert issued.pdf.stat().st_mode & 0o777 == 0o600


def test_another_record_has_another_sum() -> None:
    result = {"host": "rbx7", "task": "x", "status": "changed"}
    assert record_sum([result]) != record_sum([{**result, "status": "ok"}])


def rendered(journal: Journal) -> str:
    facts: dict[str, Any] = {
        "environment": "x", "control_node": "here", "client": dict(journal.client),
        "began": journal.began, "by": journal.by, "steps": journal.steps, "run": 7,
        "record_sha256": "a" * 64, "previous_sha256": "0" * 64, "issued": AT,
    }  # fmt: skip
    return render(json.loads(json.dumps(facts)), "c" * 64)
