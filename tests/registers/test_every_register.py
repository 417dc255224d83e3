"""What the registers must show, by their definitions.

Made from orchestrator/environment/schemas/registers/ by tests/unit/test_register_definitions.py.
"""

from collections.abc import Callable

import pytest

Holds = Callable[[str, str], None]


@pytest.mark.pas("5.4.1")
def test_access_reviews_access_rights_are_reviewed(register_holds: Holds) -> None:
    """The list of access rights was reviewed in the last twelve months."""
    register_holds("access_reviews", "access_rights_are_reviewed")


@pytest.mark.pas("4.2.1", "5.2.1")
def test_assets_leavers_have_nothing(register_holds: Holds) -> None:
    """Whoever has left has given everything back, and has no account."""
    register_holds("assets", "leavers_have_nothing")


@pytest.mark.pas("4.2.1")
def test_assets_everybody_is_asked(register_holds: Holds) -> None:
    """What every person with an account was given is recorded."""
    register_holds("assets", "everybody_is_asked")


@pytest.mark.pas("7.2.1")
def test_changes_are_announced(register_holds: Holds) -> None:
    """Every change by which a function may be lost was announced as long before as promised."""
    register_holds("changes", "are_announced")


@pytest.mark.pas("7.2.1")
def test_changes_is_reviewed(register_holds: Holds) -> None:
    """The register of changes was reviewed in the last twelve months."""
    register_holds("changes", "is_reviewed")


@pytest.mark.pas("3.2.1")
def test_charter_signatures_everybody_has_signed(register_holds: Holds) -> None:
    """Every person has signed the charter that is in force."""
    register_holds("charter_signatures", "everybody_has_signed")


@pytest.mark.pas("13.1.1")
def test_client_notices_every_client_knows_the_places(register_holds: Holds) -> None:
    """Every client was told where their data is stored and processed."""
    register_holds("client_notices", "every_client_knows_the_places")


@pytest.mark.pas("9.1.2")
def test_client_notices_every_client_has_the_list_of_third_parties(register_holds: Holds) -> None:
    """Every client was given the list of third parties in the last twelve months."""
    register_holds("client_notices", "every_client_has_the_list_of_third_parties")


@pytest.mark.pas("9.3.1")
def test_confidentiality_reviews_every_commitment_is_reviewed(register_holds: Holds) -> None:
    """The confidentiality of every third party was reviewed in the last twelve months."""
    register_holds("confidentiality_reviews", "every_commitment_is_reviewed")


@pytest.mark.pas("11.1.1")
def test_continuity_exercises_plan_is_exercised(register_holds: Holds) -> None:
    """The continuity plan was exercised in the last twelve months."""
    register_holds("continuity_exercises", "plan_is_exercised")


@pytest.mark.pas("11.1.1")
def test_continuity_exercises_service_is_back_in_time(register_holds: Holds) -> None:
    """In every exercise the service was back within the time that is promised."""
    register_holds("continuity_exercises", "service_is_back_in_time")


@pytest.mark.pas("9.2.1")
def test_contract_clauses_every_third_party_is_bound(register_holds: Holds) -> None:
    """Every third party is held by contract to a level of security at least as high as ours."""
    register_holds("contract_clauses", "every_third_party_is_bound")


@pytest.mark.pas("9.2.1")
def test_contract_clauses_run_still(register_holds: Holds) -> None:
    """No contract with a third party has ended."""
    register_holds("contract_clauses", "run_still")


@pytest.mark.pas("4.3.1")
def test_data_classification_every_host_is_classified(register_holds: Holds) -> None:
    """The data on every host is classified by its needs."""
    register_holds("data_classification", "every_host_is_classified")


@pytest.mark.pas("4.3.1")
def test_data_classification_is_reviewed(register_holds: Holds) -> None:
    """The classification was reviewed in the last twelve months."""
    register_holds("data_classification", "is_reviewed")


@pytest.mark.pas("2.1.2")
def test_data_protection_roles_every_processing_is_assigned(register_holds: Holds) -> None:
    """Every processing of personal data has somebody who answers for it."""
    register_holds("data_protection_roles", "every_processing_is_assigned")


@pytest.mark.pas("2.1.2")
def test_data_protection_roles_are_of_somebody_present(register_holds: Holds) -> None:
    """Whoever answers for a processing is still there."""
    register_holds("data_protection_roles", "are_of_somebody_present")


