"""The README of role hardening says of every recommendation what recommendations.yml says.

`python tests/unit/test_hardening_readme.py` writes the table.
"""

import re
from pathlib import Path
from typing import Any

import yaml

ROLE = Path(__file__).parents[2] / "roles/hardening"
MARK = "<!-- recommendations: kept true by tests/unit/test_hardening_readme.py -->\n"
VARIABLES = ROLE / "vars/main"
CONTENT: dict[str, Any] = yaml.safe_load((VARIABLES / "recommendations.yml").read_text("utf-8"))
RECOMMENDATIONS: dict[str, dict[str, Any]] = CONTENT["__hardening_recommendations"]
NO_ROLE = {"debian", "later", "people", "nothing"}
TASKS = "".join(file.read_text("utf-8") for file in sorted((ROLE / "tasks").glob("*.yml")))
CHECKS = "".join(
    file.read_text("utf-8") for file in sorted((ROLE.parents[1] / "tests/hosts").glob("*.py"))
)
TEMPLATES = "".join(file.read_text("utf-8") for file in sorted((ROLE / "templates").glob("*")))
DATA = "".join(
    file.read_text("utf-8")
    for file in sorted(VARIABLES.glob("*.yml"))
    if file.stem != "recommendations"
)


def table() -> str:
    lines = ["| | recommendation | level | kept by | how |", "|---|---|---|---|---|"]
    for number, about in RECOMMENDATIONS.items():
        keepers = ", ".join(f"`{k}`" if k not in NO_ROLE else k for k in about["kept_by"])
        lines.append(
            f"| {number} | {about['title']} | {about['level']} | {keepers} | {about['how']} |"
        )
    return "\n".join(lines) + "\n"


def with_table(readme: str) -> str:
    return re.sub(re.escape(MARK) + r"\n(\|.*\n)*", lambda _: f"{MARK}\n{table()}", readme)


def test_the_table_of_recommendations_is_true() -> None:
    readme = (ROLE / "README.md").read_text("utf-8")
    assert MARK in readme
    assert readme == with_table(readme), f"run: python {Path(__file__).name}"


def test_every_recommendation_is_listed_once_with_a_known_level() -> None:
    assert list(RECOMMENDATIONS) == [f"R{number}" for number in range(1, 81)]
    assert {about["level"] for about in RECOMMENDATIONS.values()} == set(
        CONTENT["__hardening_levels"]
    )


def test_every_recommendation_is_a_tag_of_each_role_that_keeps_it() -> None:
    untagged = [
        (number, role)
        for number, about in RECOMMENDATIONS.items()
        for role in about["kept_by"]
        if role not in NO_ROLE
        and number not in _tagged(role) | (_judged() if role == "hardening" else set())
    ]
    assert untagged == []


def _tagged(role: str) -> set[str]:
    files = (ROLE.parent / role / "tasks").glob("*.yml")
    text = "".join(file.read_text("utf-8") for file in files)
    return {number.upper() for number in re.findall(r"anssi_(r\d+)", text)}


def _judged() -> set[str]:
    """What checks alone see: there is nothing to set."""
    marks = re.findall(r"mark\.anssi\((.*)\)", CHECKS)
    return {number for mark in marks for number in re.findall(r"R\d+", mark)}


def test_the_role_works_on_what_it_claims_to_keep() -> None:
    kept = {number for number, about in RECOMMENDATIONS.items() if "hardening" in about["kept_by"]}
    tagged = _tagged("hardening")
    assert tagged | _judged() <= kept
    asked = {
        n for n in tagged if f"'{n}'" in TASKS + TEMPLATES or re.search(rf": {n}\b", DATA + TASKS)
    }
    assert asked == tagged, "nothing asks whether they are active"


if __name__ == "__main__":
    file = ROLE / "README.md"
    file.write_text(with_table(file.read_text("utf-8")), "utf-8")
