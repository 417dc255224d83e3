"""The text of a small valid environment, for tests that add to it or break it."""

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
# On a token: anna's. In files: ben's, and that of the machine account that Ansible uses.
HARDWARE = ("sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIBDxuh878no"
            "nxPdFyVE//aQVC8SlnVKIs+Hwh/B9kQs+AAAABHNzaDo= anna@token")  # fmt: skip
PLAIN = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOsG4CU7ALRQjtm6AfxfUf8bOpDwsAtAOFRhiNTu+r3r "
         "ben@desk")  # fmt: skip
OTHER = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPrzabjCMbuEducZ+3fKv8GbcSj2SmkF9StoGVNvnsVa "
         "runner@node")  # fmt: skip
