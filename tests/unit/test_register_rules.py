"""Each check of a register holds on the lab's example, and fails once that is tampered with."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from orchestrator.environment import Environment, load_environment
from orchestrator.environment.commitments import Commitments
from orchestrator.environment.documents import file_digest
from orchestrator.environment.register_definitions import register_definitions
from orchestrator.environment.registers import read_registers
from orchestrator.paths import project_root
from orchestrator.records import Verdict
from orchestrator.registers.facts import gather
from orchestrator.registers.intervals import deadline, months_after
from orchestrator.registers.judge import Finding, Judgement, next_due, states

AS_OF = date(2026, 11, 26)
PROCEDURES = project_root() / "docs/procedures"
LATER = date(2099, 1, 1)
EVERY_CHECK = {
    f"{name}.{check.name}"
    for name, definition in register_definitions().items()
    for check in definition.checks
}
# What nobody wrote about for a year: all that has to be done again.
IN_A_YEAR = {
    name
    for name in EVERY_CHECK
    if name.endswith(".is_reviewed") or ".documented_" in name or ".are_held_" in name
} | {
    "documents.procedures_are_approved",
    "access_reviews.access_rights_are_reviewed",
    "client_notices.every_client_has_the_list_of_third_parties",
    "confidentiality_reviews.every_commitment_is_reviewed",
    "continuity_exercises.plan_is_exercised",
    "incident_channel.staff_can_report",
    "incident_channel.third_parties_can_report",
    "interfaces.are_known",
    "trainings.everybody_is_trained",
    "workstation_attestations.every_workstation_is_attested",
}


@dataclass(frozen=True)
class Tampering:
    """A register whose text is changed (None: removed, "": added to), and which checks say so."""

    register: str
    old: str | None
    new: str
    fails: Sequence[str]
    says: str = ""
    day: date = AS_OF
    everywhere: bool = False


def documented(*numbers: str) -> list[str]:
    return [f"documents.documented_{number}" for number in numbers]


def exercised(*numbers: str) -> list[str]:
    return [f"procedure_exercises.are_held_{number}" for number in numbers]


ENTRY = "- date: 2026-11-25\n  by: laboratoire\n"
LEFT = (
    ENTRY
    + """\
  person: bdurand
  name: Bruno Durand
  function: Exploitation du service
  employer: SIGECO
  ended: 2026-11-24
"""
)
GONE = "".join(
    ENTRY + f"  person: {name}\n  name: N\n  function: F\n  employer: E\n  ended: 2026-11-25\n"
    for name in ("clemaire", "dnguyen", "epetit")
)
OPEN_INCIDENT = """\
- date: 2026-11-24
  by: laboratoire
  incident: INC-2026-03
  title: Poste perdu
  detected: 2026-11-24T09:00+01:00
  severity: majeure
  affects_clients: true
  state: ouvert
  actions: jetons révoqués
"""
ANOTHER_USE = (
    ENTRY
    + """\
  serial: USB-0001
  use: échanges avec les clients
  encryption: LUKS2
  leaves: true
  keeper: clemaire
  place: sac
"""
)
BOTH = (
    ENTRY
    + """\
  role: RSSI
  person: dnguyen
  deputy: amartin
  tasks: Politique, risques, incidents, revues
"""
)
PROMISED = (
    ENTRY
    + """\
  procedure: test-de-restauration
  held_on: 2027-01-04
  led_by: amartin
  result: prévu
"""
)
ROTATION = """\
  document: rotation-des-cles
  title: "Rotation ou compromission d'une clé"
  file: docs/procedures/rotation-des-cles.md
  version: '1.0'
  owner: amartin
  approved_by: clemaire
  sha256: SHA256
  measures: [7.1.1, 6.4.1, 6.4.2]
