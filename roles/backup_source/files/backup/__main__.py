"""The backups of this host: `daily`, as the target comes each day, or `job`, which stdin tells.

A job is one JSON document; its answer is one too, after lines of progress.
"""

import grp
import json
import sys
from pathlib import Path
from typing import Any

from archives import Refused
from jobs import JOBS, Work
from offers import NotOffered, from_systemd, on_the_spot

DECLARED = Path("/etc/pas-infra/backup/sets.json")
_DAILY, _JOB = 600.0, 90.0  # seconds within which the target must come


def main() -> int:
    """Do what is asked for, and tell the target when it is over."""
    declared = json.loads(DECLARED.read_text("utf-8"))
    if sys.argv[1:] == ["daily"]:
        with from_systemd(_DAILY) as offers:
            code = 1
            try:
                done = JOBS["backup"](Work(offers, declared, print))
                failed = [one for one in done["archives"] if "failed" in one]
                code = 2 if failed else 0
                for one in done["archives"]:
                    print(json.dumps({key: one[key] for key in one if key != "unsteady"}))
            finally:
                offers.end(code)
        return 1 if code else 0
    asked = json.loads(sys.stdin.read())
    print(json.dumps(job(asked, declared)))
    return 0


def job(asked: dict[str, Any], declared: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request."""
    what = asked.pop("what")
    group = grp.getgrnam(declared["account"]).gr_gid
    try:
        with on_the_spot(group, _JOB) as offers:
            _say("ready")
            try:
                return JOBS[what](Work(offers, declared, _say), **asked)
            finally:
                offers.end(0)
    except (Refused, NotOffered) as why:
        return {"refused": str(why)}


def _say(text: str) -> None:
    print(json.dumps({"progress": text}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
