"""Whatever is broken on a host is seen by the checks and by check mode, and exactly that."""

import pytest

from tampering.bench import Bench
from tampering.corpus import Tampering


def test_tampering_is_seen(
    tampering: Tampering,
    bench: Bench,
    round_of: dict[Tampering, tuple[Tampering, ...]],
    known_failures: set[str],
) -> None:
    if tampering not in round_of:
        pytest.skip(f"is shown on {tampering.backend} only")
    seen = bench.sight(tampering, round_of[tampering])
    assert not seen.troubles, seen.troubles
    assert seen.drift == tampering.drift
    assert set(seen.failing) == tampering.fails | known_failures, seen.failing
    for check, text in tampering.says.items():
        assert text in seen.failing[check]


def test_role_repairs_what_was_broken(
    bench: Bench, corpus: list[Tampering], known_failures: set[str]
) -> None:
    broken = [tampering for tampering in corpus if tampering.repair]
    assert broken, "no tampering of this role is marked `repair`"
    script = "\n".join(tampering.change for tampering in broken)
    assert not bench.run(dict.fromkeys(bench.hosts, script))
    expected = {task for tampering in broken for task in tampering.drift}
    for sight in bench.look().values():
        assert sight.drift >= expected
    assert not bench.converge()
    for sight in bench.look().values():
        assert not sight.troubles, sight.troubles
        assert not sight.drift
        assert set(sight.failing) <= known_failures, sight.failing


def test_nothing_is_left_behind(bench: Bench, known_failures: set[str]) -> None:
    for sight in bench.look().values():
        assert not sight.troubles, sight.troubles
        assert not sight.drift
        assert set(sight.failing) == known_failures
