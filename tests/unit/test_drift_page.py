"""The page of drift: what it shows, in two languages, and that nothing of a host runs in it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from small_environment import write_small

from orchestrator.cli import run
from orchestrator.drift.memory import Look
from orchestrator.environment import load_environment
from orchestrator.nightly import page as pages
from orchestrator.nightly.page import LANGUAGES, page
from orchestrator.records import HostDrift, Sighting

NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
HOST = HostDrift("rbx7", complete=True, findings=2, new=1, pending=0, accepted=0, blind=3,
                 coverage=97.9, seconds=41.2)  # fmt: skip
FINDING = Sighting(
    identity="3f0a9c41d2b7", host="rbx7", kind="unmanaged", object_kind="file",
    name="/etc/<script>alert(1)</script>", eye="collector", severity=3, measures=("5.5.2",),
    seen="+password = hunter2", role="", checks=(), cause="corrective", because="x",
    first_seen="2026-11-24T02:31:00+00:00",
)  # fmt: skip


def look(day: int, *hosts: HostDrift, roles: list[str] | None = None) -> Look:
    started = f"2026-11-{day:02d}T02:31:00+00:00"
    made: Any = SimpleNamespace(id=day, started=started, options={"roles": roles or []})
    return Look(made, hosts)


LOOKS = [
    look(26, HOST, replace(HOST, host="sysfab", complete=False, findings=0,
                           why=("no answer over SSH\nmore",))),
    look(25, HOST, roles=["ssh"]),
    look(24, replace(HOST, findings=5), replace(HOST, host="sysfab", findings=0)),
    look(23, replace(HOST, findings=0), replace(HOST, host="sysfab", findings=1)),
]  # fmt: skip


def test_both_languages_say_the_same() -> None:
    texts = Path(pages.__file__).with_name("texts")
    french, english = (yaml.safe_load((texts / f"{one}.yml").read_text()) for one in ("fr", "en"))

    def names(found: Any, before: str = "") -> set[str]:
        if not isinstance(found, dict):
            return {before}
        return {name for key, value in found.items() for name in names(value, f"{before}.{key}")}

    assert names(french) == names(english)
    assert set(LANGUAGES) == {"fr", "en"}


@pytest.mark.parametrize(
    ("language", "words"),
    [("fr", ["Écarts ouverts", "élevée", "24 novembre 2026", "incomplet"]),
     ("en", ["Open findings", "high", "24", "incomplete"])],
)  # fmt: skip
def test_it_shows_the_last_look_the_trend_and_what_is_open(language: str, words: list[str]) -> None:
    shown = page("production", LOOKS, [FINDING], NOW, language).replace("\u00a0", " ")
    for word in [*words, "rbx7", "sysfab", "3f0a9c41d2b7", "5.5.2", "no answer over SSH"]:
        assert word in shown, word
    # One line a host; a night that was not seen as a whole is a cross, and no point of it.
    assert shown.count("<polyline") == 2
    assert shown.count("<path") == 1
    assert "97&nbsp;%" in shown
    for hidden in ("hunter2", "<script>", "run 25", "exécution 25"):
        assert hidden not in shown


def test_without_a_look_it_says_so() -> None:
    shown = page("x", [], [], NOW, "en")
    assert "No look is recorded yet." in shown
    assert "No finding is open." in shown


def test_one_look_is_a_point() -> None:
    shown = page("x", LOOKS[-1:], [], NOW, "en")
    assert "<polyline" not in shown
    assert shown.count("<circle") == 2


def test_the_command_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    directory = write_small(tmp_path / "small")
    asked = ["drift", "report", "--env", str(directory)]
    assert run(asked) == 0
    written = Path(capsys.readouterr().out.strip())
    assert written == load_environment(directory).store_directory / "drift.html"
    assert "Aucun passage" in written.read_text()
    assert run([*asked, "--lang", "en", "-o", str(tmp_path / "here.html")]) == 0
    assert "No look" in (tmp_path / "here.html").read_text()