""".replace("SHA256", file_digest((PROCEDURES / "rotation-des-cles.md").read_bytes()))
APPROVED_AGAIN = "".join(
    f"{ENTRY}{ROTATION}  approved_on: {day}\n" for day in ("2025-10-01", "2026-10-01")
)
TAMPERINGS: dict[str, Tampering] = {
    "no review of access": Tampering(
        "access_reviews", None, "", ["access_reviews.access_rights_are_reviewed"],
        "no entry; `pas-infra access review --env "),
    "nobody attests": Tampering(
        "workstation_attestations", "person: bdurand", "person: amartin",
        ["workstation_attestations.every_workstation_is_attested"], "nothing on bdurand"),
    "no charter": Tampering(
        "charter_signatures", "person: amartin", "person: amartin\n  ended: 2026-11-25",
        ["charter_signatures.everybody_has_signed"],
        "--set person=amartin"),
    "an old charter": Tampering(
        "charter_signatures", "version: '1.0'", "version: '0.9'",
        ["charter_signatures.everybody_has_signed"], "amartin: version 0.9, but 1.0 is in force"),
    "not trained": Tampering(
        "trainings", "2026-06-18", "2025-06-18", ["trainings.everybody_is_trained"],
        "amartin: the last is of 2025-06-18, more than 12 months ago"),
    "not verified": Tampering(
        "screenings", "result: conforme", "result: non conforme",
        ["screenings.everybody_was_verified"], "nothing on amartin"),
    "an account without a person": Tampering(
        "personnel", "person: bdurand", "person: bernard",
        ["personnel.everybody_with_an_account_is_known", "charter_signatures.everybody_has_signed",
         "screenings.everybody_was_verified", "trainings.everybody_is_trained"],
        "nothing on bdurand"),
    "left, with all he had": Tampering(
        "personnel", "", LEFT,
        ["personnel.everybody_with_an_account_is_known", "assets.leavers_have_nothing"],
        "bdurand has left, and stands in people.yml"),
    "who answered has left": Tampering(
        "personnel", "", GONE,
        [f"{name}.are_of_somebody_present"
         for name in ("data_protection_roles", "removable_media", "risks", "roles")],
        "`person` is dnguyen, who has left"),
    "nothing handed out": Tampering(
        "assets", "person: bdurand", "person: amartin", ["assets.everybody_is_asked"]),
    "no RSSI": Tampering("roles", "role: RSSI", "role: RSI",
                         ["roles.every_owner_is_named", "incompatible_duties.are_kept_apart"],
                         "`RSSI` is neither a role nor a right"),
    "incompatible duties": Tampering(
        "roles", "", BOTH, ["incompatible_duties.are_kept_apart"],
        "amartin: both Administrateur and RSSI"),
    "nothing is incompatible": Tampering(
        "incompatible_duties", None, "", ["incompatible_duties.are_identified"]),
    "another approver": Tampering(
        "documents", "approved_by: clemaire", "approved_by: dnguyen",
        ["documents.policy_is_approved"], "approved by dnguyen; Direction is clemaire, fmoreau"),
    "an unapproved version": Tampering(
        "documents", "approved_on: 2026-11-20", "approved_on: 2025-11-20",
        documented("1_2_1"), "pqssi: its next approval was due on 2026-11-20"),
    "no document treats it": Tampering(
        "documents", "measures: [4.4.1]", "measures: [6.1.3]", documented("4_4_1"),
        "no document treats 4.4.1"),
    "a procedure that nobody approved": Tampering(
        "documents", "document: redemarrage", "document: redemarage",
        ["documents.procedures_are_approved", *exercised("11_1_1")],
        "nothing on redemarrage (procedures); `pas-infra register add documents "),
    "a procedure approved long ago": Tampering(
        "documents", "approved_on: 2026-11-25", "approved_on: 2025-11-24",
        ["documents.procedures_are_approved", *documented("7_1_1", "11_1_1")],
        "acces-perdu: its next approval was due on 2026-11-24"),
    "the last day of an exercise": Tampering(
        "procedure_exercises", "held_on: 2026-11-24", "held_on: 2026-10-26", []),
    "an exercise that was missed": Tampering(
        "procedure_exercises", "held_on: 2026-11-24", "held_on: 2026-10-25",
        exercised("7_5_2", "11_1_1"), "test-de-restauration: its exercise was due on 2026-11-25"),
    "an exercise that is only promised": Tampering(
        "procedure_exercises", "held_on: 2026-11-24", "held_on: 2040-01-01",
        exercised("7_5_2", "11_1_1"), "test-de-restauration: `held_on` is 2040-01-01, a day to"),
    "a promise does not hide the exercise that was missed": Tampering(
        "procedure_exercises", "", PROMISED, exercised("7_5_2", "11_1_1"),
        "test-de-restauration: its exercise was due on 2026-12-24", date(2026, 12, 25)),
    "approved again, and never exercised": Tampering(
        "documents", "", APPROVED_AGAIN, exercised("6_4_2"),
        "rotation-des-cles: its exercise was due on 2026-10-01"),
    "approved for other measures than the page's": Tampering(
        "documents", "", APPROVED_AGAIN.replace("6.4.1, 6.4.2", "6.4.1"), exercised("6_4_2"),
        "rotation-des-cles: its exercise was due on 2026-10-01"),
    "no exercise of incidents and breaches": Tampering(
        "procedure_exercises", "held_on: 2026-10-08", "held_on: 2025-10-08",
        exercised("10_1_1", "10_3_1"), everywhere=True),
    "a chapter is missing": Tampering(
        "policy_coverage", 'chapter: "8"', 'chapter: "7"',
        ["policy_coverage.every_chapter_is_treated"], "nothing on 8 (chapters)"),
    "no risks": Tampering(
        "risks", "bastion", "ancien", ["risks.every_host_is_assessed"], "nothing on bastion",
        everywhere=True),
    "a risk that nobody accepted": Tampering(
        "risk_acceptances", "risk: R-02", "risk: R-01",
        ["risk_acceptances.every_risk_is_accepted"], "nothing on R-02"),
    "an acceptance that ended": Tampering(
        "risk_acceptances", "until: 2027-11-30", "until: 2026-11-25",
        ["risk_acceptances.hold_still"], "`until` was 2026-11-25"),
    "a processing of nobody": Tampering(
        "data_protection_roles", "processing: journaux", "processing: hebergement-clients",
        ["data_protection_roles.every_processing_is_assigned"], "nothing on journaux"),
    "no processing": Tampering(
        "processings", "on_behalf_of: clients", "on_behalf_of: sigeco",
        ["processings.protection_is_justified"], "no entry with on_behalf_of `clients`"),
    "no processing for itself": Tampering(
        "processings", "on_behalf_of: sigeco", "on_behalf_of: clients",
        ["processings.own_processings_are_recorded"], everywhere=True),
    "a request without an answer": Tampering(
        "data_subject_requests", "  answered: 2026-09-21\n", "",
        ["data_subject_requests.are_answered_in_time"], "`answered` was due by 2026-10-07"),
    "a late answer, reviewed since": Tampering(
        "data_subject_requests", "answered: 2026-09-21", "answered: 2026-11-24", [], ""),
    "a late answer": Tampering(
        "data_subject_requests", "answered: 2026-09-21", "answered: 2026-11-25",
        ["data_subject_requests.are_answered_in_time"], "is 2026-11-25, it was due by 2026-10-07"),
    "a project before its risks": Tampering(
        "projects", "  risks_estimated: 2026-09-28\n", "", ["projects.risks_come_first"],
        "`risks_estimated` was due by 2026-10-12"),
    "clients not told of a project": Tampering(
        "projects", "  clients_informed: 2026-10-01\n", "", ["projects.clients_are_told_first"]),
    "nothing is classified": Tampering(
        "data_classification", None, "", ["data_classification.every_host_is_classified"]),
    "a medium for two uses": Tampering(
        "removable_media", "", ANOTHER_USE, ["removable_media.have_one_use"],
        "USB-0001: `use` is `échanges avec les clients`, entry 1 says"),
    "a medium in clear": Tampering(
        "removable_media", "  encryption: LUKS2, AES-256\n", "",
        ["removable_media.that_leave_are_encrypted"], "`encryption` is missing"),
    "a change that nobody announced": Tampering(
        "changes", "  announced: 2026-10-20\n", "", ["changes.are_announced"],
        "`announced` was due by 2026-10-27"),
    "announced too late": Tampering(
        "changes", "planned: 2026-11-10\n  loss_of_function: true\n  announced: 2026-10-20",
        "planned: 2026-12-01\n  loss_of_function: true\n  announced: 2026-11-25",
        ["changes.are_announced"], "`announced` is 2026-11-25, it was due by 2026-11-17"),
    "a supplier not listed": Tampering(
        "third_parties", "since: 2026-01-01", "since: 2026-01-01\n  ended: 2026-11-01",
        ["third_parties.every_supplier_is_listed"], "nothing on laboratoire"),
    "a third party not announced": Tampering(
        "third_parties", "  announced: 2026-01-05\n", "", ["third_parties.are_announced"]),
    "no notice of places": Tampering(
        "client_notices", "sent: 2026-11-20", "sent: 2026-11-20\n  ended: 2026-11-21",
        ["client_notices.every_client_knows_the_places"], "nothing on alpha"),
    "no list of third parties": Tampering(
        "client_notices", "subject: tiers\n  sent: 2026", "subject: tiers\n  sent: 2025",
        ["client_notices.every_client_has_the_list_of_third_parties"], "alpha: the last is of"),
    "an unequal contract": Tampering(
        "contract_clauses", "equivalent: true", "equivalent: false",
        ["contract_clauses.every_third_party_is_bound"], "nothing on laboratoire"),
    "a contract that ended": Tampering(
        "contract_clauses", "until: 2027-12-31", "until: 2026-10-31",
        ["contract_clauses.run_still"], "`until` was 2026-10-31"),
    "confidentiality not reviewed": Tampering(
        "confidentiality_reviews", "decision: maintenu", "decision: maintenu\n  ended: 2026-11-25",
        ["confidentiality_reviews.every_commitment_is_reviewed"]),
    "no channel for staff": Tampering(
        "incident_channel", "audience: personnel", "audience: clients",
        ["incident_channel.staff_can_report"], "no entry"),
    "no channel for third parties": Tampering(
        "incident_channel", "audience: tiers", "audience: clients",
        ["incident_channel.third_parties_can_report"]),
    "an incident within its day": Tampering(
        "incidents", "", OPEN_INCIDENT, [], "", date(2026, 11, 24)),
    "an incident that nobody told": Tampering(
        "incidents", "", OPEN_INCIDENT, ["incidents.clients_are_told"],
        "`clients_informed` was due by 2026-11-25 08:00 UTC"),
    "an incident that nobody works on": Tampering(
        "incidents", "", OPEN_INCIDENT, ["incidents.clients_are_told", "incidents.are_followed_up"],
        "", date(2026, 12, 20)),
    "a breach that nobody told": Tampering(
        "personal_data_breaches", "  clients_informed: 2026-10-14T15:30+02:00\n", "",
        ["personal_data_breaches.clients_are_told"]),
    "an authority not told": Tampering(
        "personal_data_breaches", "authority_informed: 2026-10-15T09:00+02:00",
        "authority_informed: 2026-11-25T09:00+02:00",
        ["personal_data_breaches.authority_is_told"], "due by 2026-10-17 08:05 UTC"),
    "no exercise": Tampering(
        "continuity_exercises", None, "", ["continuity_exercises.plan_is_exercised"]),
    "back too late": Tampering(
        "continuity_exercises", "measured_hours: 3", "measured_hours: 30",
        ["continuity_exercises.service_is_back_in_time"], "`measured_hours` is 30, above"),
    "no law": Tampering(
        "legal_requirements", None, "", ["legal_requirements.are_identified"], "no entry"),
    "a host without a place": Tampering(
        "locations", "host: sysfab", "host: bastion",
        ["locations.every_host_is_located"], "nothing on sysfab"),
    "a host outside the Union": Tampering(
        "locations", "city: Paris\n  country: FR", "city: Paris\n  country: CH",
        ["locations.are_as_declared", "locations.are_in_the_european_union"],
        "sysfab: `country` is `CH`, none of AT, BE, "),
    "a third party with data outside the Union": Tampering(
        "third_parties", "country: FR\n  access_to_data: true",
        "country: US\n  access_to_data: true",
        ["third_parties.with_data_are_in_the_european_union"],
        "Cabinet Exemple: `country` is `US`"),
    "a third party without data outside the Union": Tampering(
        "third_parties", "country: FR\n  access_to_data: false",
        "country: US\n  access_to_data: false", []),
    "a workstation in Belgium": Tampering(
        "workstation_attestations", "country: FR", "country: BE",
        ["workstation_attestations.are_in_france"], "amartin, POSTE-0001: `country` is `BE`"),
    "a workstation somewhere": Tampering(
        "workstation_attestations", "  country: FR\n", "",
        ["workstation_attestations.are_in_france"], "amartin, POSTE-0001: `country` is missing"),
    "another place": Tampering(
        "locations", "city: Roubaix", "city: Lille", ["locations.are_as_declared"],
        "rbx7: city `Lille`, environment.yml says `Roubaix`"),
    "English only": Tampering(
        "interfaces", "languages: [fr, en]", "languages: [en]", ["interfaces.speak_french"],
        "`languages` is `en`, not `fr`"),
    "no interface": Tampering("interfaces", None, "", ["interfaces.are_known"]),
    "no support": Tampering("support", None, "", ["support.first_level_exists"]),
    "support in English": Tampering(
        "support", "languages: [fr]", "languages: [en]", ["support.first_level_speaks_french"]),
    "no reviews": Tampering(
        "register_reviews", None, "", [n for n in EVERY_CHECK if n.endswith(".is_reviewed")],
        "never reviewed"),
    "a year later": Tampering("support", "", "", sorted(IN_A_YEAR), "", date(2027, 11, 26)),
}  # fmt: skip


@pytest.fixture(scope="module")
def lab() -> Environment:
    return load_environment(project_root() / "inventories/lab")


@pytest.fixture
def judged(lab: Environment, tmp_path: Path) -> Callable[[date], list[Judgement]]:
    """What all checks say on a day of a copy of the lab in `tmp_path`."""
    for folder in ("registers", "documents"):
        shutil.copytree(lab.directory / folder, tmp_path / folder)
    shutil.copy(lab.directory / "people.yml", tmp_path)

    def judge_on(
        day: date, commitments: Commitments | None = None, *, reviewed: bool = True
    ) -> list[Judgement]:
        if not reviewed:
            (tmp_path / "registers/register_reviews.yml").unlink()
        copy = replace(lab, directory=tmp_path, commitments=commitments or lab.commitments)
        now = datetime.combine(day, time(12), UTC)
        facts = gather(copy, read_registers(tmp_path, LATER), now)
        return [judgement for state in states(facts) for judgement in state.judgements]

    return judge_on


def failing(judgements: list[Judgement]) -> set[str]:
    return {f"{one.register}.{one.check.name}" for one in judgements if one.findings}


def findings(judgements: list[Judgement]) -> list[Finding]:
    return [finding for one in judgements for finding in one.findings]


def test_all_holds_on_the_example(judged: Callable[[date], list[Judgement]]) -> None:
    found = judged(AS_OF)
    assert {f"{one.register}.{one.check.name}" for one in found} == EVERY_CHECK
    assert {one.verdict for one in found} == {Verdict.HOLDS}


def test_what_returns_says_when_it_is_due_next(lab: Environment) -> None:
    now = datetime.combine(AS_OF, time(12), UTC)
    facts = gather(lab, read_registers(lab.directory, LATER), now)
    due = {
        f"{name}.{check.name}": next_due(facts, register, check)
        for name, register in facts.registers.items()
        for check in register.definition.checks
    }
    assert due["access_reviews.access_rights_are_reviewed"] == date(2027, 11, 23)
    assert due["roles.is_reviewed"] == date(2027, 11, 24)
    assert due["changes.are_announced"] is None


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampering_fails_its_checks_and_no_other(
    judged: Callable[[date], list[Judgement]], tmp_path: Path, name: str
) -> None:
    one = TAMPERINGS[name]
    file = tmp_path / "registers" / f"{one.register}.yml"
    text = file.read_text()
    if one.old is None:
        file.unlink()
    else:
        assert one.old in text
        file.write_text(
            text.replace(one.old, one.new, -1 if one.everywhere else 1)
            if one.old
            else text + one.new
        )
    found = judged(one.day)
    assert failing(found) == set(one.fails)
    said = [f"{finding.what}; {finding.next_step}" for finding in findings(found)]
    assert not one.says or any(one.says in text for text in said), said


def test_every_check_was_seen_failing() -> None:
    assert EVERY_CHECK - {name for one in TAMPERINGS.values() for name in one.fails} == set()


def test_a_document_that_is_not_the_approved_one(
    judged: Callable[[date], list[Judgement]], tmp_path: Path
) -> None:
    with (tmp_path / "documents/pqssi.md").open("a") as file:
        file.write("Sauf le vendredi.\n")
    (tmp_path / "documents/charte.md").unlink()
    found = judged(AS_OF)
    assert failing(found) == {*documented("1_2_1", "3_2_1"), "documents.policy_is_approved"}
    said = {(one.entry, one.what) for one in findings(found)}
    assert (1, "pqssi: documents/pqssi.md is not the one that was approved") in said
    assert (3, "charte: documents/charte.md is missing") in said
    assert {one.line for one in findings(found)} == {3, 25}


def test_a_procedure_that_was_adapted_must_be_approved_again(
    judged: Callable[[date], list[Judgement]], tmp_path: Path
) -> None:
    own = tmp_path / "docs/procedures/sauvegarde.md"
    own.parent.mkdir(parents=True)
    shutil.copy(project_root() / "docs/procedures/sauvegarde.md", own)
    assert failing(judged(AS_OF)) == set()
    with own.open("a") as file:
        file.write("Chez nous, à midi.\n")
    found = judged(AS_OF)
    assert failing(found) == set(documented("7_1_1", "7_5_1"))
    assert {one.what for one in findings(found)} == {
        "sauvegarde: docs/procedures/sauvegarde.md is not the one that was approved"
    }


def test_times_are_those_that_the_contract_promises(
    lab: Environment, judged: Callable[..., list[Judgement]]
) -> None:
    assert failing(judged(AS_OF, Commitments(incident_hours=6, breach_hours=6))) == set()
    strict = Commitments(incident_hours=5, breach_hours=4, change_days=22)
    assert failing(judged(AS_OF, strict)) == set()  # late, and reviewed since
    assert failing(judged(date(2026, 11, 23), strict, reviewed=False)) >= {
        "incidents.clients_are_told", "personal_data_breaches.clients_are_told",
        "changes.are_announced",
    }  # fmt: skip


def test_a_cumulation_may_be_accepted_as_a_risk(
    judged: Callable[[date], list[Judgement]], tmp_path: Path
) -> None:
    roles, duties = (
        tmp_path / f"registers/{name}.yml" for name in ("roles", "incompatible_duties")
    )
    roles.write_text(roles.read_text() + BOTH)
    duties.write_text(duties.read_text() + "".join(
        ENTRY + f"  first: {right}\n  second: RSSI\n  reason: petite équipe\n  risk: R-01\n"
        for right in ("Administrateur", "administrator")
    ))  # fmt: skip
    assert failing(judged(AS_OF)) == set()
    found = failing(judged(date(2027, 12, 1)))
    assert {"incompatible_duties.are_kept_apart", "risk_acceptances.hold_still"} <= found


def test_what_is_corrected_or_has_ended_no_longer_counts(
    judged: Callable[[date], list[Judgement]], tmp_path: Path
) -> None:
    changes = tmp_path / "registers/changes.yml"
    wrong = changes.read_text().partition("- date")[2]
    wrong = "- date" + wrong.replace("  announced: 2026-10-20\n", "")
    before = changes.read_text()
    changes.write_text(before + wrong)
    assert failing(judged(AS_OF)) == {"changes.are_announced"}
    changes.write_text(before + wrong + "- date" + before.partition("- date")[2].replace(
        "2026-11-23", "2026-11-25") + "  corrects: 2\n")  # fmt: skip
    assert failing(judged(AS_OF)) == set()
    changes.write_text(before + wrong + "  ended: 2026-11-26\n")
    assert failing(judged(AS_OF)) == set()
    assert failing(judged(AS_OF - timedelta(1))) == {"changes.are_announced"}


def test_nothing_to_judge_is_unmeasured(
    judged: Callable[[date], list[Judgement]], tmp_path: Path
) -> None:
    (tmp_path / "registers/third_parties.yml").write_text("---\n")
    for name in ("contract_clauses", "confidentiality_reviews", "locations"):
        (tmp_path / f"registers/{name}.yml").unlink()
    silent = {one.register: one.reason for one in judged(AS_OF) if one.verdict == "unmeasured"}
    assert silent["contract_clauses"] == "the register third_parties has no entry"


@pytest.mark.parametrize(
    ("day", "months", "due"),
    [(date(2026, 11, 24), 12, date(2027, 11, 24)), (date(2024, 2, 29), 12, date(2025, 2, 28)),
     (date(2026, 8, 31), 6, date(2027, 2, 28)), (date(2026, 12, 1), 1, date(2027, 1, 1))],
)  # fmt: skip
def test_months_end_within_their_month(day: date, months: int, due: date) -> None:
    assert months_after(day, months) == due


@pytest.mark.parametrize(
    ("since", "more", "last"),
    [("2026-10-02T08:40+02:00", {"hours": 72}, "2026-10-05 06:40"),
     ("2026-10-02", {"days": 3}, "2026-10-05 23:59"), ("2026-01-31", {"months": 1}, "2026-02-28")],
)  # fmt: skip
def test_deadlines(since: str, more: dict[str, int], last: str) -> None:
    assert str(deadline(since, **more)).startswith(last)
