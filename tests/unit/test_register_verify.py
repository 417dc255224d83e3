"""`verify` runs the checks of registers: letting one go overdue turns exactly its measure."""

import shutil
from pathlib import Path

from orchestrator.environment import load_environment
from orchestrator.paths import project_root
from orchestrator.records import MeasureState, Verdict
from orchestrator.selection import select
from orchestrator.verify import verify

# No host proves one of these.
ASKED = ["2.2.1", "3.2.1", "7.2.1", "7.3.1", "9.3.1"]


def test_a_tampered_register_turns_its_measure_and_no_other(tmp_path: Path) -> None:
    copy = tmp_path / "inventories/copy"
    shutil.copytree(project_root() / "inventories/lab", copy)
    changes = copy / "registers/changes.yml"
    changes.write_text(changes.read_text().replace("  announced: 2026-10-20\n", ""))
    for name in ("contract_clauses", "confidentiality_reviews", "locations"):
        (copy / f"registers/{name}.yml").unlink()
    (copy / "registers/third_parties.yml").write_text("---\n")
    environment = load_environment(copy)
    found = verify(environment, select(environment, measures=ASKED))
    assert found.measures == {
        "2.2.1": MeasureState.KEPT,
        "3.2.1": MeasureState.KEPT,
        "7.2.1": MeasureState.PARTLY,  # it was reviewed, though
        "7.3.1": MeasureState.UNMEASURED,  # no environment lies beside it
        "9.3.1": MeasureState.UNMEASURED,  # no third party is known
    }
    (failed,) = found.failed
    assert failed.check == "test_every_register.py::test_changes_are_announced"
    assert failed.host == "copy"
    assert failed.message == (
        "registers/changes.yml:3 (entry 1): `announced` was due by 2026-10-27; "
        "`pas-infra register add changes --env copy`"
    )
    silent = {one.message for one in found.checks if one.verdict is Verdict.UNMEASURED}
    assert silent == {
        "the register third_parties has no entry",
        "no other environment lies beside it to be compared with",
    }
    assert found.in_doubt == ()
