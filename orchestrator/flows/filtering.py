"""What a live host's firewall lets through, as nftables says itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TABLE = {"family": "inet", "table": "pas_infra"}
_HOOKS = ("input", "output", "forward")
_FLOW = "flow_"


@dataclass(frozen=True)
class Filtering:
    """The firewall of a host; one without rules refuses nothing and opens no flow.

    `open_hooks` are the ways on which what no rule names passes. `opened` are the flows for which a
    rule accepts, each with the connections that it has let through since the rules were loaded.
    Whom each rule lets in is for the checks of role firewall: they compare every rule.
    """

    open_hooks: tuple[str, ...] = _HOOKS
    opened: Mapping[str, int] = field(default_factory=dict)


def read_filtering(text: str) -> Filtering:
    """What `nft --json list ruleset` says; nothing at all where there is no nftables.

    Raises ValueError when it is not what nft prints.
    """
    if not text.strip():
        return Filtering()
    try:
        entries = json.loads(text)["nftables"]
        chains = {body["name"]: body for body in _ours(entries, "chain")}
        counters = {body["name"]: int(body["packets"]) for body in _ours(entries, "counter")}
        counted = [_counter(body["expr"]) for body in _ours(entries, "rule")]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not what nft prints: {error!r}") from error
    return Filtering(
        tuple(hook for hook in _HOOKS if not _refuses(chains.get(hook, {}), hook)),
        {
            name.removeprefix(_FLOW): counters[name]
            for name in dict.fromkeys(counted)
            if name.startswith(_FLOW)
        },
    )


def _ours(entries: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [e[kind] for e in entries if kind in e and _TABLE.items() <= e[kind].items()]


def _counter(statements: list[dict[str, Any]]) -> str:
    """The counter of a rule that accepts; "" for any other rule."""
    if {"accept": None} not in statements:
        return ""
    return next((str(each["counter"]) for each in statements if "counter" in each), "")


def _refuses(chain: dict[str, Any], hook: str) -> bool:
    return chain.get("hook") == hook and chain.get("policy") == "drop"
