"""The recipe of an image: whatever shapes it is in its key."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from orchestrator.lab.image import ImageRecipe, debian_codename, sources_of

RECIPE = ImageRecipe("server", ("a", "b"), "deb x", "Acquire", ("certificate",), "customize")
ANOTHER: dict[str, object] = {
    "name": "scanner",
    "packages": ("a", "c"),
    "sources": "deb y",
    "apt_settings": "",
    "certificates": (),
    "customize": "other",
}


def test_the_same_recipe_has_the_same_key() -> None:
    assert replace(RECIPE).key == RECIPE.key
    assert len(RECIPE.key) == 16
    assert int(RECIPE.key, 16) >= 0


@pytest.mark.parametrize("part", [field.name for field in fields(ImageRecipe)])
def test_a_change_of_any_part_gives_another_key(part: str) -> None:
    assert replace(RECIPE, **{part: ANOTHER[part]}).key != RECIPE.key  # type: ignore[arg-type]


def test_an_image_lies_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert RECIPE.directory == tmp_path / f"pas-infra/images/server-{RECIPE.key}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('ID=debian\nVERSION_CODENAME=trixie\nNAME="Debian GNU/Linux"\n', "trixie"),
        ("ID='debian'\nVERSION_CODENAME='bookworm'\n", "bookworm"),
        ("ID=debian\n", ""),
        ("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n", ""),
        ("# nothing\n\n", ""),
    ],
)
def test_the_release_of_this_machine(text: str, name: str) -> None:
    assert debian_codename(text) == name


HERE, SECURITY = "http://archive.example/debian/", "http://archive.example/security/"


@pytest.mark.parametrize("here", ["trixie", "bookworm"])
def test_the_archives_stay_and_the_release_becomes_debian_13(here: str) -> None:
    targets = "".join(
        f"{uri} {release} {component}\n"
        for uri, release in (
            (HERE, here),
            (HERE, f"{here}-updates"),
            (SECURITY, f"{here}-security"),
        )
        for component in ("main", "main", "contrib")
    )
    assert sources_of(targets, here).splitlines() == [
        f"deb {HERE} trixie main",
        f"deb {HERE} trixie-updates main",
        f"deb {SECURITY} trixie-security main",
    ]


@pytest.mark.parametrize(
    "target",
    [
        "http://archive.example/tools/ stable main",
        f"{HERE} bookworm-backports main",
        f"{HERE} bookworm non-free-firmware",
        "http://archive.example/flat/ ./",
        "http://archive.example/flat/",
        "cdrom:[Debian GNU/Linux 12]/ bookworm main",
        "",
    ],
)
def test_what_is_not_debians_own_is_left_out(target: str) -> None:
    assert sources_of(f"{target}\n", "bookworm") == ""
