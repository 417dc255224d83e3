"""What a task's result is about: the file, unit, package or account that its module was given."""

from collections.abc import Mapping
from typing import Any

# By module: what its objects are called, and which argument names one. What is in no list has a
# path or is known by its task only.
_NAMED = {
    "apt": ("package", "name"),
    "group": ("group", "name"),
    "mount": ("mount", "path"),
    "pki_certificate": ("certificate", "name"),
    "systemd_service": ("unit", "name"),
    "user": ("account", "name"),
}
_PATHS = ("dest", "path")


def object_of(action: str, content: Mapping[str, Any]) -> tuple[str, str] | None:
    """Kind and name of what a module was given, as `("file", "/etc/issue")`; None if it says not.

    `action` is the module's full name, `content` what it answered, with its arguments.
    """
    arguments = (content.get("invocation") or {}).get("module_args") or {}
    kind, argument = _NAMED.get(action.rpartition(".")[2], ("", ""))
    if kind:
        name = arguments.get(argument)
        if isinstance(name, list):
            name = ", ".join(map(str, name))
        return (kind, str(name)) if name else None
    path = target_of(content)
    return ("file", path) if path else None


def target_of(content: Mapping[str, Any]) -> str:
    """The path that a result is about, "" where it has none."""
    arguments = (content.get("invocation") or {}).get("module_args") or {}
    for source in (content, arguments):
        for key in _PATHS:
            if source.get(key):
                return str(source[key])
    return ""
