"""Checks of role ssh: what sshd really does, for the accounts that exist, not what a file says."""

from collections.abc import Mapping

import pytest
from conftest import LAG, Answers
from declared import Declared

Settings = Mapping[str, list[str]]

# ANSSI FT-116 and PG-083 v3: hybrids with a post-quantum half.
HYBRIDS = {"mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com"}
CIPHERS = {"aes256-gcm@openssh.com", "aes256-ctr"}
MACS = {"hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com"}
SIGNATURES = {"ssh-ed25519", "sk-ssh-ed25519@openssh.com", "rsa-sha2-512", "rsa-sha2-256"}


def parse(text: str) -> Settings:
    """`sshd -T` and `ssh -G`: a keyword and its value a line, some keywords several times."""
    settings: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        settings.setdefault(keyword.lower(), []).append(value)
    return settings


def listed(settings: Settings, keyword: str) -> set[str]:
    return {name for value in settings[keyword] for name in value.split(",") if name}


def plain(algorithms: set[str]) -> set[str]:
    """Without the certificate variants, which sign as the plain ones do."""
    return {name.replace("-cert-v01@openssh.com", "") for name in algorithms} - {
        "sk-ssh-ed25519"
    } | (
        {"sk-ssh-ed25519@openssh.com"} if any("sk-ssh-ed25519" in n for n in algorithms) else set()
    )


@pytest.fixture(scope="module")
def sshd(answers: Answers, client_address: str, login_accounts: list[str]) -> dict[str, Settings]:
    """The effective settings for each account that can log in, from where we connect."""
    name = answers("hostname").strip()
    return {
        account: parse(
            answers(f"/usr/sbin/sshd -T -C user={account},host={name},addr={client_address}")
        )
        for account in login_accounts
    }


@pytest.fixture(scope="module")
def groups(answers: Answers, login_accounts: list[str]) -> dict[str, set[str]]:
    """The groups of each account that can log in."""
    script = f"for u in {' '.join(login_accounts)}; do echo $u $(id -Gn $u); done"
    return {name: set(rest) for name, *rest in map(str.split, answers(script).splitlines())}


@pytest.fixture(scope="module")
def listener(answers: Answers) -> str:
    """The process that systemd started as ssh.service."""
    return answers("systemctl show -P MainPID ssh.service").strip()


@pytest.fixture(scope="module")
def server(sshd: dict[str, Settings]) -> Settings:
    """The settings that no `Match` block can change: root's stand for all."""
    return sshd["root"]


@pytest.fixture(scope="module")
def host_keys(server: Settings, answers: Answers) -> list[str]:
    """The host keys in use; sshd goes on without one that is missing."""
    paths = " ".join(server["hostkey"])
    return answers(f"ls -d {paths} 2>/dev/null || true").split()


@pytest.fixture(scope="module")
def client(answers: Answers) -> Settings:
    """The effective settings of the client, for a host that has no settings of its own."""
    return parse(answers("ssh -G host.invalid"))


@pytest.mark.pas("6.2.1")
def test_key_exchange_is_post_quantum(server: Settings) -> None:
    """Keys are agreed by post-quantum hybrids only, ML-KEM first."""
    offered = server["kexalgorithms"][0].split(",")
    assert set(offered) <= HYBRIDS, f"also offered: {sorted(set(offered) - HYBRIDS)}"
    assert offered[0] == "mlkem768x25519-sha256", f"preferred is {offered[0]}"


@pytest.mark.pas("6.2.1")
def test_ciphers_are_aes_256(server: Settings) -> None:
    """Sessions are encrypted with AES-256 only."""
    more = listed(server, "ciphers") - CIPHERS
    assert not more, f"also offered: {sorted(more)}"


@pytest.mark.pas("6.2.1")
def test_macs_are_encrypt_then_mac(server: Settings) -> None:
    """Messages are authenticated by HMAC-SHA-2 over the ciphertext only."""
    more = listed(server, "macs") - MACS
    assert not more, f"also offered: {sorted(more)}"


