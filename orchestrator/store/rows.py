"""Records as rows of the store, and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from orchestrator.records import CheckResult, Run, RunStatus, TaskResult, TaskStatus, Verdict

Row = dict[str, Any]


def row_of_result(result: TaskResult) -> Row:
    """Write a task result as a row of `results`."""
    row = {**asdict(result), "measures": json.dumps(result.measures)}
    del row["touched"]  # its names and diffs stand in `diff` too
    return row


def result_of(row: Row) -> TaskResult:
    """Read a row of `results`."""
    return TaskResult(
        host=row["host"],
        role=row["role"],
        task=row["task"],
        action=row["action"],
        status=TaskStatus(row["status"]),
        measures=tuple(json.loads(row["measures"])),
        diff=row["diff"],
        message=row["message"],
        duration=row["duration"],
        path=row["path"],
        censored=bool(row["censored"]),
        handler=bool(row["handler"]),
    )


def row_of_check(check: CheckResult) -> Row:
    """Write a check result as a row of `checks`."""
    row = {**asdict(check), "measures": json.dumps(check.measures)}
    row["name"] = row.pop("check")  # CHECK is a word of SQL
    return row


def check_of(row: Row) -> CheckResult:
    """Read a row of `checks`."""
    return CheckResult(
        host=row["host"],
        check=row["name"],
        title=row["title"],
        measures=tuple(json.loads(row["measures"])),
        verdict=Verdict(row["verdict"]),
        message=row["message"],
        duration=row["duration"],
    )


def run_of(row: Row) -> Run:
    """Read a row of `runs`."""
    return Run(
        id=row["id"],
        command=row["command"],
        environment=row["environment"],
        who=row["who"],
        control_node=row["control_node"],
        pid=row["pid"],
        commit=row["git_commit"],
        options=json.loads(row["options"]),
        started=row["started"],
        ended=row["ended"],
        status=RunStatus(row["status"]),
        message=row["message"],
    )


def storable(row: Mapping[str, object]) -> Row:
    """Escape what SQLite cannot hold: hosts print bytes that are no UTF-8."""
    return {
        column: value.encode("utf-8", "backslashreplace").decode()
        if isinstance(value, str)
        else value
        for column, value in row.items()
    }
