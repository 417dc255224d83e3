"""The report's page: what an edition shows, how it is read, and its words."""

import json
import re
from collections import Counter
from dataclasses import asdict, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from inventory_of import host as of_metal
from report_store import NOW, SECRETS, Desk, desk_of, everywhere

from orchestrator import oscal
from orchestrator.catalogue import load_catalogue
from orchestrator.environment import Waiver
from orchestrator.paths import project_root
from orchestrator.records import MeasureState, Verdict
from orchestrator.report import LANGUAGES, Edition, page
from orchestrator.report.colours import STATE_OF_VERDICT, STATES
from orchestrator.report.past import OPERATIONS
from orchestrator.report.sections import SECTIONS, content_of
from orchestrator.report.standing import Silence
from orchestrator.report.wording import french_blanks, wording
from orchestrator.store import Store

TEXTS = Path(page.__file__).with_name("texts")
EVERY = [(edition, language) for edition in Edition for language in LANGUAGES]
FAILED = (Verdict.FAILS, f"{SECRETS[0]} says in {SECRETS[1]}: yes")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A store with something of everything: kept, failing, waived, silent, a gap."""
    desk = desk_of(tmp_path, monkeypatch)
    desk.run(everywhere(), days=3)
    desk.run({("rbx7", "root"): Verdict.HOLDS}, days=2)
    desk.run({}, days=1, command="drift")
    with Store.open(desk.environment.store_directory, "lab") as store:
        run = store.begin("inventory", who="x", control_node="y", pid=1, commit="", options={},
                          now=NOW)  # fmt: skip
        (digest,) = store.inventories.keep([asdict(of_metal())])
        store.drift.set_inputs(run, {"inventory of rbx7": digest})
    desk.run(
        everywhere(
            rbx7=FAILED, sysfab=Verdict.WAIVED, bastion=(Verdict.UNMEASURED, "needs a full kernel")
        )
    )
    return desk


def page_of(desk: Desk, edition: Edition, language: str) -> str:
    material = desk.gather(edition, language)
    roles = {"ssh": "../roles/ssh/README.md"} if material.internal else {}
    return page.html(material, content_of(material), wording(language), roles)


class Reader(HTMLParser):
    """What a reader of the page meets: elements with their attributes, and the visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self._hidden = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._hidden = tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text.append(data)

    def all(self, *tags: str) -> list[tuple[str, dict[str, str]]]:
        return [element for element in self.elements if element[0] in tags]


def never_shown(desk: Desk) -> set[str]:
    """Everything of the environment and its runs that is not for a client."""
    environment = desk.environment
    assert environment.people
    found = {*SECRETS, "test_ssh.py", "Root cannot log in", "Only strong ciphers", "Harden sshd"}
    for host in environment.hosts:
        found |= {host.name, host.address, *host.addresses}
    # What the inventory has found on it.
    found |= {"S64", "S-1", "ASRockRack", "02:00:00:00:00:01", "/usr/local/bin/rogue", "trixie"}
    found |= {machine.account for machine in environment.people.machines}
    for person in environment.people.persons:
        found |= {person.account, person.name}
    found |= set(environment.control_node.addresses)
    for client in environment.clients:
        found |= {client.name, client.title}
    for waiver in environment.waivers:
        found |= {waiver.rule, waiver.reason, waiver.compensating_measure}
    return found