@pytest.mark.pas("6.2.1")
def test_server_proves_itself_with_strong_keys(server: Settings) -> None:
    """The server signs with Ed25519 or RSA and SHA-2 only: no ECDSA, no SHA-1."""
    more = plain(listed(server, "hostkeyalgorithms")) - SIGNATURES
    assert not more, f"also offered: {sorted(more)}"


@pytest.mark.pas("6.2.1", "6.4.1")
def test_host_keys_are_long_enough(host_keys: list[str], answers: Answers) -> None:
    """Every host key in use is Ed25519, or RSA of 3072 bits or more."""
    assert host_keys, "there is none"
    for path in host_keys:
        # From the private key: `ssh-keygen -l` alone would believe the .pub file beside it. Through
        # a pipe, or it would refuse a key for its mode, which is another check's concern.
        public = f"cat {path} | ssh-keygen -y -P '' -f /dev/stdin"
        said = answers(f"{public} | ssh-keygen -l -f - || true").split()
        bits, *_, kind = said or ("0", "no key")
        assert kind in ("(ED25519)", "(RSA)"), f"{path} is {kind}"
        assert kind == "(ED25519)" or int(bits) >= 3072, f"{path} has {bits} bits"


@pytest.mark.pas("6.2.1", "6.4.2")
def test_host_keys_are_private(host_keys: list[str], answers: Answers) -> None:
    """No account but root reads a host key."""
    for path in host_keys:
        mode = answers(f"stat -c '%a %U' {path}").strip()
        assert mode == "600 root", f"{path} is {mode}"


@pytest.mark.pas("6.2.1")
def test_users_prove_themselves_with_strong_keys(sshd: dict[str, Settings]) -> None:
    """Users' keys are Ed25519 or RSA of 3072 bits or more, for every account."""
    for account, settings in sshd.items():
        more = plain(listed(settings, "pubkeyacceptedalgorithms")) - SIGNATURES
        assert not more, f"{account}: also accepted: {sorted(more)}"
        bits = int(settings["requiredrsasize"][0])
        assert bits >= 3072, f"{account}: RSA of {bits} bits is accepted"


@pytest.mark.pas("6.2.1")
def test_root_cannot_log_in(sshd: dict[str, Settings]) -> None:
    """Nobody logs in as root, whatever the address."""
    for account, settings in sshd.items():
        assert settings["permitrootlogin"] == ["no"], f"allowed (evaluated for {account})"


@pytest.mark.pas("6.2.1")
def test_passwords_do_not_open_a_session(sshd: dict[str, Settings]) -> None:
    """A key is needed for every account; passwords alone open nothing."""
    for account, settings in sshd.items():
        for keyword in ("passwordauthentication", "permitemptypasswords", "hostbasedauthentication",
                        "gssapiauthentication", "kerberosauthentication"):  # fmt: skip
            assert settings.get(keyword, ["no"]) == ["no"], f"{account}: {keyword} is on"
        for methods in settings["authenticationmethods"][0].split():
            assert "publickey" in methods.split(","), f"{account}: `{methods}` needs no key"


@pytest.mark.pas("6.2.1")
def test_only_the_accounts_own_keys_open_a_session(
    sshd: dict[str, Settings], groups: dict[str, set[str]], declared: Declared, answers: Answers
) -> None:
    """No other file, command or authority than the account's own keys says whose key is good."""
    authorities = sorted(declared["ssh_user_authorities"])
    own = {
        "authorizedkeyscommand": ["none"],
        "authorizedprincipalscommand": ["none"],
        "trustedusercakeys": ["/etc/ssh/user_authorities" if authorities else "none"],
        "strictmodes": ["yes"],
        "usepam": ["yes"],
    }
    for account, settings in sshd.items():
        # Those of role accounts, root keeps; before it has run, whoever has the account does.
        ours = "pas-people" in groups[account]
        file = "/etc/ssh/authorized_keys.d/%u" if ours else ".ssh/authorized_keys"
        for keyword, expected in {**own, "authorizedkeysfile": [file]}.items():
            found = settings.get(keyword, ["none"])
            assert found == expected, f"{account}: {keyword} is {' '.join(found)}"
    listed_ones = answers("cat /etc/ssh/user_authorities 2>/dev/null || true").splitlines()
    assert listed_ones == authorities, "other authorities than the declared ones are listed"


