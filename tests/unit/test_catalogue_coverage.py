"""What stands behind a measure, read from tags of tasks and marks of checks."""

from pathlib import Path
from textwrap import dedent

import pytest

from orchestrator.catalogue import (
    check_measures,
    coverage_problems,
    load_catalogue,
    role_measures,
)
from orchestrator.errors import ConfigurationInvalid, PasInfraError

CATALOGUE = load_catalogue()


def plant(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), "utf-8")
    return directory


def tasks(directory: Path, files: dict[str, str]) -> dict[str, list[str]]:
    """Measure: `role/file:line task` of each reference."""
    plant(directory, files)
    return {
        number: [f"{ref.file.relative_to(directory)}:{ref.line} {ref.task}" for ref in references]
        for number, references in role_measures(directory).items()
    }


def checks(directory: Path, text: str) -> dict[str, list[str]]:
    plant(directory, {"test_ssh.py": text})
    return {
        number: [f"{ref.check}:{ref.line}" for ref in references]
        for number, references in check_measures(directory).items()
    }


@pytest.mark.parametrize(
    "tags", ["pas_6_2_1", "[ssh, pas_6_2_1]", "ssh, pas_6_2_1", "\n    - ssh\n    - pas_6_2_1"]
)
def test_the_ways_to_write_tags(tmp_path: Path, tags: str) -> None:
    text = f"- name: Harden\n  ansible.builtin.debug:\n  tags: {tags}\n"
    assert tasks(tmp_path, {"ssh/tasks/main.yml": text}) == {
        "6.2.1": ["ssh/tasks/main.yml:1 Harden"]
    }


def test_tasks_and_handlers_of_every_file_of_every_role(tmp_path: Path) -> None:
    task = "- name: Do\n  tags: pas_6_2_1\n"
    files = dict.fromkeys(
        (
            "ssh/tasks/main.yml",
            "ssh/tasks/deep/er.yaml",
            "ssh/handlers/main.yml",
            "ssh/defaults/main.yml",
            "time/tasks/main.yml",
        ),
        task,
    )
    references = role_measures(plant(tmp_path, files))["6.2.1"]
    assert [(ref.role, str(ref.file.relative_to(tmp_path / ref.role))) for ref in references] == [
        ("ssh", "handlers/main.yml"),
        ("ssh", "tasks/deep/er.yaml"),
        ("ssh", "tasks/main.yml"),
        ("time", "tasks/main.yml"),
    ]


def test_blocks_hand_their_tags_down(tmp_path: Path) -> None:
    text = """\
        - name: Outer
          tags: [pas_6_2_1]
          block:
            - name: First
            - name: Inner
              tags: [pas_5_5_2]
              block:
                - name: Second
              rescue:
                - name: Third
          always:
            - name: Fourth
        - name: Outside
          tags: [pas_5_5_2]
        """
    found = tasks(tmp_path, {"ssh/tasks/main.yml": text})
    assert [place.split()[1] for place in found["6.2.1"]] == ["First", "Second", "Third", "Fourth"]
    assert [place.split()[1] for place in found["5.5.2"]] == ["Second", "Third", "Outside"]


def test_an_import_hands_its_tags_down_and_is_no_work_itself(tmp_path: Path) -> None:
    files = {
        "ssh/tasks/main.yml": """\
            - name: Import
              ansible.builtin.import_tasks: server.yml
              tags: [pas_6_2_1]
            """,
        "ssh/tasks/server.yml": "- name: Server\n- import_tasks: deep/all.yml\n",
        "ssh/tasks/deep/all.yml": "- import_tasks: keys.yml\n",
        "ssh/tasks/deep/keys.yml": "- name: Keys\n  tags: [pas_6_4_1]\n",
        "ssh/tasks/alone.yml": "- name: Alone\n",
    }
    assert tasks(tmp_path, files) == {
        "6.2.1": ["ssh/tasks/deep/keys.yml:1 Keys", "ssh/tasks/server.yml:1 Server"],
        "6.4.1": ["ssh/tasks/deep/keys.yml:1 Keys"],
    }


def test_an_include_hands_down_only_what_it_applies(tmp_path: Path) -> None:
    files = {
        "ssh/tasks/main.yml": """\
            - name: Include
              ansible.builtin.include_tasks:
                file: server.yml
                apply:
                  tags: [pas_6_2_1]
              tags: [pas_5_5_2]
            """,
        "ssh/tasks/server.yml": "- name: Server\n",
    }
    assert tasks(tmp_path, files) == {"6.2.1": ["ssh/tasks/server.yml:1 Server"]}


def test_files_that_import_each_other_end(tmp_path: Path) -> None:
    files = {
        "a/tasks/main.yml": "- import_tasks: other.yml\n  tags: pas_6_2_1\n",
        "a/tasks/other.yml": "- import_tasks: main.yml\n- name: Work\n",
    }
    assert tasks(tmp_path, files) == {"6.2.1": ["a/tasks/other.yml:2 Work"]}


