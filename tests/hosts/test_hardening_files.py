"""Checks of role hardening: owners, rights and setuid bits of files, packages that are there."""

import re

import pytest
import yaml
from conftest import Answers
from declared import ROLES, Declared

# What outlives a boot; the other file systems are the kernel's or the session's.
FILE_SYSTEMS = "btrfs,ext2,ext3,ext4,f2fs,overlay,xfs,zfs"
COMPILER = re.compile(r"/(as|ld|cc|c\+\+|gcc|g\+\+|cpp|clang|clang\+\+|tcc|make)(-[0-9.]+)?$")
PUBLIC_SOCKET = re.compile(
    r"/run/(systemd/.*|dbus/system_bus_socket|ssh-unix-local/socket|user/\d+/.*|sshd?.*|uuidd/request)"
)


def found(answers: Answers, declared: Declared, what: str) -> list[str]:
    """The files of the host for which `find` says yes."""
    targets = answers(f"findmnt -rno TARGET -t {FILE_SYSTEMS}").split()
    places = " ".join(target for target in targets if not target.startswith("/run/"))
    pruned = " ".join(
        f"-path '{path}' -prune -o" for path in declared["hardening_scan_excluded_paths"]
    )
    listed = answers(rf"find {places} -xdev -ignore_readdir_race {pruned} {what} -printf '%p\0'")
    return [name for name in listed.split("\0") if name]


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R29", "R50")
def test_sensitive_files_are_guarded(answers: Answers, active: frozenset[str]) -> None:
    """Accounts, jobs, boot files and logs have the owner, group and mode of the table."""
    table = yaml.safe_load((ROLES / "hardening/vars/main/system.yml").read_text("utf-8"))
    wanted = {
        entry["path"]: f"root {entry['group']} {entry['mode']}"
        for entry in table["__hardening_files"]
        if entry["recommendation"] in active
    }
    paths = " ".join(wanted)
    lines = answers(rf"stat --printf='%n %U %G %a\n' {paths} 2>/dev/null || true").splitlines()
    seen = dict(line.split(" ", 1) for line in lines)
    assert {"/etc/passwd", "/etc/shadow"} <= set(seen), "the files of accounts are not there"
    differing = [f"{path} is {seen[path]}" for path in seen if seen[path] != wanted[path]]
    assert not differing, ", ".join(differing)


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R50")
def test_homes_are_closed(answers: Answers) -> None:
    """Nobody looks into the home of another."""
    entries = [line.split(":") for line in answers("getent passwd").splitlines()]
    homes = {entry[5] for entry in entries if 1000 <= int(entry[2]) < 60000 or entry[2] == "0"}
    listed = answers(
        f"find {' '.join(sorted(homes))} -maxdepth 0 -type d -perm /077 2>/dev/null || true"
    )
    assert not listed.split(), f"open to others: {', '.join(listed.split())}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R50")
def test_what_sessions_start_with_is_closed(answers: Answers) -> None:
    """Nobody changes or reads what the session of another starts with."""
    listed = answers("find /home -mindepth 2 -maxdepth 2 -type f -name '.*' -perm /037").split()
    assert not listed, f"open to others: {', '.join(listed)}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R52")
def test_sockets_are_not_for_everybody(answers: Answers, declared: Declared) -> None:
    """Only the sockets and pipes that are meant for everybody can be written to by everybody."""
    listed = answers(
        r"find /run -xdev -ignore_readdir_race \( -type s -o -type p \) -perm -0002 -printf '%p\n'"
    ).splitlines()
    known = set(declared["hardening_open_sockets"])
    open_ones = [path for path in listed if not PUBLIC_SOCKET.fullmatch(path) and path not in known]
    assert not open_ones, f"open to everybody: {', '.join(open_ones)}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R53")
