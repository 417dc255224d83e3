"""Runs on the host, as root: what PAM really does with passwords and one-time codes.

An account of its own is tried in a private copy of /etc, which nobody else sees and which is gone
with this process: the host's accounts, locks and files stay as they are. Prints one JSON object.
"""

import base64
import ctypes
import ctypes.util
import hashlib
import hmac
import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

ACCOUNT = "pas-probe"
RIGHT, OTHER = "Rk7-wTz2.qLm9_xB", "vN4+hGp8,cJs3=yD"
WRONG = "bF6:zKd5;nWt2%uQ"
# Each breaks one rule only.
WEAK = {
    "fourteen characters": "Rk7-wTz2.qLm9_",
    "without a capital": "rk7-wtz2.qlm9_xb",
    "one character four times": "Rk7-wTzzzz.qLm9_x",
    "a sequence": "Rk7-w23456.qLm_x",
    "the account's name": "Pas-Probe7.qLm9_xB",
    "one of the dictionary": "Administrator-1",
}
SECRET = bytes(range(20))
TOTP_STACK = "pas-infra-totp"
PROMPTS, FAIL_DELAY, CONV = (1, 2), 10, 5  # PAM_PROMPT_ECHO_OFF, _ON; items of pam_set_item

libc = ctypes.CDLL(None, use_errno=True)
libc.calloc.restype = libc.strdup.restype = ctypes.c_void_p


class Message(ctypes.Structure):
    _fields_ = (("style", ctypes.c_int), ("text", ctypes.c_char_p))


class Response(ctypes.Structure):
    _fields_ = (("text", ctypes.c_void_p), ("code", ctypes.c_int))


Converse = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(ctypes.POINTER(Message)),
    ctypes.POINTER(ctypes.POINTER(Response)),
    ctypes.c_void_p,
)
Delay = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)


class Conversation(ctypes.Structure):
    _fields_ = (("converse", Converse), ("data", ctypes.c_void_p))


def pam(service: str, what: str, secret: str) -> bool:
    """Whether PAM lets the probe's account do it: `authenticate`, `acct_mgmt` or `chauthtok`."""
    library = ctypes.CDLL("libpam.so.0")

    @Converse
    def converse(count, messages, responses, _data):  # type: ignore[no-untyped-def]
        answers = ctypes.cast(libc.calloc(count, ctypes.sizeof(Response)), ctypes.POINTER(Response))
        for index in range(count):
            if messages[index].contents.style in PROMPTS:
                answers[index].text = libc.strdup(secret.encode())
        responses[0] = answers
        return 0

    handle = ctypes.c_void_p()
    conversation = Conversation(converse, None)
    started = library.pam_start(
        service.encode(), ACCOUNT.encode(), ctypes.byref(conversation), ctypes.byref(handle)
    )
    if started != 0:
        raise RuntimeError(f"pam_start says {started} for {service}")
    # Nobody waits here: the pauses after a failure are for others.
    no_delay = Delay(lambda *_: None)
    library.pam_set_item(handle, FAIL_DELAY, ctypes.cast(no_delay, ctypes.c_void_p))
    done = getattr(library, f"pam_{what}")(handle, 0)
    library.pam_end(handle, done)
    return bool(done == 0)