@pytest.mark.pas("5.5.3")
def test_persons_show_a_second_factor(
    sshd: dict[str, Settings], groups: dict[str, set[str]], declared: Declared
) -> None:
    """Whoever is let in unlocks a token by its PIN, or shows a key and a one-time code."""
    machines = {machine.account for machine in declared.machines}  # each with a waiver
    for account, settings in sshd.items():
        allowed = settings.get("allowgroups")
        admitted = allowed is None or groups[account] & set(allowed)
        if account in machines or account == "root" or not admitted:
            continue
        token = all(
            name.startswith("sk-") for name in listed(settings, "pubkeyacceptedalgorithms")
        ) and "verify-required" in settings.get("pubkeyauthoptions", [""])[0].split(",")
        methods = settings["authenticationmethods"][0].split()
        code = (
            methods == ["publickey,keyboard-interactive:pam"]
            and settings["kbdinteractiveauthentication"] == ["yes"]
            and settings.get("pamservicename") == ["pas-infra-totp"]
        )
        assert token or code, f"{account} needs one factor only: {' '.join(methods)}"


@pytest.mark.pas("6.2.1")
def test_settings_are_the_same_from_everywhere(answers: Answers) -> None:
    """No setting depends on the address or the port: what is checked from here holds from there."""
    blocks = answers(
        "grep -rhiE '^[[:space:]]*match[[:space:]=]' /etc/ssh/sshd_config /etc/ssh/sshd_config.d "
        "|| true"
    )
    for block in blocks.splitlines():
        criteria = set(block.lower().replace("=", " ").split())
        elsewhere = criteria & {"address", "localaddress", "localport", "host", "rdomain"}
        assert not elsewhere, f"`{block.strip()}`"


@pytest.mark.pas("6.2.1")
def test_only_declared_groups_log_in(sshd: dict[str, Settings]) -> None:
    """A positive list of groups says who may log in."""
    for account, settings in sshd.items():
        groups = settings.get("allowgroups", [])
        assert groups, f"{account}: every group may log in"
        assert not any(set("*?!") & set(group) for group in groups), f"{account}: {groups}"


@pytest.mark.pas("5.5.2")
def test_attempts_are_few(sshd: dict[str, Settings]) -> None:
    """A connection ends after three failed attempts, or a minute without a login."""
    for account, settings in sshd.items():
        tries = int(settings["maxauthtries"][0])
        assert tries <= 3, f"{account}: {tries} attempts"
        seconds = int(settings["logingracetime"][0])
        assert 0 < seconds <= 60, f"{account}: {seconds} seconds for a login"


@pytest.mark.pas("5.5.2")
def test_failing_sources_are_refused(server: Settings) -> None:
    """An address that fails to log in is refused for a while, whoever it tries to be."""
    penalties = dict(
        entry.split(":", 1) for entry in server["persourcepenalties"][0].split() if ":" in entry
    )
    assert "authfail" in penalties, "no penalty for failed logins"
    authfail, minimum = float(penalties["authfail"]), float(penalties["min"])
    assert authfail * 3 >= minimum > 0, f"three failures cost {authfail * 3:g} s of {minimum:g} s"
    exempt = server.get("persourcepenaltyexemptlist", ["none"])[0]
    assert not any(net.endswith("/0") for net in exempt.split(",")), (
        f"everybody is exempt: {exempt}"
    )


@pytest.mark.pas("6.2.1")
def test_nothing_is_forwarded(sshd: dict[str, Settings]) -> None:
    """No port, agent, display or tunnel is forwarded, and no environment is taken over."""
    off = {
        "allowtcpforwarding", "allowagentforwarding", "allowstreamlocalforwarding", "x11forwarding",
        "permittunnel", "gatewayports", "permituserenvironment", "permituserrc",
    }  # fmt: skip
    for account, settings in sshd.items():
        on = sorted(keyword for keyword in off if settings[keyword] != ["no"])
        assert not on, f"{account}: {', '.join(on)}"


