"""The assessment results: what was observed, and of each measure what it comes to."""

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.oscal.document import (
    Data,
    control_id,
    document,
    filled,
    identifier,
    props,
    statement_id,
)
from orchestrator.oscal.observations import Observation, observations, run_id, subject_id
from orchestrator.oscal.source import Source
from orchestrator.records import MeasureState

# OSCAL knows two states only, and three reasons for them; the verdict stands in a property.
_REASONS = {
    MeasureState.KEPT: "pass",
    MeasureState.PARTLY: "fail",
    MeasureState.NOT_KEPT: "fail",
    MeasureState.UNMEASURED: "other",
    MeasureState.WAIVED: "other",
}


def assessment_results(source: Source) -> bytes:
    """One result: where the measures stand, by the last look at each check."""
    seen = observations(source)
    risks = {one["number"]: list(_risks(source, one)) for one in source.measures}
    name = source.material.environment.name
    first, last = source.moments
    days = source.material.max_age.days
    result = {
        "uuid": identifier("result", name, source.material.edition, first, last),
        "title": source.text("oscal.result.title"),
        "description": source.text("oscal.result.description", days=days),
        "start": first,
        "end": last,
        "local-definitions": _subjects(source, seen),
        "reviewed-controls": {
            "control-selections": [
                {
                    "include-controls": [
                        {"control-id": control_id(one["number"])} for one in source.measures
                    ]
                }
            ]
        },
        **filled(
            observations=(one.data for one in seen),
            # A waiver that several measures rest on is one risk.
            risks={risk["uuid"]: risk for found in risks.values() for risk in found}.values(),
            findings=(_finding(source, one, seen, risks[one["number"]]) for one in source.measures),
        ),
    }
    plan = identifier("plan", name)
    resources = [
        {
            "uuid": plan,
            "title": source.text("oscal.plan.title"),
            "description": source.text("oscal.plan.description"),
        },
        *(_resource(source, run) for run in source.runs),
    ]
    body = {
        "import-ap": {"href": f"#{plan}"},
        "results": [result],
        "back-matter": {"resources": resources},
    }
    title = source.text("oscal.results")
    return document("assessment-results", title, last, body, source.about)


def _finding(source: Source, one: Data, seen: Sequence[Observation], risks: Sequence[Data]) -> Data:
    number, state = one["number"], MeasureState(one["state"])
    about = [each for each in seen if number in each.measures]
    # Kept without anything dated to show for it would be a promise, not a finding.
    satisfied = state is MeasureState.KEPT and bool(about)
    own = props(
        [
            ("verdict", state),
            ("kind", one["kind"]),
            ("waived-until", one["waived_until"]),
            ("records", one["evidence"]["records"]),
            ("records-sha256", one["evidence"]["sha256"]),
        ]
    )
    return {
        "uuid": identifier(
            "finding", source.material.environment.name, source.material.edition, number
        ),
        "title": f"{number} {one['title']}",
        "description": _explained(source, one, state),
        **own,
        "target": {
            "type": "statement-id",
            "target-id": statement_id(number),
            "status": {
                "state": "satisfied" if satisfied else "not-satisfied",
                "reason": _REASONS[state],
            },
        },
        **filled(
            related_observations=({"observation-uuid": each.uuid} for each in about),
            related_risks=({"risk-uuid": risk["uuid"]} for risk in risks),
        ),
    }


def _explained(source: Source, one: Data, state: MeasureState) -> str:
    words, days = source.words, source.material.max_age.days
    state_in_words, meaning = words.texts["states"][state], words.texts["meaning"][state]
    said = [source.text("oscal.finding", state=state_in_words, meaning=meaning)]
    said += [words.text(f"silences.{why}", n=n, days=days) for why, n in one["silences"].items()]
    if one["not_promised"]:
        said.append(words.text("measures.not_promised", reason=one["not_promised"]))
    return " ".join(said)


def _risks(source: Source, one: Data) -> Iterator[Data]:
    """The waivers that a verdict rests on; of a client's the end alone, as in the report."""
    name = source.material.environment.name
    if not source.material.internal:
        until = one["waived_until"]
        if until:
            yield _risk(source, identifier("waiver", name, one["number"], until), until, {}, "")
        return
    for waiver in one["waivers"]:
        own = props(
            [
                ("rule", waiver["rule"]),
                ("approver", waiver["approver"]),
                *(("host", host) for host in waiver["hosts"] or ()),
            ]
        )
        identity = identifier(
            "waiver", name, waiver["rule"], *(waiver["hosts"] or ()), "until", waiver["until"]
        )
        mitigation = identifier("mitigation", identity)
        own["mitigating-factors"] = [
            {"uuid": mitigation, "description": waiver["compensating_measure"]}
        ]
        yield _risk(source, identity, waiver["until"], own, waiver["reason"])


def _risk(source: Source, uuid: str, until: str, own: Mapping[str, object], reason: str) -> Data:
    day = source.words.day(f"{until}T12:00:00Z")
    return {
        "uuid": uuid,
        "title": source.text("oscal.waiver.title", day=day),
        "description": reason or source.text("oscal.waiver.description", day=day),
        "statement": source.text("oscal.waiver.statement"),
        "status": "deviation-approved",
        "deadline": f"{until}T23:59:59Z",
        **own,
    }


def _subjects(source: Source, seen: Sequence[Observation]) -> Data:
    """What was looked at; a host that is declared no more is there by its name alone."""
    declared = {host["name"]: host for host in source.hosts}
    names = dict.fromkeys([*declared, *(one.subject for one in seen if one.subject)])
    environment = source.material.environment
    items = []
    for name in names:
        host = declared.get(name, {})
        place = host.get("place", {})
        own = props(
            [
                ("function", host.get("function")),
                ("supplier", host.get("supplier")),
                *place.items(),
                *(("address", address) for address in host.get("addresses", ())),
            ]
        )
        items.append({"uuid": subject_id(source, name), "description": name, **own})
    registers = {
        "uuid": subject_id(source, None),
        "type": "process-procedure",
        "title": source.text("oscal.registers.title"),
        "description": source.text("oscal.registers.of", environment=environment.name),
        "status": {"state": "operational"},
    }
    return filled(components=[registers], inventory_items=items)


def _resource(source: Source, run: Data) -> Data:
    """A run whose records are evidence: what was recorded, and the link of the chain to it."""
    number = run["run"]
    link = source.links.get(number)
    command = source.words.texts["evidence"]["commands"].get(run["command"], run["command"])
    chained = [
        ("chain-position", link.position),
        ("chain-link", link.sha256),
        ("record-sha256", link.record),
    ] if link else []  # fmt: skip
    found: Data = {
        "uuid": run_id(source, number),
        "title": source.text("oscal.run", run=number),
        "description": f"{command}, {source.words.moment(run['at'])}",
        **props(
            [
                ("run", number),
                ("command", run["command"]),
                ("at", run["at"]),
                ("commit", run["commit"]),
                ("who", run.get("who")),
                ("control-node", run.get("control_node")),
                ("records", run["records"]),
                ("records-sha256", run["sha256"]),
                *chained,
            ]
        ),
    }
    if link and source.records:
        found["rlinks"] = [
            {
                "href": f"{source.records}run-{number:06d}.jsonl",
                "media-type": "application/jsonl",
                "hashes": [{"algorithm": "SHA-256", "value": link.record}],
            }
        ]
    return found