def test_every_file_has_an_owner(answers: Answers, declared: Declared) -> None:
    """No file belongs to an account or a group that is gone: the next one would inherit it."""
    orphans = found(answers, declared, r"\( -nouser -o -nogroup \)")
    assert not orphans, f"{len(orphans)} without an owner: {', '.join(orphans[:5])}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R54")
def test_shared_directories_are_sticky(answers: Answers, declared: Declared) -> None:
    """Where everybody may write, nobody may remove the files of others."""
    loose = found(answers, declared, "-type d -perm -0002 ! -perm -1000")
    assert not loose, f"not sticky: {', '.join(loose[:5])}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R54")
def test_no_file_is_writable_by_everybody(answers: Answers, declared: Declared) -> None:
    """No file can be changed by everybody."""
    loose = found(answers, declared, "-type f -perm -0002")
    assert not loose, f"writable by everybody: {', '.join(loose[:5])}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R56")
def test_setuid_programs_are_declared(
    answers: Answers, declared: Declared, active: frozenset[str]
) -> None:
    """No program runs with the rights of another but those that are declared."""
    programs = found(answers, declared, "-type f -perm /6000")
    undeclared = set(programs) - set(declared["hardening_setuid_programs"])
    if undeclared and "R57" not in active:
        # Below the level of R57, what a package brought is trusted.
        names = " ".join(f"'{name}'" for name in sorted(undeclared))
        owned = answers(f"dpkg-query --search {names} 2>/dev/null || true").splitlines()
        undeclared -= {line.partition(": ")[2] for line in owned}
    assert not undeclared, f"undeclared: {', '.join(sorted(undeclared))}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R49", "R51", "R57", "R58", "R62", "R74")
def test_unneeded_packages_are_gone(
    answers: Answers, declared: Declared, active: frozenset[str]
) -> None:
    """No package is installed that nobody needs: servers without encryption, mail, compilers."""
    table = yaml.safe_load((ROLES / "hardening/vars/main/system.yml").read_text("utf-8"))
    unneeded = {
        name
        for entry in table["__hardening_unneeded_packages"]
        if entry["recommendation"] in active
        for name in entry["names"]
    } - set(declared["hardening_needed_packages"])
    installed = answers("dpkg-query -W -f '${db:Status-Abbrev}${Package}\\n'").splitlines()
    names = [line.split()[-1] for line in installed if line.startswith("i")]
    there = [name for name in names if re.sub(r"-\d+$", "", name) in unneeded]
    assert not there, f"installed: {', '.join(there)}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R58")
def test_no_compiler_is_there(answers: Answers, declared: Declared) -> None:
    """Nobody builds programs here, whichever way a compiler came."""
    if set(declared["hardening_needed_packages"]) & {"gcc", "clang", "tcc", "build-essential"}:
        pytest.skip("this host is declared to need a compiler")
    programs = answers(
        "find /usr/bin /usr/local/bin /usr/sbin /usr/local/sbin /opt -xdev -perm /111 ! -type d"
    ).splitlines()
    compilers = [program for program in programs if COMPILER.search(program)]
    assert not compilers, ", ".join(compilers)


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R58")
def test_packages_come_from_an_archive(answers: Answers, declared: Declared) -> None:
    """Every installed package is one that an archive offers, and so gets its corrections."""
    lines = answers("apt-get indextargets --format '$(FILENAME)' 'Created-By: Packages'").split()
    assert lines, "apt knows no archive"
    listed = answers("apt list '?obsolete' 2>/dev/null").splitlines()
    strangers = {line.partition("/")[0] for line in listed if "/" in line}
    strangers -= set(declared["hardening_local_packages"])
    assert not strangers, f"from no archive: {', '.join(sorted(strangers))}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R58")
def test_recommended_packages_stay_away(answers: Answers) -> None:
    """An installation brings what is needed, and not what goes well with it."""
    setting = answers("apt-config dump APT::Install-Recommends APT::Install-Suggests").split()
    assert setting[1::2] == ['"0";', '"0";'], " ".join(setting)
