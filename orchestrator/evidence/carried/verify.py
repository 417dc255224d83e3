"""Recompute the chain of this bundle with nothing but Python 3: `python3 verify.py`.

It says nothing of the signature (ssh-keygen -Y verify) and of the other files (sha256sum -c).
"""

import hashlib
import json
import pathlib
import sys

here = pathlib.Path(__file__).resolve().parent
manifest = json.loads((here / "manifest.json").read_bytes())
lines = (here / "chain.txt").read_text("ascii").splitlines()
position, previous = manifest["after"]["position"], manifest["after"]["link"]
last_line_of = {line.split(" ")[3]: number for number, line in enumerate(lines)}
records = {file.name for file in (here / "records").iterdir()}
faults = []
for number, line in enumerate(lines):
    link, payload = line.split(" ", 1)
    _, at, run, status, _, _, record, before = payload.split(" ")
    position += 1
    if (int(at), before) != (position, previous):
        faults.append(f"chain.txt:{number + 1}: link {at} does not follow the one before it")
    if hashlib.sha256(payload.encode()).hexdigest() != link:
        faults.append(f"chain.txt:{number + 1}: link {at} is not the SHA-256 of its line")
    previous = link
    if status == "broken" and last_line_of[run] > number:
        continue  # it was taken for dead and ended later, with a link and a record of that
    name = f"run-{int(run):06d}.jsonl"
    if name not in records:
        faults.append(f"records/{name} is missing")
    elif hashlib.sha256((here / "records" / name).read_bytes()).hexdigest() != record:
        faults.append(f"records/{name} is not what link {at} was made of")
    records.discard(name)
faults += [f"records/{name} has no link" for name in sorted(records)]
if (position, previous) != (manifest["until"]["position"], manifest["until"]["link"]):
    faults.append("the chain does not end where manifest.json says")
print("\n".join(faults) or f"{len(lines)} links, all as they were recorded; the last: {previous}")
sys.exit(2 if faults else 0)