def test_unnamed_tasks_vaulted_values_and_empty_files(tmp_path: Path) -> None:
    files = {
        "a/tasks/main.yml": "- ansible.builtin.command: !unsafe x\n  tags: [pas_6_2_1]\n",
        "a/tasks/secret.yml": "- name: Keep\n  vars: {key: !vault x}\n  tags: [pas_6_4_2]\n",
        "a/handlers/main.yml": "---\n",
    }
    assert tasks(tmp_path, files) == {
        "6.2.1": ["a/tasks/main.yml:1 ansible.builtin.command"],
        "6.4.2": ["a/tasks/secret.yml:1 Keep"],
    }


def test_without_roles_and_checks_nothing_is_covered(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert role_measures(missing) == {}
    assert check_measures(missing) == {}
    assert coverage_problems(missing, missing, CATALOGUE) == []


def test_a_role_that_is_not_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid) as error:
        tasks(tmp_path, {"ssh/tasks/main.yml": "- name: Fine\n- name: [\n"})
    assert error.value.problems[0].file == tmp_path / "ssh/tasks/main.yml"
    assert error.value.problems[0].line is not None


def test_marks_of_functions_classes_and_modules(tmp_path: Path) -> None:
    text = """\
        import pytest

        pytestmark = [pytest.mark.pas("1.1.1"), pytest.mark.slow]

        @pytest.mark.pas("6.2.1", "5.5.2")
        @pytest.mark.needs_full_kernel
        def test_ciphers(host): ...

        @pytest.mark.pas("6.4.1")
        class TestKeys:
            pytestmark = pytest.mark.pas("6.4.2")

            def test_size(self, host): ...

            def helper(self): ...

        @pytest.mark.pas("6.4.1")
        class Fixture:
            def test_nothing(self): ...

        @pytest.mark.parametrize("key", [pytest.param(1, marks=pytest.mark.pas("6.3.1"))])
        async def test_each(key): ...

        @pytest.mark.pas("6.2.1")
        def helper(): ...
        """
    everything = [
        "test_ssh.py::test_ciphers:7",
        "test_ssh.py::TestKeys::test_size:13",
        "test_ssh.py::test_each:22",
    ]
    assert checks(tmp_path, text) == {
        "1.1.1": everything,
        "5.5.2": everything[:1],
        "6.2.1": everything[:1],
        "6.4.1": everything[1:2],
        "6.4.2": everything[1:2],
        "6.3.1": everything[2:],
    }


def test_a_checks_title_is_its_first_line_of_docstring(tmp_path: Path) -> None:
    text = '''\
        import pytest

        @pytest.mark.pas("6.2.1")
        def test_told(host):
            """Root cannot log in.

            More.
            """

        @pytest.mark.pas("6.2.1")
        def test_untold(host): ...
        '''
    plant(tmp_path, {"deep/test_ssh.py": text})
    told, untold = check_measures(tmp_path)["6.2.1"]
    assert (told.check, told.title) == ("deep/test_ssh.py::test_told", "Root cannot log in.")
    assert untold.title == "test_untold"


def test_a_check_that_is_not_python(tmp_path: Path) -> None:
    with pytest.raises(PasInfraError, match="not valid Python") as error:
        checks(tmp_path, "x = 1\ndef test_(:\n")
    assert error.value.where == f"{tmp_path / 'test_ssh.py'}:2"


@pytest.mark.parametrize("tag", ["pas_6_2_99", "pas_6_2", "pas_ssh"])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- name: A\n  tags:\n    - ssh\n    - {}\n", 4),
        ("- name: A\n  block:\n    - name: B\n      tags: {}\n", 4),
        ("- include_tasks: {{file: x.yml, apply: {{tags: [{}]}}}}\n", 1),
        ("- include_tasks: x.yml\n  tags: {}\n", 2),
    ],
)
def test_a_tag_that_names_no_measure(tmp_path: Path, text: str, line: int, tag: str) -> None:
    plant(tmp_path, {"ssh/tasks/main.yml": text.format(tag)})
    [problem] = coverage_problems(tmp_path, tmp_path / "none", CATALOGUE)
    assert problem.where == f"{tmp_path / 'ssh/tasks/main.yml'}:{line}"
    assert tag in problem.what


@pytest.mark.parametrize(
    ("mark", "named"),
    [
        ('pytest.mark.pas("6.2.99")', "6.2.99"),
        ("pytest.mark.pas(6.2)", "6.2"),
        ("mark.pas(*MEASURES)", "*MEASURES"),
        ('pytest.mark.pas("6.2.1", "pas_6_2_1")', "pas_6_2_1"),
    ],
)
def test_a_mark_that_names_no_measure(tmp_path: Path, mark: str, named: str) -> None:
    plant(tmp_path, {"test_ssh.py": f"import pytest\n\n@{mark}\ndef test_x(host): ...\n"})
    [problem] = coverage_problems(tmp_path / "none", tmp_path, CATALOGUE)
    assert problem.where == f"{tmp_path / 'test_ssh.py'}:3"
    assert f"pas({named})" in problem.what


def test_known_tags_and_marks_are_no_problem(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "roles/ssh/tasks/main.yml": "- name: A\n  tags: [ssh, pas_6_2_1, always]\n",
            "checks/test_ssh.py": '@pytest.mark.pas("6.2.1")\ndef test_x(host): ...\n',
        },
    )
    assert coverage_problems(tmp_path / "roles", tmp_path / "checks", CATALOGUE) == []
