"""The catalog: the measures as the contract words them, so that every control's id resolves."""

from orchestrator.catalogue import measure_key
from orchestrator.oscal.document import Data, control_id, document, filled, props, statement_id
from orchestrator.oscal.source import Source


def catalog(source: Source) -> bytes:
    """A group a chapter, a control a measure, its statement what is promised."""
    groups = [
        {
            "id": control_id(chapter.number),
            "class": "chapter",
            "title": chapter.title,
            "props": _labels(chapter.number),
            **filled(
                controls=(
                    _control(one) for one in source.measures if one["chapter"] == chapter.number
                )
            ),
        }
        for chapter in source.material.catalogue.chapters
    ]
    title, (_, last) = source.text("oscal.catalog"), source.moments
    return document("catalog", title, last, {"groups": groups}, source.about)


def _control(one: Data) -> Data:
    number = one["number"]
    wording = "\n\n".join(clause["text"] for clause in one["wording"])
    statement = {
        "id": statement_id(number),
        "name": "statement",
        "prose": wording or one["summary"],
    }
    remarks = [text for text in (one["note"], one["not_promised"]) if text]
    guidance = [
        {"id": f"{control_id(number)}_gdn", "name": "guidance", "prose": "\n\n".join(remarks)}
    ]
    own = props(
        [
            ("kind", one["kind"]),
            ("owner", one["owner"]),
            *(("clause", clause["number"]) for clause in one["wording"]),
            ("promised", "no" if one["not_promised"] else "yes"),
        ]
    )
    return {
        "id": control_id(number),
        "class": "measure",
        "title": one["title"],
        "props": [*_labels(number), *own["props"]],
        "parts": [statement, *(guidance if remarks else ())],
    }


def _labels(number: str) -> list[Data]:
    order = ".".join(f"{part:02d}" for part in measure_key(number))
    return [{"name": "label", "value": number}, {"name": "sort-id", "value": order}]
