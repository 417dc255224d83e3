"""Of a password no more than its kind leaves the host: salts and hashes stay there."""

from conftest import Answers

# `$y$jCT$salt$hash` becomes `$y$jCT`, `$6$salt$hash` becomes `$6`; what is neither a hash nor
# locked becomes `clear`.
_KIND = r"s/\$(g?y)\$([^$:,]*)\$[^:,]*/$\1$\2/g; s/\$([0-9][0-9a-z]*|md5|sha1)[$,][^:,]*/$\1/g"
_CLEAR = r"s/^([^:]*:)[^$!*:][^:]*:/\1clear:/"


def shadow(answers: Answers) -> dict[str, list[str]]:
    """The fields of /etc/shadow by account."""
    return _fields(answers(f"sed -E '{_KIND}; {_CLEAR}' /etc/shadow"))


def passwd(answers: Answers) -> dict[str, list[str]]:
    """The fields of /etc/passwd by account; their second says `x` where /etc/shadow has it."""
    return _fields(answers(f"sed -E '{_KIND}; /^[^:]*:x:/!{{{_CLEAR}}}' /etc/passwd"))


def former(answers: Answers) -> dict[str, list[str]]:
    """The kinds of the former passwords that pam_pwhistory remembers, by account."""
    said = answers(f"sed -E '{_KIND}' /etc/security/opasswd 2>/dev/null || true")
    return {name: fields[3].split(",") for name, fields in _fields(said).items() if fields[3]}


def _fields(text: str) -> dict[str, list[str]]:
    return {line.split(":")[0]: line.split(":") for line in text.splitlines()}
