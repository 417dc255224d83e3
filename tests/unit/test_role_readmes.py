"""The READMEs of the roles list every variable as argument_specs.yml describes it.

`python tests/unit/test_role_readmes.py` writes the tables.
"""

import json
import re
from pathlib import Path

import pytest
import yaml

from orchestrator.environment.roles_spec import role_defaults

ROLES = Path(__file__).parents[2] / "roles"
# Two roles that need each other are tried together.
TOGETHER = dict.fromkeys(("backup_source", "backup_target"), "molecule/backup/molecule.yml")
# Roles that no container can try, and the test on a virtual machine that does.
ON_A_MACHINE = dict.fromkeys(("initramfs", "installation"), "tests/e2e/lab/test_installation.py")
DESCRIBED = sorted(specs.parents[1].name for specs in ROLES.glob("*/meta/argument_specs.yml"))
MARK = "<!-- variables: kept true by tests/unit/test_role_readmes.py -->\n"


def table(role: str) -> str:
    specs = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text("utf-8"))
    defaults = role_defaults(ROLES / role)
    lines = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    for name, option in specs["argument_specs"]["main"]["options"].items():
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        choices = f" One of {', '.join(option['choices'])}." if "choices" in option else ""
        meaning = f"{option['description']}{choices}"
        value = default(defaults[name]) if name in defaults else "required"
        lines.append(f"| `{name}` | {kind} | {value} | {meaning} |")
    return "\n".join(lines) + "\n"


def default(value: object) -> str:
    if isinstance(value, str) and "{{" in value:
        return "computed"
    text = value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "<br>".join(f"`{line}`" for line in text.splitlines())


def with_table(readme: str, role: str) -> str:
    return re.sub(re.escape(MARK) + r"\n(\|.*\n)*", lambda _: f"{MARK}\n{table(role)}", readme)


def test_there_are_described_roles() -> None:
    assert {"ssh", "time"} <= set(DESCRIBED)


@pytest.mark.parametrize("role", DESCRIBED)
def test_the_table_of_variables_is_true(role: str) -> None:
    readme = (ROLES / role / "README.md").read_text("utf-8")
    assert MARK in readme
    assert readme == with_table(readme, role), f"run: python {Path(__file__).name}"


@pytest.mark.parametrize("role", DESCRIBED)
def test_described_defaults_are_the_real_ones(role: str) -> None:
    specs = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text("utf-8"))
    defaults = role_defaults(ROLES / role)
    options = specs["argument_specs"]["main"]["options"]
    described = {name: option["default"] for name, option in options.items() if "default" in option}
    required = {name for name, option in options.items() if option.get("required")}
    # What only an environment can know has no default, and what has one is not required.
    assert set(options) == set(defaults) | required
    assert not required & set(defaults)
    assert described == {name: defaults[name] for name in described}


@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.iterdir() if path.is_dir()))
def test_every_role_has_a_readme_and_is_tried(role: str) -> None:
    assert (ROLES / role / "README.md").is_file()
    tried = (ON_A_MACHINE | TOGETHER).get(role, f"molecule/{role}/molecule.yml")
    assert (ROLES.parent / tried).is_file()


if __name__ == "__main__":
    for each in DESCRIBED:
        file = ROLES / each / "README.md"
        file.write_text(with_table(file.read_text("utf-8"), each), "utf-8")
