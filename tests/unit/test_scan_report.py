"""docs/scores.md is made of what the scanners print: nothing is left out, nothing made up."""

from datetime import date

import pytest
from content import Correction, corrected
from report import UNEXPLAINED, Scan, report
from scanners import read_lynis, read_oscap, read_ssh_audit

RESULTS = """<Benchmark xmlns="http://checklists.nist.gov/xccdf/1.2">
<Rule id="xccdf_org.ssgproject.content_rule_partition_for_var"><title>/var apart</title></Rule>
<Rule id="xccdf_org.ssgproject.content_rule_new_one"><title>Something new</title></Rule>
<TestResult>
<rule-result idref="xccdf_org.ssgproject.content_rule_partition_for_var">
<result>{}</result></rule-result>
<rule-result idref="xccdf_org.ssgproject.content_rule_new_one">
<result>{}</result></rule-result>
<rule-result idref="xccdf_org.ssgproject.content_rule_other">
<result>notapplicable</result></rule-result>
<score system="urn:xccdf:scoring:default" maximum="100.000000">{}</score>
</TestResult></Benchmark>"""
LYNIS = (
    "hardening_index=81\nsuggestion[]=BOOT-5122|Set a password on GRUB|-|-|\nwarning[]=X-1|Bad|-|\n"
)
SSH = (
    '{"kex": [{"algorithm": "a", "notes": {"fail": ["broken"]}}, {"algorithm": "b"}],'
    ' "key": [], "enc": [{"algorithm": "c", "notes": {"warn": ["weak"]}}], "mac": []}'
)


def scan(partition: str, new: str, score: str) -> Scan:
    evaluated = read_oscap(RESULTS.format(partition, new, score))
    return Scan({"anssi_bp28_high": evaluated}, evaluated, read_lynis(LYNIS), read_ssh_audit(SSH))


def test_every_failing_rule_stands_there_with_its_reason_or_without() -> None:
    reasons = {"anssi": [{"rule": "partition_for_*", "reason": "the layout"}], "lynis": []}
    text = report(
        scan("fail", "fail", "39.5"), scan("fail", "fail", "90.1"), date(2026, 11, 24), reasons
    )
    assert "| anssi_bp28_high | 39.5 | **90.1** (0 pass, 2 fail) | 90 |" in text
    assert "| `partition_for_var` | /var apart | the layout |" in text
    assert f"| `new_one` | Something new | {UNEXPLAINED} |" in text
    assert f"| `BOOT-5122` | Set a password on GRUB | {UNEXPLAINED} |" in text
    assert "| `X-1` | Bad |" in text
    assert "| ssh-audit: offered / failing / weak | 3 / 1 / 1 | **3 / 1 / 1** | |" in text


def test_a_correction_that_has_nothing_to_correct_is_told() -> None:
    one, other = Correction("a", "", "12", "13"), Correction("the file", "", "/etc/x", "/etc/y")
    assert corrected("12 12 /etc/x", (one, other)) == "13 13 /etc/y"
    with pytest.raises(ValueError, match="the content has changed: the file is not in it"):
        corrected("12", (one, other))


def test_a_scan_that_looked_at_nothing_is_no_score() -> None:
    with pytest.raises(ValueError, match="takes the host for another"):
        read_oscap(RESULTS.format("notapplicable", "notselected", "100"))