def code(step: int) -> str:
    """The one-time code (RFC 6238) of the current half minute, or of one `step` away."""
    counter = struct.pack(">Q", int(time.time()) // 30 + step)
    digest = hmac.new(SECRET, counter, hashlib.sha1).digest()
    number = int.from_bytes(digest[(at := digest[-1] & 15) : at + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**6:06}"


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def prepare(oath: str) -> None:
    """A private copy of whatever is written to, and in it the account."""
    if libc.unshare(0x00020000) != 0:  # CLONE_NEWNS
        raise OSError(ctypes.get_errno(), "no private mounts")
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "-o", "mode=0755,size=64m", "tmpfs", "/mnt")
    run("cp", "-a", "/etc", "/mnt/etc")
    run("mount", "--bind", "/mnt/etc", "/etc")
    Path("/run/faillock").mkdir(mode=0o755, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run/faillock")
    # Failures that somebody would have to look into, if they were logged.
    if Path("/run/systemd/journal").is_dir():
        run("mount", "-t", "tmpfs", "tmpfs", "/run/systemd/journal")
    # pam_oath writes a new file beside the old one, so the directory is a copy too.
    place = Path(oath).parent
    if place.is_dir():
        run("mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", str(place))
        Path(oath).write_text(f"HOTP/T30/6 {ACCOUNT} - {SECRET.hex()}\n")
        Path(oath).chmod(0o600)
    for file, line in (
        ("/etc/passwd", f"{ACCOUNT}:x:59999:59999:A probe:/nonexistent:/bin/sh"),
        ("/etc/group", f"{ACCOUNT}:x:59999:"),
    ):
        with Path(file).open("a") as opened:
            opened.write(f"{line}\n")
    shadow("*")


def shadow(password: str, expires: str = "") -> None:
    """The probe's line in the copy of /etc/shadow."""
    file = Path("/etc/shadow")
    others = [line for line in file.read_text().splitlines() if not line.startswith(ACCOUNT)]
    today = int(time.time()) // 86400
    file.write_text("\n".join([*others, f"{ACCOUNT}:{password}:{today}:0::::{expires}:", ""]))


def cheap(password: str) -> str:
    """A hash that takes no time: what is tried is PAM, not the hash."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    hashed: bytes = library.crypt(password.encode(), b"$5$rounds=1000$probe$")
    return hashed.decode()


def kept() -> str:
    """What the copy of /etc/shadow keeps of the probe's password."""
    lines = Path("/etc/shadow").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{ACCOUNT}:")).split(":")[1]


def unlock() -> None:
    (Path("/run/faillock") / ACCOUNT).unlink(missing_ok=True)


def locks(service: str, right: str, wrong: str, failures: int) -> bool:
    """Whether even the right secret is refused after so many failures."""
    unlock()
    for _ in range(failures):
        pam(service, "authenticate", wrong)
    refused = not pam(service, "authenticate", right)
    unlock()
    return refused


def observe(services: list[str], most: int) -> dict[str, object]:
    """What happens to right, wrong, weak and former passwords, and to one-time codes."""
    seen: dict[str, object] = {"strong accepted": pam("passwd", "chauthtok", RIGHT)}
    hashed = kept()
    seen["kept as"] = hashed.rsplit("$", 2)[0]  # without salt and hash
    seen["weak accepted"] = [why for why, text in WEAK.items() if pam("passwd", "chauthtok", text)]
    shadow(hashed)
    seen["changed"] = pam("passwd", "chauthtok", OTHER)
    seen["former accepted"] = pam("passwd", "chauthtok", RIGHT)
    hashed = cheap(RIGHT)
    shadow(hashed)
    there = [name for name in services if Path("/etc/pam.d", name).exists()]
    seen["right opens"] = pam(there[0], "authenticate", RIGHT)
    for name, secret, password in (("wrong opens", WRONG, hashed), ("empty opens", "", "")):
        shadow(password)
        opened = []
        for service in there:
            unlock()
            if pam(service, "authenticate", secret):
                opened.append(service)
        seen[name] = opened
    shadow(hashed)
    seen["locks"] = locks(there[0], RIGHT, WRONG, most)
    today = int(time.time()) // 86400
    ends = {"today": today + 1, "yesterday": today}
    for name, day in ends.items():
        shadow(hashed, str(day))
        seen[f"usable until {name}"] = pam("sshd", "acct_mgmt", RIGHT)
    shadow(hashed)
    if Path("/etc/pam.d", TOTP_STACK).exists():
        unlock()
        wrong = f"{(int(code(0)) + 1) % 10**6:06}"
        seen["code wrong"] = pam(TOTP_STACK, "authenticate", wrong)
        right = code(0)
        seen["code right"] = pam(TOTP_STACK, "authenticate", right)
        seen["code again"] = pam(TOTP_STACK, "authenticate", right)
        # Another code than before: that one would be refused anyway.
        seen["code locks"] = locks(TOTP_STACK, code(1), wrong, most)
    return seen


if __name__ == "__main__":
    arguments = json.loads(base64.b64decode(sys.argv[1]))
    os.umask(0o077)
    prepare(arguments["oath"])
    print(json.dumps(observe(arguments["services"], arguments["most"])))  # noqa: T201
