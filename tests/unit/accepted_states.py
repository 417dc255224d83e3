"""A small environment whose one host says of itself what a test wants."""

from pathlib import Path
from typing import Any

import pytest
from small_environment import write_small

from orchestrator.drift import third_eye
from orchestrator.drift.collector.look import Seen
from orchestrator.environment import Environment, load_environment


def small_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The environment, with a store of its own; none of its hosts is asked."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(third_eye, "connections", lambda *_: [])
    return load_environment(write_small(tmp_path / "small"))


def say(monkeypatch: pytest.MonkeyPatch, objects: dict[str, Any], **blind: str) -> None:
    """What web1 says of itself from now on."""
    seen = {"web1": Seen(objects, blind, {})}
    monkeypatch.setattr(third_eye, "look", lambda *_, **__: (dict(seen), {}))
