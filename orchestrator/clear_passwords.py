"""Passwords and keys in clear, in the texts of an environment and of the repository it lies in.

Few rules, each sure of what it says: a finding that is none is the end of such a check. What the
text itself shows to be no secret (a template, a variable, a hash, a vaulted value) is none.
"""

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# On the line, for what only looks like a secret: whoever writes it says why.
ALLOWED = re.compile(r"no secret: \S+")
_SHORTEST = 5  # characters
_LARGEST = 1_000_000  # bytes; what is larger was not written by hand
_CONFIGURATION = {".yml", ".yaml", ".ini", ".cfg", ".conf", ".env", ".toml", ".json", ".properties"}
_WORDS = r"(?:password|passwd|passphrase|secret|token|api_?key|mot_?de_?passe|pwd)"
_ASSIGNED = re.compile(
    rf"(?i)(?P<name>\b[\w.-]*?{_WORDS}(?:_key|_value)?)\b[\"']?\s*[:=]\s*"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;#}\]]+)"
)
_SUDOERS = re.compile(r"\w*PASSWD")  # a tag of sudoers(5), with a colon of its own
_HINT = re.compile(rf"(?i){_WORDS}")
_FOLDED = re.compile(r"[|>][+-]?\d?")  # the value stands on the lines below
_KNOWN = {
    "a private key": re.compile(
        r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*\\?n?\s*[A-Za-z0-9+/=]{32}"
    ),
    "a cloud access key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a token of a forge": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|glpat-[\w-]{20})\b"),
    "a token of a chat": re.compile(r"\bxox[abprs]-[0-9A-Za-z-]{20,}"),
    "an age key": re.compile(r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b"),
    "a password in an address": re.compile(r"\b\w+://[^\s/:@'\"{}$<]+:(?![$%{<*])[^\s/:@'\"{}<]+@"),
}
# Templates, variables, calls, hashes and their kinds, paths and what stands for a value.
_NO_VALUE = re.compile(
    r"(?i)\{\{|\{%|^\$[({]|^\$\w+$|^%\(|^<.*>$|^\$\w+\$"
    r"|^\w+:[0-9a-f]{32,}$|^[\w.]+\(|^~?/\w|^[x.*_-]+$|^•"
    r"|^(?:true|false|null|none|omit|required|forbidden|always|on_create|string"
    r"|locked|yescrypt|sha-?512)$"
)
_NOT_PLAIN = re.compile(r"[{$<%(/~*!|>&@\[]")  # how YAML and shells begin what is no plain text


@dataclass(frozen=True, order=True)
class ClearText:
    """Something that looks like a secret in clear; the secret itself is not kept."""

    file: Path
    line: int
    what: str


def clear_texts(files: Iterable[Path]) -> Iterator[ClearText]:
    """What looks like a secret in the text files among `files`."""
    for file in files:
        if file.is_file() and not file.is_symlink() and file.stat().st_size <= _LARGEST:
            content = file.read_bytes()
            if b"\0" not in content:
                yield from found_in(file, content.decode("utf-8", "replace"))


def found_in(file: Path, text: str) -> Iterator[ClearText]:
    """What looks like a secret in a text, as the kind of its file has them."""
    if text.startswith("$ANSIBLE_VAULT"):
        return
    lines = text.splitlines()
    for what, pattern in _KNOWN.items():
        for match in pattern.finditer(text):
            at = text.count("\n", 0, match.start())
            if not ALLOWED.search(lines[at]):
                yield ClearText(file, at + 1, what)
    configuration = file.suffix in _CONFIGURATION or file.name.startswith(".env")
    for number, line in enumerate(lines, 1):
        if not _HINT.search(line) or ALLOWED.search(line) or line.lstrip().startswith(("#", "//")):
            continue
        for match in _ASSIGNED.finditer(line):
            value = match["value"]
            if _FOLDED.fullmatch(value) and number < len(lines):
                value = lines[number].strip() or value
            template = "{{" in line[: match.start()]
            if template or _SUDOERS.fullmatch(match["name"]):
                continue
            if _is_secret(value, configuration=configuration):
                yield ClearText(file, number, f"`{match['name']}` in clear")


def environment_files(directory: Path) -> list[Path]:
    """Every file below an environment's directory."""
    return sorted(file for file in directory.rglob("*") if file.is_file())


def repository_files(directory: Path) -> list[Path]:
    """What git keeps of the repository that the directory lies in; empty outside of one."""
    root = _git(directory, "rev-parse", "--show-toplevel")
    if not root:
        return []
    top = Path(root.strip())
    names = _git(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return [top / name for name in names.split("\0") if name]


def _is_secret(value: str, *, configuration: bool) -> bool:
    """Whether a literal is a password: in a program only one that no name of a thing looks like."""
    quoted = value[0] in "\"'"
    literal = value[1:-1] if quoted else value
    if not quoted and _NOT_PLAIN.match(literal):
        return False
    if len(literal) < _SHORTEST or _NO_VALUE.search(literal):
        return False
    if configuration:
        return True
    if " " in literal:
        return False
    kinds = sum(bool(re.search(kind, literal)) for kind in ("[a-z]", "[A-Z]", r"\d", r"[^\w.-]"))
    return quoted and len(literal) >= 8 and kinds >= 3


def _git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(directory), *arguments],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout if done.returncode == 0 else ""