@pytest.mark.pas("6.2.1")
def test_running_server_refuses_classic_key_exchange(server: Settings, answers: Answers) -> None:
    """The server that runs, not only its file, refuses a key exchange without post-quantum half."""
    address, _, port = server["listenaddress"][0].rpartition(":")
    address = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(address, address.strip("[]"))  # noqa: S104
    said = answers(
        "ssh -F none -o BatchMode=yes -o KexAlgorithms=curve25519-sha256 -o ConnectTimeout=10 "
        "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes "
        f"-p {port} nobody@{address} true 2>&1 || true"
    )
    assert "no matching key exchange method" in said, f"it answers: {said.strip()[-200:]}"


@pytest.mark.pas("6.2.1", "5.5.2")
def test_server_runs_with_its_files(answers: Answers) -> None:
    """What sshd runs with is what its files say: none was changed since it read them."""
    # The kernel's time of a change (ctime): who changes a file back cannot set it back.
    newer = answers(
        "find /etc/ssh/sshd_config /etc/ssh/sshd_config.d /etc/ssh/ssh_host_*_key /etc/default/ssh "
        f'-newerct "$(systemctl show -P StateChangeTimestamp --timestamp=us+utc ssh.service) {LAG}"'
    ).split()
    assert not newer, f"changed since: {', '.join(newer)}"


@pytest.mark.pas("6.2.1", "5.5.2")
def test_server_takes_no_settings_from_its_command_line(answers: Answers, listener: str) -> None:
    """Debian's sshd runs, and its command line names neither another file nor another setting."""
    # The listener's title repeats its arguments, whatever the unit says by now.
    title = answers(f"ps -o args= -p {listener}").strip()
    assert title.startswith("sshd: /usr/sbin/sshd -D [listener]"), title
    program = answers(f"readlink /proc/{listener}/exe").strip()
    assert program == "/usr/sbin/sshd", f"{program} runs"


@pytest.mark.pas("6.2.1")
def test_one_server_only(answers: Answers, listener: str) -> None:
    """No other sshd listens."""
    lines = [line for line in answers("ss -H -l -n -t -p").splitlines() if '("sshd"' in line]
    others = [line.split()[3] for line in lines if f"pid={listener}," not in line]
    assert not others, f"another one listens on {', '.join(others)}"


@pytest.mark.pas("6.2.1")
def test_service_runs_and_starts_at_boot(answers: Answers) -> None:
    """The server is a service of its own, started at boot; no socket starts another."""
    shown = answers("systemctl show -p ActiveState,UnitFileState ssh.service").split()
    assert set(shown) == {"ActiveState=active", "UnitFileState=enabled"}, " ".join(shown)
    socket = answers("systemctl show -p ActiveState,UnitFileState ssh.socket").split()
    assert "ActiveState=inactive" in socket, " ".join(socket)
    assert "UnitFileState=enabled" not in socket, " ".join(socket)
    pending = answers("systemctl show -P NeedDaemonReload ssh.service").strip()
    assert pending == "no", "its unit was changed, which takes effect at the next start"
    veto = answers("ls -d /etc/ssh/sshd_not_to_be_run 2>/dev/null || true").strip()
    assert not veto, f"{veto} keeps it from starting"


@pytest.mark.pas("6.2.1")
def test_client_knows_its_hosts(client: Settings) -> None:
    """The client refuses a host whose key it does not know, and forwards nothing."""
    assert client["stricthostkeychecking"] in (["true"], ["yes"], ["ask"]), (
        f"unknown hosts are {client['stricthostkeychecking']}"
    )
    assert client["forwardagent"] == ["no"], "the agent is forwarded"
    assert client["verifyhostkeydns"] in (["no"], ["false"]), "keys in the DNS are believed"


@pytest.mark.pas("6.2.1")
def test_client_algorithms_are_strong(client: Settings) -> None:
    """The client agrees to the same algorithms as the server only."""
    for keyword, known in (("kexalgorithms", HYBRIDS), ("ciphers", CIPHERS), ("macs", MACS)):
        more = listed(client, keyword) - known
        assert not more, f"{keyword}: also {sorted(more)}"
