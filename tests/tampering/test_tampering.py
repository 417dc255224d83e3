"""Whatever is broken on a host is seen by the checks and by check mode, and exactly that."""

import pytest

from tampering.bench import Batch, Bench
from tampering.corpus import Tampering


def test_tampering_is_seen(
    tampering: Tampering,
    bench: Bench,
    round_of: dict[Tampering, tuple[Batch, ...]],
    known_failures: set[str],
) -> None:
    if tampering not in round_of:
        pytest.skip(f"is shown on {tampering.backend} only")
    seen = bench.sight(tampering, round_of[tampering], known_failures)
    assert not seen.troubles, seen.troubles
    assert seen.drift == tampering.drift
    assert set(seen.failing) == tampering.fails | known_failures, seen.failing
    for check, text in tampering.says.items():
        assert text in seen.failing[check]


def test_role_repairs_what_was_broken_and_nothing_is_left(
    bench: Bench,
    round_of: dict[Tampering, tuple[Batch, ...]],
    known_failures: set[str],
) -> None:
    assert round_of, "no tampering of this role can be shown here"
    # Where none of them drifts, nothing is the role's to put right.
    if any(tampering.drift for tampering in round_of):
        broken = [tampering for tampering in round_of if tampering.repair]
        assert broken, "no tampering of this role that can be shown here is marked `repair`"
        assert not bench.run({host: [each.change for each in broken] for host in bench.hosts})
        expected = {task for tampering in broken for task in tampering.drift}
        for repaired in bench.converge().values():
            assert repaired >= expected
    # That is also what all of them together have left behind: nothing.
    for sight in bench.look().values():
        assert not sight.troubles, sight.troubles
        assert not sight.drift
        assert set(sight.failing) == known_failures, sight.failing
