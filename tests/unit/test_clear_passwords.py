"""What lies in clear is found; what only speaks of secrets is not."""

import subprocess
from pathlib import Path

import pytest

from orchestrator.clear_passwords import clear_texts, environment_files, found_in, repository_files
from orchestrator.paths import project_root

# Put together here, so that this file does not hold what it looks for.
BEGIN = "-----BEGIN " + "OPENSSH PRIVATE KEY-----\n"
BODY = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
P = "pass" + "word"

PLANTED = {
    "a variable": ("vars.yml", f"smtp_{P}: changeme\n", f"`smtp_{P}` in clear"),
    "quoted": ("vars.yml", f'db_{P}: "S3cret, with comma"\n', f"`db_{P}` in clear"),
    "quoted whole": ("vars.yml", f'db_{P}: "S3cret,comma"\n', f"`db_{P}` in clear"),
    "with signs": ("vars.yml", f'db_{P}: "P@ss/w0rd!$x"\n', f"`db_{P}` in clear"),
    "with signs, plain": ("vars.yml", f"db_{P}: P@ss/w0rd!$x\n", f"`db_{P}` in clear"),
    "inline": ("vars.yml", f"user: {{name: x, {P}: hunter2}}\n", f"`{P}` in clear"),
    "folded": ("vars.yml", f"api_{'to' + 'ken'}: >-\n  0123abcd4567\n", "`api_token` in clear"),
    "in an ini": ("app.conf", f"{P} = azerty\n", f"`{P}` in clear"),
    "in json": ("app.json", f'{{"{P}": "azerty"}}\n', f"`{P}` in clear"),
    "in a dotenv": (".env.local", "API_" + "KEY=abcdef\n", "`API_KEY` in clear"),
    "in French": ("vars.yml", "mot_de" + "_passe: soleil\n", "`mot_de_passe` in clear"),
    "in a program": ("run.py", f'{P.upper()} = "Rk7-wTz2.qLm9"\n', "`PASSWORD` in clear"),
    "a private key": ("id_ed25519", BEGIN + BODY, "a private key"),
    "a key in a variable": ("vars.yml", f"key: |\n  {BEGIN}  {BODY}", "a private key"),
    "an access key": ("notes.md", "AKIA" + "ABCDEFGHIJKLMNOP\n", "a cloud access key"),
    "a forge's": ("notes.md", "ghp_" + "a1" * 18 + "\n", "a token of a forge"),
    "an age key": ("keys.txt", "AGE-SECRET-" + "KEY-1" + "Q" * 58 + "\n", "an age key"),
    "in an address": ("vars.yml", "url: https://bob:" + "azerty@host/\n", "in an address"),
}
HARMLESS = {
    "vaulted": ("vars.yml", f"{P}: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6261\n"),
    "a vaulted file": ("vars.yml", f"$ANSIBLE_VAULT;1.1;AES256\n{P}: 6162636465\n"),
    "a template": ("vars.yml", f"{P}: '{{{{ vault_{P} }}}}'\n"),
    "in a template": ("vars.yml", f"msg: \"{{{{ {{'{P}': canary}} }}}}\"\n"),
    "a variable of the shell": ("run.conf", f"{P}=$SECRET\n"),
    "a hash": ("shadow.yml", f"{P}: $y$j9T$abcdefgh$ijklmnop\n"),
    "a file": ("vars.yml", f"{P}_file: ~/.config/vault\n{P}: /run/secrets/db\n"),
    "a quoted variable": ("run.conf", f'{P}="${{DB_SECRET}}"\n'),
    "a call": ("run.cfg", f"{P}=read_secret(name)\n"),
    "a placeholder": ("vars.yml", f"{P}: '<to be set>'\n"),
    "a command": ("vars.yml", f"{P}_command: [secret-tool, lookup]\n"),
    "a policy": ("tasks.yml", f"update_{P}: on_create\n"),
    "a boolean": ("vars.yml", f"{P}: true\n"),
    "a comment": ("vars.yml", f"# {P}: changeme\n"),
    "prose": ("page.md", f"The {P}: it comes from a keyring.\n"),
    "a name in a program": ("run.py", f'{P} = "{P}_file"\ntoken = next(tokens)\n'),
    "sudoers": ("sudo.yml", "line: 'NOPASS" + "WD: ALLCOMMANDS'\n"),
    "a header alone": ("page.md", BEGIN + "is how it begins\n"),
    "a public key": ("vars.yml", "key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOsG4CU7ALRQ\n"),
    "explained": ("vars.yml", f"{P}: changeme  # no secret: the vendor's default, disabled\n"),
}


@pytest.mark.parametrize("case", PLANTED)
def test_what_is_planted_is_found(case: str) -> None:
    name, text, what = PLANTED[case]
    found = list(found_in(Path(name), text))
    assert [what in one.what for one in found] == [True]


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_harmless_is_not(case: str) -> None:
    name, text = HARMLESS[case]
    assert list(found_in(Path(name), text)) == []


def test_the_secret_itself_is_not_repeated() -> None:
    (found,) = found_in(Path("vars.yml"), f"a: 1\ndb_{P}: hunter2\n")
    assert (found.line, "hunter2" in found.what) == (2, False)


def test_this_repository_is_clear() -> None:
    files = repository_files(project_root())
    assert len(files) > 500
    assert list(clear_texts(files)) == []


def test_what_git_ignores_is_left_out_and_what_it_does_not_know_yet_is_not(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("ignored.yml\n")
    environment = tmp_path / "inventories/one"
    environment.mkdir(parents=True)
    for file in (tmp_path / "ignored.yml", tmp_path / "new.yml", environment / "vars.yml"):
        file.write_text(f"{P}: hunter2\n")
    found = {one.file.name for one in clear_texts(repository_files(environment))}
    assert found == {"new.yml", "vars.yml"}
    assert [one.name for one in environment_files(environment)] == ["vars.yml"]
    assert repository_files(Path("/")) == []


def test_binaries_and_links_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "image.yml").write_bytes(b"\0" + f"{P}: hunter2\n".encode())
    (tmp_path / "gone.yml").symlink_to(tmp_path / "nowhere")
    assert list(clear_texts(environment_files(tmp_path))) == []
