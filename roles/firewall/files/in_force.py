#!/usr/bin/python3
"""Say how the rules in force differ from those that a file would load: a diff, or nothing.

    in_force.py FILE

The file is loaded in a network namespace of its own, which ends with this program. Needs root.
"""

import difflib
import json
import subprocess
import sys

LIST = ["nft", "--json", "list", "ruleset"]


def listed(*command):
    """The objects that a command lists; raises CalledProcessError when it fails."""
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [
        (kind, body)
        for entry in json.loads(said)["nftables"]
        for kind, body in entry.items()
        if kind != "metainfo"
    ]


def lines(objects):
    """An object a line, as somebody has set it: without numbers, counts, and what packets add."""
    limits = {each["set"]["set"]: each["set"]["stmt"] for _, body in objects
              for each in body.get("expr", ()) if "set" in each}  # fmt: skip
    return [json.dumps({kind: settings(body, limits)}) for kind, body in objects]


def settings(body, limits):
    """The object without its number and counts, nor the elements that its own rule has made."""
    kept = {k: v for k, v in body.items() if k not in ("handle", "packets", "bytes")}
    if "elem" in kept and "dynamic" in kept.get("flags", ()):
        wanted = limits.get(f"@{kept['name']}")
        strange = [e for e in kept.pop("elem") if not is_counted(e, wanted, kept.get("timeout"))]
        if strange:
            kept["elem"] = strange
    return kept


def is_counted(element, wanted, timeout):
    """Whether a packet has put the element there: with the limit and the time of the set's rule."""
    inside = element.get("elem", {}) if isinstance(element, dict) else {}
    limit = {k: v for k, v in inside.get("limit", {}).items() if k != "used"}
    return [{"limit": limit}] == wanted and inside.get("timeout", timeout) == timeout


def main(file):
    """Print the difference, or why the file cannot be loaded."""
    found = lines(listed(*LIST))
    load_and_list = f'nft --file "$0"; exec {" ".join(LIST)}'
    try:
        declared = lines(listed("unshare", "--net", "sh", "-euc", load_and_list, file))
    except subprocess.CalledProcessError as error:
        sys.stdout.write(f"{file} cannot be loaded: {error.stderr.strip()}\n")
        return
    difference = difflib.unified_diff(found, declared, "in force", file, lineterm="", n=0)
    sys.stdout.writelines(f"{line}\n" for line in difference)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.stderr.strip() or str(error))