def shows(text: str, secret: str) -> bool:
    return bool(re.search(rf"(?<![\w.:-]){re.escape(secret)}(?![\w:-])", text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_sees_nothing_of_the_inside(desk: Desk, language: str) -> None:
    waiver = Waiver("test_ssh.py::test_root", "because mallory", "a guard of 198.18.0.11", "bob",
                    desk.environment.waivers[0].until, None)  # fmt: skip
    desk.environment = replace(desk.environment, waivers=(*desk.environment.waivers, waiver))
    secret = never_shown(desk)
    assert len(secret) > 40
    material = desk.gather(Edition.CLIENT, language)
    data = json.dumps(content_of(material), ensure_ascii=False, default=str)
    text = page_of(desk, Edition.CLIENT, language)
    assert [one for one in secret if shows(data, one) or shows(text, one)] == []
    assert "waived" in data  # so it is not for want of one


def test_the_internal_edition_hides_none_of_it(desk: Desk) -> None:
    text = " ".join(Reader(page_of(desk, Edition.INTERNAL, "fr")).text)
    for shown in (*SECRETS, "rbx7", "Root cannot log in.", "198.18.0.13", "test_ssh.py::test_root",
                  "S64", "ASRockRack E3C246D4U", "1 paquet de Debian (Debian-Security)",
                  "aucune archive", "/usr/local/bin/rogue", "512 Go",
                  "aucun inventaire"):  # fmt: skip
        assert shown in text
    assert 'href="../roles/ssh/README.md"' in page_of(desk, Edition.INTERNAL, "fr")


@pytest.mark.parametrize(("edition", "language"), EVERY)
def test_every_measure_is_answered(desk: Desk, edition: Edition, language: str) -> None:
    read = Reader(page_of(desk, edition, language))
    articles = [attributes["id"] for _, attributes in read.all("article")]
    assert articles == [f"measure-{measure.number}" for measure in load_catalogue()]
    text = re.sub(r"\s+", " ", " ".join(read.text))
    for sentence in ("Les échanges sur le réseau sont chiffrés", "La direction de la Société"):
        assert sentence in text


@pytest.mark.parametrize(("edition", "language"), EVERY)
def test_the_page_can_be_read_by_everybody(desk: Desk, edition: Edition, language: str) -> None:
    text = page_of(desk, edition, language)
    read = Reader(text)
    ids = Counter(attributes["id"] for _, attributes in read.elements if "id" in attributes)
    assert {name for name, count in ids.items() if count > 1} == set()
    [(_, html)] = read.all("html")
    assert html["lang"] == language
    levels = [int(tag[1]) for tag, _ in read.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(read.all("caption")) == len(read.all("table"))
    assert all(attributes.get("scope") in {"col", "row"} for _, attributes in read.all("th"))
    for _, svg in read.all("svg"):
        assert svg["role"] == "img"
        assert svg.get("aria-label") or svg["aria-labelledby"] in ids
    anchors = [attributes["href"] for _, attributes in read.all("a")]
    assert anchors[0] == "#content"  # past the navigation, first of all
    assert {one for one in anchors if one.startswith("#") and one[1:] not in ids} == set()
    for _, attributes in read.elements:
        for name in ("aria-labelledby",):
            assert name not in attributes or attributes[name] in ids
    assert read.all("main", "nav", "header")


@pytest.mark.parametrize(("edition", "language"), EVERY)
def test_the_page_needs_nothing_beside_it(desk: Desk, edition: Edition, language: str) -> None:
    read = Reader(text := page_of(desk, edition, language))
    assert read.all("script", "link", "img", "iframe") == []
    assert "://" not in text
    assert "@import" not in text
    assert "url(" not in text


def test_what_hosts_say_stays_text(desk: Desk) -> None:
    desk.run(everywhere((Verdict.FAILS, "<script>alert(1)</script> & <b>")))
    text = page_of(desk, Edition.INTERNAL, "fr")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;" in text


@pytest.mark.parametrize("edition", Edition)
def test_french_is_typeset_as_french(desk: Desk, edition: Edition) -> None:
    text = "".join(Reader(page_of(desk, edition, "fr")).text)
    assert re.findall(r"\S+ [:;?!»%](?=\s)|« \S+", text) == []
    assert "26\u00a0novembre\u00a02026" in text


@pytest.mark.parametrize(
    ("plain", "set_"),
    [
        ("Vrai : oui ; non ? Si !", "Vrai\u00a0: oui\u202f; non\u202f? Si\u202f!"),
        ("« ainsi »", "«\u00a0ainsi\u00a0»"),
        ("12 % en n° 4", "12\u00a0% en n°\u00a04"),
        ("à 06:25, test.py::a", "à 06:25, test.py::a"),
    ],
)
def test_french_blanks(plain: str, set_: str) -> None:
    assert french_blanks(plain) == set_
    assert french_blanks(set_) == set_


def test_days_and_counts_in_words() -> None:
    french, english = wording("fr"), wording("en")
    assert french.day("2026-10-31T23:30:00Z") == "1er\u00a0novembre\u00a02026"  # in Paris
    assert english.moment("2026-07-01T22:05:00Z") == "2\u00a0July\u00a02026 at 00:05"
    for count, said in ((0, "0 contrôle sur 5"), (1, "1 contrôle sur 5"), (2, "2 contrôles sur 5")):
        text = french.text("measures.of_checks", n=count, counted=5)
        assert text.startswith(said)
    assert english.text("measures.fails", n=0) == "0 fail"
    assert english.text("measures.fails", n=1) == "1 fails"


def keys(texts: object, at: str = "") -> set[str]:
    if not isinstance(texts, dict):
        return {at}
    return {at}.union(*(keys(value, f"{at}.{key}") for key, value in texts.items()))


def test_every_language_has_every_text() -> None:
    read = {one: yaml.safe_load((TEXTS / f"{one}.yml").read_text("utf-8")) for one in LANGUAGES}
    assert LANGUAGES[0] == "fr"
    for texts in read.values():
        assert keys(texts) == keys(read["fr"])
        for part, names in {
            "states": MeasureState, "states_many": MeasureState, "meaning": MeasureState,
            "verdicts": Verdict, "silences": Silence,
        }.items():  # fmt: skip
            assert set(texts[part]) == {str(name) for name in names}
        assert set(texts["operations"]["commands"]) == set(OPERATIONS)
        assert all(texts[section.name]["title"] for section in SECTIONS)


def forms(texts: object, at: str = "") -> set[str]:
    """The names of the texts, those of one that counts taken together."""
    if not isinstance(texts, dict) or {"one", "other"} <= set(texts):
        return {at}
    return set().union(*(forms(value, f"{at}.{key}".strip(".")) for key, value in texts.items()))


def test_no_text_is_left_over() -> None:
    """A text is named as it is, or by the group that it belongs to."""
    readers = TEXTS.parent, Path(oscal.__file__).parent
    files = [file for one in readers for file in one.rglob("*") if file.suffix in {".py", ".j2"}]
    source = "".join(file.read_text("utf-8") for file in files)
    texts = yaml.safe_load((TEXTS / "fr.yml").read_text("utf-8"))
    left = {
        name
        for name in forms(texts)
        if f'"{name}"' not in source
        and f'"{name.rpartition(".")[0]}." ~' not in source
        and not name.startswith(("dates.", "roles.", "evidence.commands."))
        and not name.endswith(".title")
    }
    assert left == set()


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_told_from_their_ground() -> None:
    """4.5 and more, the aim of WCAG 2.2 AA (1.4.3) for text."""
    assert set(STATES) == set(MeasureState)
    assert set(STATE_OF_VERDICT) == set(Verdict)
    assert len({shade.symbol for shade in STATES.values()}) == len(STATES)
    for shade in STATES.values():
        assert contrast(shade.ink, shade.paper) >= 4.5
        assert contrast(shade.ink, "#ffffff") >= 4.5
    style = (TEXTS.parent / "templates/style.css.j2").read_text("utf-8")
    for colour in re.findall(r"(?:--ink|--quiet|--accent|[^-]color): (#[0-9a-f]{6})", style):
        assert contrast(colour, "#ffffff") >= 4.5


def test_a_measure_of_other_clauses_says_which(desk: Desk, tmp_path: Path) -> None:
    document = tmp_path / "pas.md"
    text = (desk.environment.directory / "pas.md").read_text("utf-8")
    document.write_text(re.sub(r"(?m)^- \*\*8\.1\.1\*\*.*\n", "", text), "utf-8")
    (tmp_path / "pas.map.yml").write_text("not_promised: {8.1.1: hors du contrat}\n", "utf-8")
    desk.environment = replace(desk.environment, pas_document=document)
    assert "hors du contrat" in page_of(desk, Edition.CLIENT, "fr")
    desk.environment = replace(desk.environment, pas_document=None)
    assert load_catalogue()["8.1.1"].summary.split()[-1] in page_of(desk, Edition.CLIENT, "fr")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_role_has_a_name_for_its_reader(language: str) -> None:
    texts = yaml.safe_load((TEXTS / f"{language}.yml").read_text("utf-8"))
    there = {path.parent.name for path in (project_root() / "roles").glob("*/README.md")}
    assert set(texts["roles"]) == there
