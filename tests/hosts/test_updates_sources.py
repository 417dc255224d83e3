"""Checks of role updates: where packages come from, and that nothing comes without a signature."""

import re
from dataclasses import dataclass

import pytest
from conftest import Answers
from declared import Declared

SOURCES = "/etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources"
RELEASES = """python3 -c '
import apt_pkg
apt_pkg.init()
sources = apt_pkg.SourceList()
sources.read_main_list()
for release in sources.list:
    print(release.uri, release.dist)
'"""
TRUSTING = re.compile(
    r"\b(?:trusted|allow-(?:insecure|weak|downgrade-to-insecure))(?:=|:\s*)"
    r"(?:yes|true|on|with|enable|1)\b",
    re.IGNORECASE,
)
EXPIRED = re.compile(
    r"\bcheck-(?:valid-until|date)(?:=|:\s*)(?:no|false|off|without|disable|0)\b", re.IGNORECASE
)
OFF = ("", "0", "false", "no", "off", "without", "disable")


@dataclass(frozen=True)
class Archive:
    """One list of packages, as apt uses it; `release` is its address and its name there."""

    source: str
    origin: str
    label: str
    release: str
    trusted: str
    file: str


@pytest.fixture(scope="module")
def archives(answers: Answers) -> list[Archive]:
    fields = "$(SOURCESENTRY)|$(ORIGIN)|$(LABEL)|$(REPO_URI) $(RELEASE)|$(TRUSTED)|$(FILENAME)"
    said = answers(f"apt-get indextargets --format '{fields}' 'Created-By: Packages'")
    found = [Archive(*line.split("|")) for line in said.splitlines()]
    assert found, "apt has no source at all"
    return found


def options(answers: Answers, pattern: re.Pattern[str]) -> list[str]:
    """Where a source has such an option: `file:line`."""
    said = answers(f"grep -Hn '' {SOURCES} 2> /dev/null || true").splitlines()
    lines = (line.split(":", 2) for line in said)
    return [
        f"{file}:{number}"
        for file, number, text in lines
        if pattern.search(text) and not text.lstrip().startswith("#")
    ]


@pytest.mark.pas("1.1.1")
def test_packages_come_from_declared_archives(
    answers: Answers, archives: list[Archive], declared: Declared
) -> None:
    """Packages come from declared archives only, Debian's security updates among them."""
    known = {(each["origin"], each["label"]) for each in declared["updates_archives"]}
    foreign = [
        f"{a.source} leads to {a.origin or 'an archive without a name'}/{a.label or '?'}"
        for a in archives
        if (a.origin, a.label) not in known
    ]
    assert not foreign, "; ".join(foreign)
    # Of what it never fetched, or found empty, apt shows no list.
    unread = set(answers(RELEASES).splitlines()) - {a.release for a in archives}
    assert not unread, f"nothing is known of {', '.join(sorted(unread))}"
    assert ("Debian", "Debian-Security") in {(a.origin, a.label) for a in archives}, (
        "no source leads to Debian's security updates"
    )


@pytest.mark.pas("1.1.1")
def test_every_source_is_signed(answers: Answers, archives: list[Archive]) -> None:
    """Apt believes every source by its signature, and none because it was told to."""
    told = options(answers, TRUSTING)
    assert not told, f"believed without proof: {', '.join(told)}"
    doubted = sorted({a.source for a in archives if a.trusted != "yes"})
    assert not doubted, f"not signed by a known key: {', '.join(doubted)}"
    # A list of `dists/…` lies beside the signed file of its release.
    signed = answers("ls /var/lib/apt/lists | grep -E '_(InRelease|Release.gpg)$' || true").split()
    starts = tuple(name.removesuffix("InRelease").removesuffix("Release.gpg") for name in signed)
    bare = sorted({a.source for a in archives if not a.file.split("/")[-1].startswith(starts)})
    assert not bare, f"there is no signature of {', '.join(bare)}"


@pytest.mark.pas("1.1.1")
def test_apt_refuses_what_is_not_proven(answers: Answers) -> None:
    """Apt refuses unsigned and weakly signed archives, and servers that do not prove their name."""
    dump = re.findall(r'^(\S+) "(.*)";$', answers("apt-config dump"), re.MULTILINE)
    # Also within the settings of one archive or of one program.
    open_ = [
        f"{name} {value}"
        for name, value in dump
        if (re.search(r"::Allow(Insecure|Weak|Downgrade|Unauthenticated)\w*$", name, re.IGNORECASE)
            and value.lower() not in OFF)
        or (re.search(r"::Verify-(Peer|Host)$", name, re.IGNORECASE) and value.lower() in OFF)
    ]  # fmt: skip
    assert not open_, "; ".join(open_)


@pytest.mark.pas("1.1.1", "7.6.2")
def test_apt_refuses_expired_lists(answers: Answers) -> None:
    """Apt refuses package lists whose signed last day has passed: nobody can hide updates so."""
    dump = dict(re.findall(r'^(\S+) "(.*)";$', answers("apt-config dump"), re.MULTILINE))
    off = [n for n in ("Acquire::Check-Valid-Until", "Acquire::Check-Date")
           if dump.get(n, "true").lower() in OFF]  # fmt: skip
    assert not off, f"{', '.join(off)} is off"
    told = options(answers, EXPIRED)
    assert not told, f"switched off for a source: {', '.join(told)}"


@pytest.mark.pas("1.1.1")
def test_no_foreign_key_signs_any_archive(answers: Answers, declared: Declared) -> None:
    """The keys that may sign any archive are those of Debian's packages and declared ones."""
    said = answers(
        "for key in /etc/apt/trusted.gpg /etc/apt/trusted.gpg.d/*; do"
        ' [ ! -e "$key" ] || dpkg-query --search "$key" > /dev/null 2>&1 || echo "$key"; done'
    )
    foreign = [key for key in said.split() if key.split("/")[-1] not in declared["updates_keys"]]
    assert not foreign, f"nobody declared {', '.join(foreign)}"
