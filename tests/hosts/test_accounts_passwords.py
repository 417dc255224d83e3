"""Checks of role accounts: what PAM really does, tried on an account that nobody else sees."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Answers
from declared import Declared
from hashes import former, passwd, shadow

PROBE = Path(__file__).with_name("pam_probe.py")
# Those by which somebody gets in or becomes another one; `other` stands for whatever has no file.
SERVICES = ["sudo", "sudo-i", "login", "sshd", "other"]
# crypt's alphabet, by which `$y$jCT` writes the cost.
ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def seen(answers: Answers, declared: Declared) -> dict[str, Any]:
    """What happened to the probe's passwords and one-time codes."""
    asked = {
        "oath": "/var/lib/pas-infra/users.oath",
        "services": SERVICES,
        "most": declared["accounts_lock_after"],
    }
    argument = base64.b64encode(json.dumps(asked).encode()).decode()
    script = base64.b64encode(PROBE.read_bytes()).decode()
    said: dict[str, Any] = json.loads(
        answers(f"echo {script} | base64 -d | python3 -I - {argument}")
    )
    return said


def cost(whose: str, kept_as: str) -> int:
    """The cost of a yescrypt hash: 5 for `$y$j9T`, which is Debian's, 8 for `$y$jCT`."""
    kind, _, parameters = kept_as.removeprefix("$").partition("$")
    assert kind == "y", f"{whose} is kept as {kept_as or 'clear text'}"
    return ALPHABET.index(parameters[1]) - 6


@pytest.mark.pas("5.5.1")
def test_only_the_right_password_opens(seen: dict[str, Any]) -> None:
    """A wrong or an empty password opens nothing, the right one does."""
    assert seen["strong accepted"], "a strong password is refused"
    assert seen["right opens"], "the right password is refused"
    assert not seen["wrong opens"], f"a wrong one opens {', '.join(seen['wrong opens'])}"
    assert not seen["empty opens"], f"an empty one opens {', '.join(seen['empty opens'])}"


@pytest.mark.pas("5.5.2")
def test_wrong_passwords_lock_an_account(seen: dict[str, Any], declared: Declared) -> None:
    """After the declared number of failures even the right password is refused for a while."""
    assert declared["accounts_lock_after"] <= 10, "no limit worth the name"
    assert declared["accounts_lock_seconds"] >= 60, "no while worth the name"
    assert seen["locks"], f"{declared['accounts_lock_after']} failures lock nothing"


@pytest.mark.pas("5.5.2", "5.5.3")
def test_one_time_codes_serve_once(seen: dict[str, Any]) -> None:
    """A one-time code opens once; a wrong one never; failures lock this way too."""
    assert seen.get("code right"), "the right code is refused"
    assert not seen["code again"], "a code serves twice"
    assert not seen["code wrong"], "a wrong code opens"
    assert seen["code locks"], "failures lock nothing"


@pytest.mark.pas("5.2.1")
def test_accounts_end_on_their_last_day(seen: dict[str, Any]) -> None:
    """An account is usable on its last day, and refused from the day after."""
    assert seen["usable until today"], "it is refused on its last day"
    assert not seen["usable until yesterday"], "it is still usable on the day after"


@pytest.mark.pas("5.5.1")
def test_weak_and_former_passwords_are_refused(seen: dict[str, Any]) -> None:
    """A new password is long, of every kind of character, no word and no former one."""
    weak = ", ".join(seen["weak accepted"])
    assert not weak, f"accepted: {weak}"
    assert seen["changed"], "another strong password is refused"
    assert not seen["former accepted"], "the former password is accepted again"


@pytest.mark.pas("6.3.1", "6.3.2")
def test_new_passwords_are_kept_as_slow_hashes(seen: dict[str, Any], declared: Declared) -> None:
    """Of a new password only a yescrypt hash of the declared cost is kept."""
    found = cost("a new password", seen["kept as"])
    assert found >= declared["accounts_yescrypt_cost"], f"the cost is {found}"


@pytest.mark.pas("6.3.1", "6.3.2")
def test_passwords_are_kept_as_slow_hashes(answers: Answers, declared: Declared) -> None:
    """Every password that the host holds, former ones included, is such a hash."""
    held = {name: [fields[1]] for name, fields in shadow(answers).items()}
    held |= {name: [fields[1]] for name, fields in passwd(answers).items() if fields[1] != "x"}
    for kept in (held, former(answers)):
        for account, kinds in kept.items():
            # A locked account's hash stands behind its marks, and can be unlocked.
            for kind in filter(None, (kind.lstrip("!*") for kind in kinds)):
                found = cost(f"{account}'s password", "" if kind == "clear" else kind)
                assert found >= declared["accounts_yescrypt_cost"], (
                    f"{account}: the cost is {found}"
                )
