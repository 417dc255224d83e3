"""The component definition: each role, the measures that it keeps, the checks that prove them."""

from collections.abc import Callable, Sequence

from orchestrator.oscal.document import CATALOG, Data, control_id, document, identifier, props
from orchestrator.oscal.source import Source
from orchestrator.report.standing import Standing, is_of_registers, name_of


def component_definition(source: Source) -> bytes:
    """A component a role; one for the registers, which keep measures that no software does."""
    shown = source.material.shown
    roles = sorted({task.role for one in shown for task in one.view.tasks})
    components = [
        _component(source, "software", role, _label_of(source, role), _keeps(role))
        for role in roles
    ]
    title = source.text("oscal.registers.title")
    description = source.text("oscal.registers.description")
    components.append(_component(source, "process-procedure", title, description, _in_registers))
    title, (_, last) = source.text("oscal.components"), source.moments
    body = {"components": [one for one in components if one]}
    return document("component-definition", title, last, body, source.about)


def _component(
    source: Source, kind: str, title: str, description: str, keeps: Callable[[Standing], bool]
) -> Data:
    kept = [one for one in source.material.shown if keeps(one)]
    if not kept:
        return {}
    return {
        "uuid": identifier("component", kind, title),
        "type": kind,
        "title": title,
        "description": description,
        "control-implementations": [
            {
                "uuid": identifier("component", kind, title, CATALOG),
                "source": CATALOG,
                "description": source.text("oscal.implements", title=title),
                "implemented-requirements": [
                    _requirement(source, kind, title, one) for one in kept
                ],
            }
        ],
    }


def _requirement(source: Source, kind: str, title: str, one: Standing) -> Data:
    tasks = [task.task for task in one.view.tasks if task.role == title and kind == "software"]
    said = [source.text("measures.tasks", n=len(tasks))] if tasks else []
    said.append(source.text("oscal.proven_by", n=len(one.view.checks)))
    found: Data = {
        "uuid": identifier("requirement", kind, title, one.number),
        "control-id": control_id(one.number),
        "description": ", ".join(said),
    }
    # A client sees that there are checks, and how many: not where to look for a weakness.
    if source.material.internal:
        found |= props(("check", name) for name in _checks(one))
        if tasks:
            found["remarks"] = "\n".join(f"- {task}" for task in tasks)
    else:
        found |= props([("checks", len(one.view.checks))])
    return found


def _checks(one: Standing) -> Sequence[str]:
    return list(dict.fromkeys(name_of(check) for check in one.view.checks))


def _keeps(role: str) -> Callable[[Standing], bool]:
    return lambda one: any(task.role == role for task in one.view.tasks)


def _in_registers(one: Standing) -> bool:
    return any(is_of_registers(check) for check in one.view.checks)


def _label_of(source: Source, role: str) -> str:
    return str(source.words.texts["roles"].get(role, role))
