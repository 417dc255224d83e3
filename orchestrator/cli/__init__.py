"""The command line: options in, a service called, the result rendered. No logic here."""

import ctypes
import importlib
import resource
import signal
import sys
from typing import Any

import click

from orchestrator import __version__
from orchestrator.cli.terminal import color, show_error
from orchestrator.errors import PasInfraError, refusal
from orchestrator.exit_codes import ExitCode

_PR_SET_DUMPABLE = 4

# One module a command; it is imported when it is called, so that help and completion stay fast.
COMMANDS = {
    "status": "Show how an environment is this morning, on one screen; no host is asked.",
    "doctor": "Check that this control node has what it needs.",
    "env": "List, show and check environments.",
    "lab": "Start and stop the lab of real hosts.",
    "install": "Put an encrypted Debian on a server that runs its rescue system.",
    "unlock": "Give a server that has restarted the passphrase of its disks.",
    "keys": "See, change and escrow the keys of encrypted disks.",
    "client": "See, make and erase the encrypted volumes of clients.",
    "backup": "Make, check and restore backups, and test the restore.",
    "plan": "Show what apply would change, and change nothing.",
    "apply": "Bring the hosts to the declared state, then verify them.",
    "verify": "Prove each measure on the live hosts.",
    "drift": "Show what the hosts have become since; accept it, or put it right.",
    "access": "See, review, grant and revoke access to the hosts.",
    "flows": "Show the flow matrix beside what the hosts listen on and let through.",
    "certs": "List every certificate on the hosts, and when it ends.",
    "inventory": "List what the hosts are made of, and what has changed or is unknown.",
    "vulns": "Show the vulnerabilities that are open on the hosts, and decide on them.",
    "register": "Show, add to, review and check the registers.",
    "history": "Show the recorded runs of an environment.",
    "evidence": "Hand what was recorded to an auditor, signed; find what was changed since.",
    "measures": "Show the measures, and the roles and checks behind each.",
    "report": "Write the report for a client or an auditor: every measure, with its evidence.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported only when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of use."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module; None when there is no such command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"orchestrator.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing one."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), code.meaning) for code in ExitCode])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pas-infra")
def cli() -> None:
    """Make the promises of a Plan d'Assurance Sécurité executable, and prove them."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with a code of `ExitCode`."""
    _end_in_order()
    _leave_no_core()
    sys.exit(run(arguments))


def _end_in_order() -> None:
    """Let a service manager's stop and a lost terminal end a run as Ctrl-C does: recorded."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup(1) asks for just that
            signal.signal(number, signal.default_int_handler)


def _leave_no_core() -> None:
    """Keep secrets in memory out of core dumps, and the memory from other processes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # also of all that is started from here
    # A handler that the kernel pipes cores to need not heed the limit.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0)


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: the one place where errors become codes."""
    try:
        outcome: Any = cli.main(
            args=arguments, prog_name="pas-infra", standalone_mode=False, color=color()
        )
    except PasInfraError as error:
        show_error(error)
        return error.exit_code
    except OSError as error:
        # Without a file it is no refusal by this machine, but a fault of ours: the traceback helps.
        if not error.filename:
            raise
        show_error(refusal(error))
        return ExitCode.ERROR
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return ExitCode.ERROR
    return int(outcome) if isinstance(outcome, int) else ExitCode.OK
