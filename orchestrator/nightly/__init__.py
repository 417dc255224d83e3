"""The nightly look at an environment: what is told of it, to whom, and the timer that begins it."""

from orchestrator.nightly.delivery import Undelivered, deliver
from orchestrator.nightly.message import Message, failure_of, message_of
from orchestrator.nightly.metrics import metrics_of
from orchestrator.nightly.units import Units, install, remove, units_of

__all__ = [
    "Message",
    "Undelivered",
    "Units",
    "deliver",
    "failure_of",
    "install",
    "message_of",
    "metrics_of",
    "remove",
    "units_of",
]
