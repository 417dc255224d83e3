#!/usr/bin/python3
"""Say how the rules in force differ from those that a file would load: a diff, or nothing.

    in_force.py FILE

The file is loaded in a network namespace of its own, which ends with this program. Needs root.
"""

import difflib
import json
import subprocess
import sys

LIST = ["nft", "--stateless", "--json", "list", "ruleset"]


def rules(*command):
    """What a command lists, an object a line, less what only traffic has put there."""
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [
        json.dumps({kind: settings(body)})
        for found in json.loads(listed)["nftables"]
        for kind, body in found.items()
        if kind != "metainfo"
    ]


def settings(body):
    """The object without its number, its counts, and what packets have put into it."""
    dropped = {"handle", "packets", "bytes"}
    if "dynamic" in body.get("flags", ()):
        dropped.add("elem")
    return {key: value for key, value in body.items() if key not in dropped}


def main(file):
    """Print the difference; raises CalledProcessError when nft refuses the file."""
    load_and_list = f'nft --file "$0"; exec {" ".join(LIST)}'
    declared = rules("unshare", "--net", "sh", "-euc", load_and_list, file)
    found = rules(*LIST)
    lines = difflib.unified_diff(found, declared, "in force", file, lineterm="", n=0)
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.stderr.strip() or str(error))
