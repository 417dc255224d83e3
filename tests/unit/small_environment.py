"""The text of a small valid environment, for tests that add to it or break it."""

from pathlib import Path

ENVIRONMENT = """\
kind: production
description: A small one
control_node: {place: {city: Lille, country: FR}}
hosts:
  web1: {function: Web, supplier: Somebody, place: {city: Lille, country: FR}}
  web2: {function: Web, supplier: Somebody, place: {city: Paris, country: FR}}
"""
HOSTS = """\
all:
  hosts:
    web1: {ansible_host: 192.0.2.1}
    web2: {ansible_host: 192.0.2.2}
  vars: {ansible_user: runner}
"""
# The same with what roles read of people.yml and flows.yml.
HOSTS_OF_ROLES = HOSTS.replace(
    "runner}",
    'runner, accounts_people: "{{ read from people.yml }}", firewall_flows: "{{ read }}", '
    'firewall_hosts: "{{ read }}"}',
)
# On a token: anna's. In files: ben's, and that of the machine account that Ansible uses.
HARDWARE = ("sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIBDxuh878no"
            "nxPdFyVE//aQVC8SlnVKIs+Hwh/B9kQs+AAAABHNzaDo= anna@token")  # fmt: skip
PLAIN = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOsG4CU7ALRQjtm6AfxfUf8bOpDwsAtAOFRhiNTu+r3r "
         "ben@desk")  # fmt: skip
OTHER = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPrzabjCMbuEducZ+3fKv8GbcSj2SmkF9StoGVNvnsVa "
         "runner@node")  # fmt: skip


def write_small(directory: Path) -> Path:
    """Make the small environment in a directory of its own, which is returned."""
    directory.mkdir()
    (directory / "environment.yml").write_text(ENVIRONMENT)
    (directory / "hosts.yml").write_text(HOSTS_OF_ROLES)
    return directory
