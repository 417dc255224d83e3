"""Checks of role pki: the certificates as they lie on the host, judged by OpenSSL."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import Answers
from declared import Declared

PLACE = "/etc/pas-infra/pki"
FILES = {"key.pem", "certificate.pem", "authority.pem", "revoked.pem"}

Certificates = list[Mapping[str, Any]]


@pytest.fixture(scope="module")
def certificates(declared: Declared) -> Certificates:
    """What the environment declares for this host; where that is nothing, nothing is proven."""
    found: Certificates = declared["pki_certificates"]
    if not found:
        pytest.skip("no certificate is declared for this host")
    return found


def at(certificate: Mapping[str, Any], file: str) -> str:
    return f"{PLACE}/{certificate['name']}/{file}"


@pytest.mark.pas("6.2.1")
def test_each_certificate_is_valid(answers: Answers, certificates: Certificates) -> None:
    """Its authority signed it, and the list of the revoked, which is in force, does not name it."""
    for each in certificates:
        authority, revoked, certificate = (
            at(each, file) for file in ("authority.pem", "revoked.pem", "certificate.pem")
        )
        said = answers(
            f"openssl verify -x509_strict -CAfile {authority} -no-CApath -no-CAstore"
            f" -crl_check -CRLfile {revoked} {certificate} 2>&1 || true"
        )
        assert said == f"{certificate}: OK\n", f"{each['name']}: {' '.join(said.split())}"


@pytest.mark.pas("6.2.1")
def test_each_certificate_proves_what_was_declared(
    answers: Answers, certificates: Certificates, declared: Declared
) -> None:
    """It names this host and its declared names, and is good for its usage alone."""
    for each in certificates:
        asked = "-subject -nameopt sep_multiline -ext subjectAltName,extendedKeyUsage"
        said = answers(f"openssl x509 -noout {asked} -in {at(each, 'certificate.pem')}")
        assert f"CN={declared.host}\n" in said, f"{each['name']}: {said}"
        names = set(re.findall(r"(?:DNS|IP Address):([^,\s]+)", said))
        assert names == set(each.get("names") or [declared.host]), f"{each['name']}: {names}"
        for_ipsec = "IPSec" in said or "IKE" in said or "1.3.6.1.5.5.7.3.17" in said
        assert for_ipsec == (each["usage"] == "ipsec"), f"{each['name']} is good for {said}"


@pytest.mark.pas("6.2.1")
def test_lists_of_the_revoked_are_young_and_whole(
    answers: Answers, certificates: Certificates, declared: Declared
) -> None:
    """A list that ends refuses everybody: it is noticed a week before, and names whom it must."""
    soon = datetime.now(UTC) + timedelta(days=7)
    for each in certificates:
        said = answers(
            f"openssl crl -noout -nextupdate -dateopt iso_8601 -text -in {at(each, 'revoked.pem')}"
        )
        end = datetime.fromisoformat(re.findall(r"nextUpdate=(.+)", said)[0].strip())
        assert end > soon, f"{each['name']}: its list ends on {end:%Y-%m-%d}"
        listed = {int(serial, 16) for serial in re.findall(r"Serial Number: ([0-9A-F]+)", said)}
        missing = [s for s in declared["pki_revoked"] if int(s, 16) not in listed]
        assert not missing, f"{each['name']}: not revoked, {', '.join(missing)}"


@pytest.mark.pas("6.2.1")
def test_each_trusts_one_authority(answers: Answers, certificates: Certificates) -> None:
    """Whoever relies on it lets in whom its own authority signed; its file holds it alone."""
    for each in certificates:
        for file, what in (("authority.pem", "trusts"), ("certificate.pem", "shows")):
            count = answers(f"grep -c -- '-----BEGIN' {at(each, file)} || true").strip()
            assert count == "1", f"{each['name']} {what} {count} things"


@pytest.mark.pas("6.2.1")
def test_each_certificate_is_renewed_in_time(
    answers: Answers, certificates: Certificates, declared: Declared
) -> None:
    """It does not end soon: a host that was forgotten is noticed while there is time."""
    soon = datetime.now(UTC) + timedelta(days=declared["pki_renew_days"] / 2)
    for each in certificates:
        said = answers(
            f"openssl x509 -noout -enddate -dateopt iso_8601 -in {at(each, 'certificate.pem')}"
        )
        end = datetime.fromisoformat(said.strip().partition("=")[2])
        assert end > soon, f"{each['name']} ends on {end:%Y-%m-%d}"


@pytest.mark.pas("6.2.1", "6.4.1")
def test_each_key_is_its_owners_alone(answers: Answers, certificates: Certificates) -> None:
    """The key is the certificate's, strong, and readable by whom the declaration names."""
    for each in certificates:
        key, group = at(each, "key.pem"), each.get("group") or "root"
        seen = answers(f"stat --format='%U %G %a' {key}").strip()
        assert seen == f"root {group} {'600' if group == 'root' else '640'}", f"{key}: {seen}"
        proven = answers(f"openssl x509 -noout -pubkey -in {at(each, 'certificate.pem')}")
        assert answers(f"openssl pkey -pubout -in {key}") == proven, f"{key}: another key"
        curve = answers(f"openssl pkey -noout -text -in {key}")
        assert "NIST CURVE: P-256" in curve, f"{key}: not of the curve P-256"


@pytest.mark.pas("6.4.1")
def test_nothing_else_lies_there(answers: Answers, certificates: Certificates) -> None:
    """No key of an authority, no certificate that nobody declared any more."""
    declared = {at(each, file) for each in certificates for file in FILES}
    found = set(answers(f"find {PLACE} ! -type d 2> /dev/null || true").split("\n")) - {""}
    assert found == declared, f"there: {', '.join(sorted(found ^ declared))}"
