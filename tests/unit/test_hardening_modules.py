"""Role hardening: which modules are unloaded, and which wait for a restart."""

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "roles/hardening/filter_plugins/modules.py"
SPECIFICATION = importlib.util.spec_from_file_location("hardening_modules", FILE)
assert SPECIFICATION is not None
assert SPECIFICATION.loader is not None
modules = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(modules)

UNNEEDED = ["binfmt_misc", "uas", "usb_storage", "cramfs"]


@pytest.mark.parametrize(
    ("loaded", "idle", "held"),
    [
        pytest.param("", [], [], id="none is loaded"),
        pytest.param("cramfs 45056 0 - Live 0x0\n", ["cramfs"], [], id="nothing uses it"),
        pytest.param("binfmt_misc 28672 1 - Live 0x0\n", [], ["binfmt_misc"], id="mounted"),
        pytest.param(
            "uas 32768 0 - Live 0x0\nusb_storage 81920 1 uas, Live 0x0\n",
            ["uas"],
            [],
            id="modprobe takes along what only an unneeded one uses",
        ),
        pytest.param(
            "usb_storage 81920 1 needed, Live 0x0\nneeded 16384 0 - Live 0x0\n",
            [],
            ["usb_storage"],
            id="one that stays uses it",
        ),
        pytest.param("ext4 1 1 - Live 0x0\n", [], [], id="not ours to say"),
    ],
)
def test_modules_are_unloaded_or_wait(loaded: str, idle: list[str], held: list[str]) -> None:
    assert modules.idle(loaded, UNNEEDED) == idle
    assert modules.held(loaded, UNNEEDED) == held
