"""YAML in which every value knows its line, so that a problem can be shown where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from orchestrator.environment.model import Vaulted
from orchestrator.errors import Problem

Keys = tuple[str | int, ...]

# The same nodes, from libyaml where it is there: registers grow.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
VAULT_HEADER = "$ANSIBLE_VAULT"
_PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")}
_VAULT_TAGS = {"!vault", "!vault-encrypted"}


@dataclass(frozen=True)
class Document:
    """A file's data, and the line (1-based) at which each value stands, by its path of keys.

    `vaulted` holds the ciphertexts of `!vault` scalars, whose values in `data` are `Vaulted`
    markers. `secret` says that the whole of it was decrypted: its values must not be shown, and its
    lines are not those of the file. `declared` is the line of the setting that it came by, if any.
    """

    file: Path
    data: object
    lines: Mapping[Keys, int]
    vaulted: Mapping[Keys, str]
    secret: bool = False
    declared: int | None = None

    def line(self, keys: Keys) -> int | None:
        """The line of a value, or of the nearest one around it; none in a decrypted file."""
        if self.secret:
            return self.declared
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return self.lines.get(keys)

    def problem(self, keys: Keys, what: str, next_step: str) -> Problem:
        """A problem with the value at `keys`."""
        return Problem(self.file, self.line(keys), what, next_step)

    def mapping(self, *keys: str | int) -> Mapping[str, object]:
        """The mapping at `keys`; empty when there is none."""
        found = self.data
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}


def read_text(file: Path) -> tuple[str | None, list[Problem]]:
    """The text of a file, or the problem that kept it from being read."""
    try:
        return file.read_text("utf-8"), []
    except FileNotFoundError:
        return None, [Problem(file, None, "the file is missing", "create it")]
    except UnicodeDecodeError:
        return None, [Problem(file, None, "the file is not UTF-8 text", "save it as UTF-8")]
    except OSError as error:
        return None, [
            Problem(file, None, f"cannot be read: {error.strerror}", "give yourself read access")
        ]


def parse(file: Path, text: str, *, secret: bool = False) -> tuple[Document | None, list[Problem]]:
    """The document in `text`, and every fault of its YAML; no document when it does not parse."""
    try:
        root = yaml.compose(text, Loader=_LOADER)
        reader = _Reader(file, secret=secret)
        data = None if root is None else reader.read(root, (), ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark and not secret else None
        # The parser quotes what it stumbles over, which in a decrypted file may be a secret.
        what = "not shown, it is secret" if secret else _one_line(error)
        return None, [Problem(file, line, f"not valid YAML: {what}", _syntax_help(secret=secret))]
    except yaml.YAMLError as error:
        what = "it holds a character that YAML forbids"
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        return None, [
            Problem(file, None if secret else line, f"not valid YAML: {what}", "remove it")
        ]
    document = Document(file, data, reader.lines, reader.vaulted, secret)
    return document, reader.problems


def read(file: Path) -> tuple[Document | None, list[Problem]]:
    """The document in a file that may not be vaulted as a whole."""
    text, problems = read_text(file)
    if text is None:
        return None, problems
    if text.startswith(VAULT_HEADER):
        next_step = "decrypt it, and keep secrets in group_vars/ or host_vars/"
        return None, [Problem(file, 1, "this file must not be vaulted as a whole", next_step)]
    return parse(file, text)


def _one_line(error: yaml.MarkedYAMLError) -> str:
    return " ".join(part for part in (error.problem, error.context) if part)


def _syntax_help(*, secret: bool) -> str:
    return "correct it where it is kept" if secret else "correct the indentation or quotes"


class _Reader:
    """Turns nodes into plain values, and keeps their lines."""

    def __init__(self, file: Path, *, secret: bool) -> None:
        self.file = file
        self.secret = secret
        self.lines: dict[Keys, int] = {(): 1}
        self.vaulted: dict[Keys, str] = {}
        self.problems: list[Problem] = []
        self.constructor = yaml.constructor.SafeConstructor()

    def read(self, node: yaml.Node, keys: Keys, around: tuple[yaml.Node, ...]) -> object:
        if any(node is outer for outer in around):
            raise yaml.constructor.ConstructorError(
                None, None, "the value contains itself", node.start_mark
            )
        self.lines.setdefault(keys, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, keys, (*around, node))
        if isinstance(node, yaml.SequenceNode):
            return [
                self.read(item, (*keys, index), (*around, node))
                for index, item in enumerate(node.value)
            ]
        return self._scalar(node, keys)

    def _mapping(
        self, node: yaml.MappingNode, keys: Keys, around: tuple[yaml.Node, ...]
    ) -> dict[str, object]:
        self._refuse_duplicates(node)
        self.constructor.flatten_mapping(node)
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            self.lines[(*keys, key)] = key_node.start_mark.line + 1
            result[key] = self.read(value_node, (*keys, key), around)
        return result

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(
                None, None, "a key must be text", node.start_mark
            )
        if node.tag != "tag:yaml.org,2002:str":
            self._problem(node, f"the key `{node.value}` is not text", f'write "{node.value}":')
        return str(node.value)

    def _refuse_duplicates(self, node: yaml.MappingNode) -> None:
        seen: dict[object, int] = {}
        for key_node, _ in node.value:
            line = key_node.start_mark.line + 1
            first = seen.setdefault(str(key_node.value), line)
            if first != line:
                self._problem(
                    key_node,
                    f"`{key_node.value}` stands here a second time (first in line {first}), "
                    "and would silently replace the first",
                    "keep one of them",
                )

    def _scalar(self, node: yaml.Node, keys: Keys) -> object:
        text = str(node.value)
        if node.tag in _VAULT_TAGS:
            self.vaulted[keys] = text
            return Vaulted(f"{self.file}:{node.start_mark.line + 1}")
        # A date stays the text that was written; JSON Schema and argument_specs know no dates.
        if node.tag in {"!unsafe", "tag:yaml.org,2002:timestamp"}:
            return text
        if node.tag not in _PLAIN:
            self._problem(node, f"the tag `{node.tag}` is unknown", "remove it")
            return text
        try:
            value: object = self.constructor.construct_object(node)
        except ValueError:
            self._problem(node, f"`{text}` is not a number", "quote it")
            return text
        return value

    def _problem(self, node: yaml.Node, what: str, next_step: str) -> None:
        if self.secret:
            what, next_step = "a key or tag is not valid", "correct it where it is kept"
            line = None
        else:
            line = node.start_mark.line + 1
        self.problems.append(Problem(self.file, line, what, next_step))
