"""Write docs/reference/cli.md from the commands themselves: `python docs/cli_reference.py`.

A unit test fails when the page is not what this would write.
"""

from pathlib import Path

import click

from orchestrator.cli import COMMANDS, cli
from orchestrator.exit_codes import ExitCode

PAGE = Path(__file__).parent / "reference" / "cli.md"


def page() -> str:
    """The whole page."""
    context = click.Context(cli, info_name="pas-infra")
    codes = "".join(f"| {int(code)} | {code.meaning} |\n" for code in ExitCode)
    parts = [
        "# The command line\n\nMade by `python docs/cli_reference.py` from the commands.\n",
        "Results go to stdout, everything else to stderr. `--json` prints one JSON document. "
        "`NO_COLOR` and pipes get plain text.\n",
        f"## Exit codes\n\n| code | meaning |\n|---|---|\n{codes}",
    ]
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if command is not None:
            parts += _sections(command, name, context)
    return "\n".join(parts)


def _sections(command: click.Command, name: str, parent: click.Context) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent)
    # A fixed width: the page must not depend on the terminal of whoever makes it.
    context.terminal_width = context.max_content_width = 88
    found = [f"## `{context.command_path}`\n\n```\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            subcommand = command.get_command(context, sub)
            if subcommand is not None:
                found += _sections(subcommand, sub, context)
    return found


if __name__ == "__main__":
    PAGE.write_text(page())
