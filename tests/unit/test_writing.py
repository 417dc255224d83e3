"""Files that people write too."""

from pathlib import Path

import pytest

from orchestrator.environment.writing import replace_text_of, text_of
from orchestrator.errors import PasInfraError


def test_what_somebody_wrote_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "risks.yml"
    replace_text_of(file, None, "one\n")
    seen = text_of(file)
    replace_text_of(file, seen, "one\ntwo\n")
    for stale in (seen, None):
        with pytest.raises(PasInfraError, match="somebody changed the file meanwhile"):
            replace_text_of(file, stale, "one\nthree\n")
    assert text_of(file) == "one\ntwo\n"
