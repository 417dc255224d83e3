"""Whether the variables are those that the roles describe."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from orchestrator.environment.inventory import Inventory, Setting
from orchestrator.environment.lines import Keys
from orchestrator.environment.model import Vaulted
from orchestrator.environment.roles_spec import Option, Play, RoleSpec
from orchestrator.environment.shape import kind_of, path_of
from orchestrator.environment.spelling import remedy
from orchestrator.errors import Problem

_WANTED = {
    "str": "text",
    "path": "a path",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
    "json": "JSON",
    "jsonarg": "JSON",
    "bytes": "a size",
    "bits": "a size",
}
_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
    "json": (str, list, dict),
    "jsonarg": (str, list, dict),
    "bytes": (int, str),
    "bits": (int, str),
}


def variable_problems(
    settings: Iterable[Setting], roles: Mapping[str, RoleSpec], extra: Sequence[str] | None
) -> Iterator[Problem]:
    """What nobody knows, has the wrong type or a value outside its choices.

    `extra` are the names that environment.yml lists under `variables`; None when that file cannot
    be read, so that nothing can be called unknown.
    """
    options = {name: option for role in roles.values() for name, option in role.options.items()}
    for setting in settings:
        if setting.name in options:
            yield from _value_problems(setting, options[setting.name], setting.value, ())
        elif extra is None or setting.name.startswith("ansible_") or setting.name in extra:
            continue
        else:
            yield _unknown(setting, roles, [*options, *extra])


def _unknown(setting: Setting, roles: Mapping[str, RoleSpec], known: list[str]) -> Problem:
    owners = [role for role in roles.values() if setting.name.startswith(role.prefix)]
    if not owners:
        return setting.problem(
            f"the variable `{setting.name}` is unknown",
            remedy(
                setting.name, known, "remove it, or list it under `variables` in environment.yml"
            ),
        )
    role = max(owners, key=lambda owner: len(owner.prefix))
    return setting.problem(
        f"the role {role.name} knows no variable `{setting.name}`",
        remedy(setting.name, role.options, f"see roles/{role.name}/meta/argument_specs.yml"),
    )


def _value_problems(
    setting: Setting, option: Option, value: object, within: Keys
) -> Iterator[Problem]:
    if _is_computed(value) or (value is None and not option.required):
        return
    name = path_of((setting.name, *within))
    if not _has_type(value, option.type):
        quote = option.type in {"str", "path"} and isinstance(value, bool | int | float)
        unquote = option.type in {"int", "float", "bool"} and isinstance(value, str)
        yield setting.problem(
            f"{name} must be {_WANTED[option.type]}, but is {_shown(setting, value)}",
            "quote it" if quote else "write it without quotes" if unquote else "correct its type",
            within,
        )
        return
    if isinstance(value, list):
        # Ansible holds each item of a list against the choices, not the list.
        element = replace(option, type=option.elements or "raw", elements=None, required=True)
        for index, item in enumerate(value):
            yield from _value_problems(setting, element, item, (*within, index))
    elif option.choices and value not in option.choices:
        choices = [str(choice) for choice in option.choices]
        allowed = f"use one of: {', '.join(choices)}"
        yield setting.problem(
            f"{name} has a value outside its choices: {_shown(setting, value)}",
            allowed if setting.document.secret else remedy(str(value), choices, allowed),
            within,
        )
    elif isinstance(value, dict) and option.options:
        yield from _mapping_problems(setting, option.options, value, within)


def _mapping_problems(
    setting: Setting, options: Mapping[str, Option], value: Mapping[str, object], within: Keys
) -> Iterator[Problem]:
    name = path_of((setting.name, *within))
    for key, inner in value.items():
        if key in options:
            yield from _value_problems(setting, options[key], inner, (*within, key))
        else:
            yield setting.problem(
                f"the key `{key}` is unknown in {name}",
                remedy(key, options, f"use one of: {', '.join(options)}"),
                (*within, key),
            )
    for key, option in options.items():
        if option.required and not option.has_default and key not in value:
            yield setting.problem(f"the key `{key}` is missing in {name}", f"add `{key}:`", within)


def _is_computed(value: object) -> bool:
    """Whether only Ansible will know the value: a template."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _has_type(value: object, name: str) -> bool:
    if isinstance(value, Vaulted):
        return name not in {"list", "dict", "int", "float", "bool"}
    if isinstance(value, bool):
        return name in {"bool", "raw"}
    return name not in _PYTHON_TYPES or isinstance(value, _PYTHON_TYPES[name])


def _shown(setting: Setting, value: object) -> str:
    if setting.document.secret or isinstance(value, dict | list | Vaulted | None):
        return kind_of(value)
    return f"{kind_of(value)} ({value})"


def missing_problems(
    inventory: Inventory, roles: Mapping[str, RoleSpec], plays: Iterable[Play]
) -> Iterator[Problem]:
    """The variables that a role demands and that a host of its play does not have."""
    merged = {host: inventory.merged(host) for host in inventory.hosts}
    lacking: dict[tuple[str, str], set[str]] = {}
    for play in plays:
        for role in (roles[name] for name in play.roles if name in roles):
            for variable in set(role.demanded()) - play.variables:
                hosts = inventory.matching(play.pattern)
                without = {host for host in hosts if variable not in merged[host]}
                lacking.setdefault((role.name, variable), set()).update(without)
    for (role_name, variable), hosts in lacking.items():
        if hosts:
            first = min(hosts)
            yield inventory.document.problem(
                inventory.hosts[first].keys,
                f"the role {role_name} needs the variable `{variable}`, "
                f"which is missing for {', '.join(sorted(hosts))}",
                f"set it in group_vars/ or host_vars/, see roles/{role_name}/README.md",
            )