@pytest.mark.pas("13.4.2")
def test_data_subject_requests_are_answered_in_time(register_holds: Holds) -> None:
    """Every request of a data subject was answered within a month (GDPR, article 12)."""
    register_holds("data_subject_requests", "are_answered_in_time")


@pytest.mark.pas("13.4.2")
def test_data_subject_requests_is_reviewed(register_holds: Holds) -> None:
    """The register of requests was reviewed in the last twelve months."""
    register_holds("data_subject_requests", "is_reviewed")


@pytest.mark.pas("1.2.1")
def test_documents_documented_1_2_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 1.2.1."""
    register_holds("documents", "documented_1_2_1")


@pytest.mark.pas("2.1.1")
def test_documents_documented_2_1_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 2.1.1."""
    register_holds("documents", "documented_2_1_1")


@pytest.mark.pas("3.1.1")
def test_documents_documented_3_1_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 3.1.1."""
    register_holds("documents", "documented_3_1_1")


@pytest.mark.pas("3.2.1")
def test_documents_documented_3_2_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 3.2.1."""
    register_holds("documents", "documented_3_2_1")


@pytest.mark.pas("3.3.1")
def test_documents_documented_3_3_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 3.3.1."""
    register_holds("documents", "documented_3_3_1")


@pytest.mark.pas("4.2.1")
def test_documents_documented_4_2_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 4.2.1."""
    register_holds("documents", "documented_4_2_1")


@pytest.mark.pas("4.4.1")
def test_documents_documented_4_4_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 4.4.1."""
    register_holds("documents", "documented_4_4_1")


@pytest.mark.pas("5.1.1")
def test_documents_documented_5_1_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 5.1.1."""
    register_holds("documents", "documented_5_1_1")


@pytest.mark.pas("5.2.1")
def test_documents_documented_5_2_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 5.2.1."""
    register_holds("documents", "documented_5_2_1")


@pytest.mark.pas("5.3.1")
def test_documents_documented_5_3_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 5.3.1."""
    register_holds("documents", "documented_5_3_1")


@pytest.mark.pas("5.5.1")
def test_documents_documented_5_5_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 5.5.1."""
    register_holds("documents", "documented_5_5_1")


@pytest.mark.pas("7.1.1")
def test_documents_documented_7_1_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 7.1.1."""
    register_holds("documents", "documented_7_1_1")


@pytest.mark.pas("7.3.1")
def test_documents_documented_7_3_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 7.3.1."""
    register_holds("documents", "documented_7_3_1")


@pytest.mark.pas("7.4.1")
def test_documents_documented_7_4_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 7.4.1."""
    register_holds("documents", "documented_7_4_1")


@pytest.mark.pas("7.5.1")
def test_documents_documented_7_5_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 7.5.1."""
    register_holds("documents", "documented_7_5_1")


@pytest.mark.pas("7.5.2")
def test_documents_documented_7_5_2(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 7.5.2."""
    register_holds("documents", "documented_7_5_2")


@pytest.mark.pas("7.6.1")
def test_documents_documented_7_6_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 7.6.1."""
    register_holds("documents", "documented_7_6_1")


@pytest.mark.pas("9.3.1")
def test_documents_documented_9_3_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 9.3.1."""
    register_holds("documents", "documented_9_3_1")


@pytest.mark.pas("10.2.1")
def test_documents_documented_10_2_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 10.2.1."""
    register_holds("documents", "documented_10_2_1")


@pytest.mark.pas("10.3.1")
def test_documents_documented_10_3_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 10.3.1."""
    register_holds("documents", "documented_10_3_1")


