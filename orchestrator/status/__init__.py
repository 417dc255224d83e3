"""The state of an environment this morning, from its store and its files; no host is asked."""

from orchestrator.status.gather import HostState, Status, status_of
from orchestrator.status.measures import ChapterState
from orchestrator.status.subject import Level, Point, Subject

__all__ = ["ChapterState", "HostState", "Level", "Point", "Status", "Subject", "status_of"]
