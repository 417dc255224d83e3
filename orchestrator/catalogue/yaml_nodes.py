"""YAML read as nodes: every value keeps its line, and tags such as `!vault` need no constructor."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from orchestrator.errors import ConfigurationInvalid, Problem

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_nodes(file: Path) -> yaml.Node | None:
    """The root node of a YAML file, None if it is empty; raises `ConfigurationInvalid`."""
    try:
        return yaml.compose(file.read_text(encoding="utf-8"), Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        problem = Problem(file, line, f"not valid YAML: {error.problem}", "correct the syntax")
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problem = Problem(file, None, f"cannot be read: {error}", "make it a readable UTF-8 file")
    raise ConfigurationInvalid([problem])


def line_of(node: yaml.Node) -> int:
    """The line where a node starts, 1-based."""
    return int(node.start_mark.line) + 1


def entries(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """Key, key's node and value's node of a mapping; nothing for any other node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), key, value


def items(node: yaml.Node | None) -> Iterator[yaml.Node]:
    """The nodes of a sequence; nothing for any other node."""
    if isinstance(node, yaml.SequenceNode):
        yield from node.value


def child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """The value's node below a key of a mapping, None if there is none."""
    return next((value for name, _, value in entries(node) if name == key), None)


def words(node: yaml.Node | None) -> list[tuple[str, int]]:
    """Each word of a scalar, of a comma-separated one or of a list of them, with its line."""
    if isinstance(node, yaml.ScalarNode):
        parts = (part.strip() for part in str(node.value).split(","))
        return [(part, line_of(node)) for part in parts if part]
    return [word for item in items(node) for word in words(item)]
