"""The minutes of a restore test, in French: the client reads them (13.2.1)."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.backup.entries import directory_of
from orchestrator.environment import Environment
from orchestrator.operator import current_operator
from orchestrator.runs import utc_now
from orchestrator.store.private import private_directory, replace_private

_FIELDS = {
    "kind": "nature", "mode": "droits", "uid": "propriétaire", "gid": "groupe", "size": "taille",
    "hash": "contenu", "target": "cible du lien", "mtime": "date", "xattrs": "attributs",
}  # fmt: skip
_KINDS = {
    "file": "fichier", "directory": "répertoire", "link": "lien", "fifo": "tube",
    "block device": "périphérique de blocs", "device": "périphérique",
}  # fmt: skip
# What the host says of a file that is not as it was, and how that is said in French.
_SENTENCES = (
    (re.compile(r"(?P<path>.*): (?P<field>\w+) is (?P<is_>.*), was (?P<was>.*)", re.DOTALL),
     "{path} : {field}, {is_} au lieu de {was}"),
    (re.compile(r"(?P<path>.*) is missing", re.DOTALL), "{path} manque"),
    (re.compile(r"(?P<path>.*) was one file with (?P<other>.*)", re.DOTALL),
     "{path} n'est plus le même fichier que {other}"),
    (re.compile("the record of the archive is another one"),
     "le relevé que contient l'archive n'est pas celui de la sauvegarde"),
)  # fmt: skip


def write_minutes(
    environment: Environment,
    sets: Sequence[object],
    files: int | None,
    run_id: int,
    *,
    from_escrow: bool,
) -> Path:
    """Write the minutes of the `sets` (TestedSet) of one run, which nobody overwrites."""
    # Here, for whoever only asks what was tested is not to wait for it.
    from jinja2 import Environment as Templates
    from jinja2 import PackageLoader, StrictUndefined

    now = utc_now()
    directory = directory_of(environment) / "minutes"
    for each in (environment.store_directory, directory.parent, directory):
        private_directory(each)
    file = directory / f"{now:%Y-%m-%dT%H%M%SZ}-run-{run_id}.md"
    templates = Templates(  # noqa: S701 - Markdown, which is no HTML
        loader=PackageLoader("orchestrator.backup"), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    templates.filters |= {"duree": duration, "moment": _moment, "francais": in_french}
    page = templates.get_template("minutes.md.j2").render(
        environment=environment.name, now=now, by=current_operator(), run=run_id, sets=sets,
        files=files, from_escrow=from_escrow,
    )  # fmt: skip
    replace_private(file, page.encode("utf-8", "backslashreplace"))
    return file


def in_french(sentence: str) -> str:
    """What a host says of a file that differs; as it is, if it is said otherwise by now."""
    for pattern, french in _SENTENCES:
        if found := pattern.fullmatch(sentence):
            words = found.groupdict()
            if field := words.get("field"):
                words |= {each: _value(field, words[each]) for each in ("is_", "was")}
                words["field"] = _FIELDS.get(field, field)
            return french.format(**words)
    return sentence


def _value(field: str, text: str) -> str:
    """What stood in a field of a record, as a person reads it."""
    if text == "None":
        return "absent"
    if field == "kind":
        return _KINDS.get(text, text)
    if not text.isdecimal():
        return text
    if field == "mode":
        return f"{int(text):04o}"
    if field == "mtime":
        return _moment(datetime.fromtimestamp(int(text) / 1e9, UTC))
    return text


def duration(seconds: float) -> str:
    """A duration as a person in France reads it."""
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".", ",")
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def _moment(when: datetime) -> str:
    return when.strftime("%d/%m/%Y à %H:%M:%S UTC")
