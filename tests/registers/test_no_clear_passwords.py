"""No password lies in clear where it is declared: in the environment, in its repository."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from orchestrator.clear_passwords import clear_texts, environment_files, repository_files

Says = Callable[[str, object], None]


@pytest.mark.pas("6.3.1")
def test_no_password_lies_in_the_environment(directory: Path, record_property: Says) -> None:
    """No file of the environment holds a password or a private key in clear."""
    _look(directory, environment_files(directory), record_property)


@pytest.mark.pas("6.3.1")
def test_no_password_lies_in_the_repository(directory: Path, record_property: Says) -> None:
    """No file that git keeps beside the environment holds a password or a private key in clear."""
    files = repository_files(directory)
    if not files:
        pytest.skip("the environment lies in no git repository")
    _look(directory, files, record_property)


def _look(directory: Path, files: Iterable[Path], says: Says) -> None:
    looked_at = list(files)
    found = [f"{one.file}:{one.line}: {one.what}" for one in clear_texts(looked_at)]
    assert not found, (
        f"{'; '.join(found)}; change it and vault it, or say on the line "
        "why it is none: `no secret: …`"
    )
    says("says", f"{len(looked_at)} files were looked at")