@pytest.mark.pas("11.1.1")
def test_documents_documented_11_1_1(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 11.1.1."""
    register_holds("documents", "documented_11_1_1")


@pytest.mark.pas("13.4.2")
def test_documents_documented_13_4_2(register_holds: Holds) -> None:
    """A document that is approved, unchanged and not older than a year treats 13.4.2."""
    register_holds("documents", "documented_13_4_2")


@pytest.mark.pas("7.1.1")
def test_documents_procedures_are_approved(register_holds: Holds) -> None:
    """Every operating procedure was approved in the last twelve months."""
    register_holds("documents", "procedures_are_approved")


@pytest.mark.pas("1.2.3")
def test_documents_policy_is_approved(register_holds: Holds) -> None:
    """The security policy was approved, as it stands, by the management."""
    register_holds("documents", "policy_is_approved")


@pytest.mark.pas("10.2.1")
def test_incident_channel_staff_can_report(register_holds: Holds) -> None:
    """Staff have a channel to report incidents, tested within a year."""
    register_holds("incident_channel", "staff_can_report")


@pytest.mark.pas("10.2.1")
def test_incident_channel_third_parties_can_report(register_holds: Holds) -> None:
    """Third parties have a channel to report incidents, tested within a year."""
    register_holds("incident_channel", "third_parties_can_report")


@pytest.mark.pas("10.2.2")
def test_incidents_clients_are_told(register_holds: Holds) -> None:
    """Clients were told in the time promised of every incident that concerns them."""
    register_holds("incidents", "clients_are_told")


@pytest.mark.pas("10.3.1")
def test_incidents_are_followed_up(register_holds: Holds) -> None:
    """No incident is open of which nothing was entered for fourteen days."""
    register_holds("incidents", "are_followed_up")


@pytest.mark.pas("10.2.2", "10.3.1")
def test_incidents_is_reviewed(register_holds: Holds) -> None:
    """The register of incidents was reviewed in the last six months."""
    register_holds("incidents", "is_reviewed")


@pytest.mark.pas("2.2.1")
def test_incompatible_duties_are_identified(register_holds: Holds) -> None:
    """The duties that exclude each other are identified."""
    register_holds("incompatible_duties", "are_identified")


@pytest.mark.pas("2.2.1")
def test_incompatible_duties_are_kept_apart(register_holds: Holds) -> None:
    """Nobody holds two duties that exclude each other, unless the risk of it is accepted."""
    register_holds("incompatible_duties", "are_kept_apart")


@pytest.mark.pas("2.2.1")
def test_incompatible_duties_is_reviewed(register_holds: Holds) -> None:
    """Incompatible duties were reviewed in the last twelve months."""
    register_holds("incompatible_duties", "is_reviewed")


@pytest.mark.pas("13.2.1")
def test_interfaces_are_known(register_holds: Holds) -> None:
    """The interfaces for clients were looked at in the last twelve months."""
    register_holds("interfaces", "are_known")


@pytest.mark.pas("13.2.1")
def test_interfaces_speak_french(register_holds: Holds) -> None:
    """Every interface for clients is available in French."""
    register_holds("interfaces", "speak_french")


@pytest.mark.pas("12.1.1")
def test_legal_requirements_are_identified(register_holds: Holds) -> None:
    """The legal and contractual requirements are identified."""
    register_holds("legal_requirements", "are_identified")


@pytest.mark.pas("12.1.1")
def test_legal_requirements_is_reviewed(register_holds: Holds) -> None:
    """The legal and contractual requirements were reviewed in the last twelve months."""
    register_holds("legal_requirements", "is_reviewed")


@pytest.mark.pas("13.1.1", "13.1.2")
def test_locations_every_host_is_located(register_holds: Holds) -> None:
    """The place of every host is documented."""
    register_holds("locations", "every_host_is_located")


@pytest.mark.pas("13.1.1", "13.1.2")
def test_locations_are_as_declared(register_holds: Holds) -> None:
    """Places and suppliers are those that the environment declares of its hosts."""
    register_holds("locations", "are_as_declared")


@pytest.mark.pas("13.1.2")
def test_locations_are_in_the_european_union(register_holds: Holds) -> None:
    """By what is declared, every host that stores or processes data is in the European Union."""
    register_holds("locations", "are_in_the_european_union")


@pytest.mark.pas("10.1.1")
def test_personal_data_breaches_clients_are_told(register_holds: Holds) -> None:
    """Clients were told of every breach of personal data in the time promised."""
    register_holds("personal_data_breaches", "clients_are_told")


@pytest.mark.pas("10.1.1")
def test_personal_data_breaches_authority_is_told(register_holds: Holds) -> None:
    """The authority was told of every breach with a risk within 72 hours (GDPR, article 33)."""
    register_holds("personal_data_breaches", "authority_is_told")


@pytest.mark.pas("10.1.1")
def test_personal_data_breaches_is_reviewed(register_holds: Holds) -> None:
    """The register of breaches was reviewed in the last twelve months."""
    register_holds("personal_data_breaches", "is_reviewed")


@pytest.mark.pas("2.1.1")
def test_personnel_everybody_with_an_account_is_known(register_holds: Holds) -> None:
    """Every person of people.yml is entered with a function."""
    register_holds("personnel", "everybody_with_an_account_is_known")


@pytest.mark.pas("1.2.2")
def test_policy_coverage_every_chapter_is_treated(register_holds: Holds) -> None:
    """Every chapter of the PAS is treated by a section of the security policy."""
    register_holds("policy_coverage", "every_chapter_is_treated")


@pytest.mark.pas("6.4.2")
def test_procedure_exercises_are_held_6_4_2(register_holds: Holds) -> None:
    """The procedures that treat 6.4.2 were exercised as often as they ask for."""
    register_holds("procedure_exercises", "are_held_6_4_2")


@pytest.mark.pas("7.5.2")
def test_procedure_exercises_are_held_7_5_2(register_holds: Holds) -> None:
    """The procedures that treat 7.5.2 were exercised as often as they ask for."""
    register_holds("procedure_exercises", "are_held_7_5_2")


@pytest.mark.pas("10.1.1")
def test_procedure_exercises_are_held_10_1_1(register_holds: Holds) -> None:
    """The procedures that treat 10.1.1 were exercised as often as they ask for."""
    register_holds("procedure_exercises", "are_held_10_1_1")


@pytest.mark.pas("10.3.1")
def test_procedure_exercises_are_held_10_3_1(register_holds: Holds) -> None:
    """The procedures that treat 10.3.1 were exercised as often as they ask for."""
    register_holds("procedure_exercises", "are_held_10_3_1")


@pytest.mark.pas("11.1.1")
def test_procedure_exercises_are_held_11_1_1(register_holds: Holds) -> None:
    """The procedures that treat 11.1.1 were exercised as often as they ask for."""
    register_holds("procedure_exercises", "are_held_11_1_1")


@pytest.mark.pas("13.4.1")
def test_processings_own_processings_are_recorded(register_holds: Holds) -> None:
    """The processings for SIGECO's own account are recorded, with purpose, basis and retention."""
    register_holds("processings", "own_processings_are_recorded")


@pytest.mark.pas("12.1.2")
def test_processings_protection_is_justified(register_holds: Holds) -> None:
    """The measures that protect the clients' personal data are justified."""
    register_holds("processings", "protection_is_justified")


@pytest.mark.pas("12.1.2", "13.4.1")
def test_processings_is_reviewed(register_holds: Holds) -> None:
    """The records of processing were reviewed in the last twelve months."""
    register_holds("processings", "is_reviewed")


@pytest.mark.pas("2.3.1")
def test_projects_risks_come_first(register_holds: Holds) -> None:
    """The risks of every project were estimated before it began."""
    register_holds("projects", "risks_come_first")


@pytest.mark.pas("2.3.2")
def test_projects_clients_are_told_first(register_holds: Holds) -> None:
    """Clients were told in writing of every project that may affect security, before it began."""
    register_holds("projects", "clients_are_told_first")


@pytest.mark.pas("2.3.1", "2.3.2")
def test_projects_is_reviewed(register_holds: Holds) -> None:
    """The register of projects was reviewed in the last twelve months."""
    register_holds("projects", "is_reviewed")


@pytest.mark.pas("4.4.2")
def test_removable_media_have_one_use(register_holds: Holds) -> None:
    """No medium is used for anything but what it was first entered for."""
    register_holds("removable_media", "have_one_use")


@pytest.mark.pas("6.1.3")
def test_removable_media_that_leave_are_encrypted(register_holds: Holds) -> None:
    """Every medium that leaves the premises is encrypted."""
    register_holds("removable_media", "that_leave_are_encrypted")


@pytest.mark.pas("4.4.1", "4.4.2", "6.1.3")
def test_removable_media_is_reviewed(register_holds: Holds) -> None:
    """The media were counted in the last twelve months."""
    register_holds("removable_media", "is_reviewed")


@pytest.mark.pas("4.4.1")
def test_removable_media_are_of_somebody_present(register_holds: Holds) -> None:
    """Whoever keeps a medium is still there."""
    register_holds("removable_media", "are_of_somebody_present")


@pytest.mark.pas("1.3.2")
def test_risk_acceptances_every_risk_is_accepted(register_holds: Holds) -> None:
    """What remains of every risk was formally accepted."""
    register_holds("risk_acceptances", "every_risk_is_accepted")


@pytest.mark.pas("1.3.2")
def test_risk_acceptances_hold_still(register_holds: Holds) -> None:
    """No acceptance of a risk has ended."""
    register_holds("risk_acceptances", "hold_still")


@pytest.mark.pas("1.3.1")
def test_risks_every_host_is_assessed(register_holds: Holds) -> None:
    """Every host of the service is in the risk assessment."""
    register_holds("risks", "every_host_is_assessed")


@pytest.mark.pas("1.3.1")
def test_risks_is_reviewed(register_holds: Holds) -> None:
    """The risk assessment was reviewed in the last twelve months."""
    register_holds("risks", "is_reviewed")


@pytest.mark.pas("1.3.1")
def test_risks_are_of_somebody_present(register_holds: Holds) -> None:
    """Whoever answers for a risk is still there."""
    register_holds("risks", "are_of_somebody_present")


@pytest.mark.pas("2.1.1")
def test_roles_every_owner_is_named(register_holds: Holds) -> None:
    """Every role that owns a measure is held by somebody."""
    register_holds("roles", "every_owner_is_named")


@pytest.mark.pas("2.1.1")
def test_roles_is_reviewed(register_holds: Holds) -> None:
    """The organisation was reviewed in the last twelve months."""
    register_holds("roles", "is_reviewed")


@pytest.mark.pas("2.1.1")
def test_roles_are_of_somebody_present(register_holds: Holds) -> None:
    """Whoever holds a role, or deputises, is still there."""
    register_holds("roles", "are_of_somebody_present")


@pytest.mark.pas("3.1.1")
def test_screenings_everybody_was_verified(register_holds: Holds) -> None:
    """What every person says of themselves was verified."""
    register_holds("screenings", "everybody_was_verified")


@pytest.mark.pas("13.2.2")
def test_support_first_level_exists(register_holds: Holds) -> None:
    """There is a first-level support."""
    register_holds("support", "first_level_exists")


@pytest.mark.pas("13.2.2")
def test_support_first_level_speaks_french(register_holds: Holds) -> None:
    """The first-level support answers in French."""
    register_holds("support", "first_level_speaks_french")


@pytest.mark.pas("13.2.2")
def test_support_is_reviewed(register_holds: Holds) -> None:
    """The support was reviewed in the last twelve months."""
    register_holds("support", "is_reviewed")


@pytest.mark.pas("9.1.1")
def test_third_parties_every_supplier_is_listed(register_holds: Holds) -> None:
    """Every supplier of a host is in the list of third parties."""
    register_holds("third_parties", "every_supplier_is_listed")


@pytest.mark.pas("9.1.2")
def test_third_parties_are_announced(register_holds: Holds) -> None:
    """Clients were told of every third party with access to data before it took part."""
    register_holds("third_parties", "are_announced")


@pytest.mark.pas("13.1.2")
def test_third_parties_with_data_are_in_the_european_union(register_holds: Holds) -> None:
    """By what is declared, whoever has access to clients' data works from the European Union."""
    register_holds("third_parties", "with_data_are_in_the_european_union")


@pytest.mark.pas("9.1.1")
def test_third_parties_is_reviewed(register_holds: Holds) -> None:
    """The list of third parties was reviewed in the last twelve months."""
    register_holds("third_parties", "is_reviewed")


@pytest.mark.pas("3.3.1")
def test_trainings_everybody_is_trained(register_holds: Holds) -> None:
    """Every person was trained in the last twelve months."""
    register_holds("trainings", "everybody_is_trained")


@pytest.mark.pas("7.4.1")
def test_workstation_attestations_every_workstation_is_attested(register_holds: Holds) -> None:
    """Each person attested within a year that their workstation is protected from malware."""
    register_holds("workstation_attestations", "every_workstation_is_attested")


@pytest.mark.pas("13.1.3")
def test_workstation_attestations_are_in_france(register_holds: Holds) -> None:
    """By what each person attests, the workstations of administration are in France."""
    register_holds("workstation_attestations", "are_in_france")
