"""JUnit XML of a verification, for the continuous integration systems that read it."""

import re
from xml.etree import ElementTree

from orchestrator.records import CheckResult, Verdict
from orchestrator.verify import Verification

# What a host prints may hold control characters, which no XML document may.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(verification: Verification) -> str:
    """One test suite a host, one test case a check; unmeasured and waived ones are skipped.

    A host that could not be asked is a suite with an error: silence is never a pass.
    """
    root = ElementTree.Element("testsuites")
    hosts = dict.fromkeys([*(check.host for check in verification.checks), *verification.missing])
    for host in hosts:
        checks = [check for check in verification.checks if check.host == host]
        suite = ElementTree.SubElement(root, "testsuite", name=host)
        for check in checks:
            _add_case(suite, check)
        if host in verification.missing:
            case = ElementTree.SubElement(suite, "testcase", classname=host, name="reachable")
            ElementTree.SubElement(case, "error", message=_clean(verification.missing[host]))
        _count(suite)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document.decode() + "\n"


def _add_case(suite: ElementTree.Element, check: CheckResult) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"{check.host}.{check.check.partition('::')[0].removesuffix('.py')}",
        name=f"{check.title} ({', '.join(check.measures)})",
        time=f"{check.duration:.3f}",
    )
    if check.verdict is Verdict.FAILS:
        ElementTree.SubElement(case, "failure", message=_clean(check.message))
    elif check.verdict is not Verdict.HOLDS:
        message = _clean(f"{check.verdict}: {check.message}")
        ElementTree.SubElement(case, "skipped", message=message)


def _count(suite: ElementTree.Element) -> None:
    suite.set("tests", str(len(suite)))
    for outcome in ("failure", "error", "skipped"):
        count = str(len(suite.findall(f"testcase/{outcome}")))
        suite.set("skipped" if outcome == "skipped" else f"{outcome}s", count)


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
