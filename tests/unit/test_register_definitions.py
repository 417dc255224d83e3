"""What is made of the definitions of registers is current, and each of them makes sense.

`python tests/unit/test_register_definitions.py` writes the checks and the reference page.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from orchestrator.catalogue import Kind, check_measures, load_catalogue
from orchestrator.environment.register_definitions import (
    RegisterDefinition,
    register_definitions,
)
from orchestrator.registers.judge import RULES

ROOT = Path(__file__).parents[2]
CHECKS = ROOT / "tests/registers/test_every_register.py"
PAGE = ROOT / "docs/reference/registers.md"
DEFINITIONS = register_definitions()
REMAKE = "run: python tests/unit/test_register_definitions.py"


def checks() -> str:
    """The checks, one a function: `verify`, waivers and the report know them by their names."""
    head = '''\
"""What the registers must show, by their definitions.

Made from orchestrator/environment/schemas/registers/ by tests/unit/test_register_definitions.py.
"""

from collections.abc import Callable

import pytest

Holds = Callable[[str, str], None]
'''
    functions = [
        f"""

@pytest.mark.pas({", ".join(f'"{number}"' for number in check.measures)})
def test_{definition.name}_{check.name}(register_holds: Holds) -> None:
    \"\"\"{check.says}\"\"\"
    register_holds("{definition.name}", "{check.name}")
"""
        for definition in DEFINITIONS.values()
        for check in definition.checks
    ]
    return head + "".join(functions)


def page() -> str:
    """The reference: what each register is for, its fields, and what is checked."""
    rows = "\n".join(
        f"| [`{one.name}`](#{one.name}) | {one.title_fr} | {', '.join(one.measures)} |"
        for one in DEFINITIONS.values()
    )
    head = f"""\
# Registers

Made by `python tests/unit/test_register_definitions.py` from the definitions in
`orchestrator/environment/schemas/registers/`. [How to work with them](../how-to/registers.md).

Every entry begins with `date` and `by`, which pas-infra records, and may have `ended` (the day from
which it no longer counts) and `corrects` (the number of an earlier entry that was wrong).

| register | title | measures |
|---|---|---|
{rows}
"""
    return head + "".join(_section(one) for one in DEFINITIONS.values())


def _section(one: RegisterDefinition) -> str:
    rows = "\n".join(_rows(one))
    says = "\n".join(f"- {check.says} ({', '.join(check.measures)})" for check in one.checks)
    added = f"`{one.command}` adds to it. " if one.command else ""
    key = ", ".join(f"`{field}`" for field in one.key)
    standing = f"Of each {key} the last entry stands." if key else "Every entry stands for itself."
    return f"""
## {one.name}

**{one.title_fr}** ({one.title_en}). {one.about} {added}{standing}

| field | required | meaning |
|---|---|---|
{rows}
{chr(10) + says + chr(10) if says else ""}"""


def _rows(one: RegisterDefinition) -> Iterator[str]:
    for name, rules in one.fields.items():
        if name in {"ended", "corrects"}:
            continue
        required = "yes" if name in one.entry["required"] else ""
        choices = "" if name in one.key and "enum" not in rules else _choices(rules)
        yield f"| `{name}` | {required} | {rules['description']}{choices} |"
        nested = rules.get("items", {}).get("properties", {})
        for inner, inner_rules in nested.items():
            yield f"| `{name}[].{inner}` | yes | {inner_rules['description']} |"


def _choices(rules: Mapping[str, Any]) -> str:
    return f" One of {', '.join(f'`{one}`' for one in rules['enum'])}." if "enum" in rules else ""


def test_the_checks_are_those_of_the_definitions() -> None:
    assert CHECKS.read_text() == checks(), REMAKE


def test_the_reference_is_current() -> None:
    assert PAGE.read_text() == page(), REMAKE


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_definition_makes_sense(name: str) -> None:
    one = DEFINITIONS[name]
    Draft202012Validator.check_schema(one.schema)
    assert set(one.key) <= set(one.fields)
    assert one.measures or one.command
    assert all(rules.get("description") for rules in one.fields.values())
    patterns = [rules for rules in one.fields.values() if {"pattern", "format"} & set(rules)]
    assert all("x-expected" in rules for rules in patterns)
    for rules in one.fields.values():
        of = rules.get("x-of", rules.get("items", {}).get("x-of", ""))
        register, dot, field = of.partition(".")
        assert not dot or field in DEFINITIONS[register].fields
    for check in one.checks:
        assert check.rule in RULES
        assert check.measures
        assert check.says.endswith(".")
        fields = [check.parameters.get(key) for key in ("by", "on", "field", "limit", "since",
                                                        "done", "first", "then")]  # fmt: skip
        known = {*one.fields, "date", None}
        assert set(fields) <= known, check.name
        assert set(check.parameters.get("where", {})) <= known
        assert set(check.parameters.get("must", {})) <= known
        assert not isinstance(check.parameters.get("values"), str), "a list that nobody knows"


def test_a_name_of_a_check_is_one_alone() -> None:
    names = re.findall(r"^def (\w+)", checks(), re.MULTILINE)
    assert len(names) == len(set(names))


def test_every_organisational_measure_has_a_check() -> None:
    checked = {**check_measures(ROOT / "tests/hosts"), **check_measures(ROOT / "tests/registers")}
    bare = [
        measure.number
        for measure in load_catalogue()
        if measure.kind is Kind.ORGANISATIONAL and measure.number not in checked
    ]
    assert bare == []


if __name__ == "__main__":
    CHECKS.write_text(checks())
    PAGE.write_text(page())
