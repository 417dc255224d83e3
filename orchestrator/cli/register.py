"""`pas-infra register`: the registers of an environment, shown, added to, reviewed, judged."""

import functools
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from orchestrator.cli.options import environment_option, json_option
from orchestrator.cli.terminal import console, print_json
from orchestrator.errors import Interrupted
from orchestrator.exit_codes import ExitCode

if TYPE_CHECKING:
    from orchestrator.environment.register_definitions import RegisterDefinition
    from orchestrator.registers.judge import RegisterState


def complete_register(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a register."""
    del ctx, param
    from orchestrator.environment.register_definitions import register_definitions

    return [
        CompletionItem(one.name, help=one.title_en)
        for one in register_definitions().values()
        if one.name.startswith(incomplete)
    ]


def complete_field(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete FIELD= of the register that is being added to, and what it must be one of."""
    del param
    from orchestrator.environment.register_definitions import register_definitions
    from orchestrator.registers.entry import asked_for

    definition = register_definitions().get(str(ctx.params.get("name")))
    if definition is None:
        return []
    fields = asked_for(definition)
    field, equals, value = incomplete.partition("=")
    if equals:
        words = _choices(fields.get(field, {}))
        return [CompletionItem(f"{field}={word}") for word in words if word.startswith(value)]
    return [
        CompletionItem(f"{name}=", help=rules["description"])
        for name, rules in fields.items()
        if name.startswith(field)
    ]


@click.group("register", short_help="Show, add to, review and check the registers.")
def command() -> None:
    """The dated lists that organisational measures ask for: risks, incidents and the like."""


@command.command("list", short_help="List the registers, and how they stand.")
@environment_option
@json_option
def list_registers(environment_name: str, *, as_json: bool) -> int:
    """List every register: its entries, last and next review, findings and measures.

    Ends with 0 when nothing is overdue or missing, 2 when something is.
    """
    from orchestrator.cli.register_view import show_states, states_as_json

    found = _states(environment_name)
    if as_json:
        print_json(states_as_json(found))
    else:
        show_states(found, console())
    return _exit_code(found)


@command.command("show", short_help="Show the entries of a register.")
@click.argument("name", shell_complete=complete_register)
@environment_option
@click.option("--all", "everything", is_flag=True, help="Also what was corrected, has ended, or "
              "was followed by a later entry.")  # fmt: skip
@json_option
def show(name: str, environment_name: str, *, everything: bool, as_json: bool) -> int:
    """Show the entries of the register NAME that stand, and what is wrong with them."""
    from orchestrator.cli.register_view import show_register, states_as_json

    (found,) = _states(environment_name, [name])
    if as_json:
        print_json(states_as_json([found], entries=True)[0])
    else:
        show_register(found, console(), everything=everything)
    return _exit_code([found])


@command.command("add", short_help="Add an entry to a register.")
@click.argument("name", shell_complete=complete_register)
@environment_option
@click.option(
    "--set",
    "given",
    multiple=True,
    metavar="FIELD=VALUE",
    shell_complete=complete_field,
    help="A field's value; repeated for further fields, and for further values of a list.",
)
@click.option(
    "--corrects",
    type=click.IntRange(1),
    metavar="N",
    help="The number of the entry that was wrong, and that this one stands for.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
def add(
    name: str, environment_name: str, given: tuple[str, ...], corrects: int | None, *, yes: bool,
    as_json: bool,
) -> int:  # fmt: skip
    """Add an entry to the register NAME: asks for what --set does not give, shows it, writes it.

    Today's date and your account are recorded with it. Nothing that stands in the register is
    changed; a mistake is corrected by a new entry that names it.
    """
    import yaml

    from orchestrator.environment import load_environment
    from orchestrator.operator import current_operator
    from orchestrator.registers.entry import make_entry, record_entry, register_to_add_to

    definition = register_to_add_to(name)
    environment = load_environment(environment_name)
    values = _given(given)
    if corrects is not None:
        values["corrects"] = [str(corrects)]
    make = functools.partial(
        make_entry,
        definition,
        directory=environment.directory,
        by=current_operator(),
        today=date.today(),
    )
    make(values)  # what is wrong already is told before anything is asked
    entry = make(values | _asked(definition, values, all_of_it=not given))
    click.echo(yaml.safe_dump([entry], sort_keys=False, allow_unicode=True), nl=False, err=True)
    if not (yes or _confirmed(f"Add this to {name}?")):
        click.echo("nothing was written", err=True)
        return ExitCode.INTERRUPTED
    file = record_entry(environment, name, entry, today=date.today())
    if as_json:
        print_json({"register": name, "file": file, "entry": entry})
    else:
        click.echo(f"added to {file}; commit it")
    return ExitCode.OK


@command.command("review", short_help="Record that a register was reviewed.")
@click.argument("name", shell_complete=complete_register)
@environment_option
@click.option(
    "--decision",
    type=click.Choice(["kept", "to change"]),
    help="Whether the register is right as it stands; asked for without it.",
)
@click.option("--remark", help="What was seen, and what is to be done; asked for without it.")
@json_option
def review(
    name: str, environment_name: str, decision: str | None, remark: str | None, *, as_json: bool
) -> int:
    """Show the register NAME, and record who reviewed it today and what was decided.

    What was late once, and is in order now, is no finding any more after that.
    """
    from orchestrator.cli.register_view import show_register
    from orchestrator.environment import load_environment
    from orchestrator.operator import current_operator
    from orchestrator.registers.entry import record_review

    (found,) = _states(environment_name, [name])
    show_register(found, console(stderr=True), everything=False)
    file = record_review(
        load_environment(environment_name),
        name,
        decision=decision or _answer("decision", type=click.Choice(["kept", "to change"])),
        remark=remark or _answer("remark"),
        by=current_operator(),
        today=date.today(),
    )
    (after,) = _states(environment_name, [name])
    if as_json:
        print_json({"register": name, "file": file, "next_review": after.next_review})
    else:
        due = f"; the next one is due on {after.next_review}" if after.next_review else ""
        click.echo(f"recorded in {file}{due}")
    return ExitCode.OK


@command.command("check", short_help="Say what is overdue, missing or wrong.")
@click.argument("names", nargs=-1, metavar="[NAME...]", shell_complete=complete_register)
@environment_option
@json_option
def check(names: tuple[str, ...], environment_name: str, *, as_json: bool) -> int:
    """Say what is overdue, missing or wrong in the registers, and which measures it concerns.

    `pas-infra verify` says the same, and records it. Ends with 0 when there is nothing, 2 when
    there is something, 5 when a register is not valid.
    """
    from orchestrator.cli.register_view import findings_as_json, show_findings

    found = _states(environment_name, names)
    if as_json:
        print_json(findings_as_json(found))
    else:
        show_findings(found, console())
    return _exit_code(found)


def _states(environment_name: str, names: Sequence[str] = ()) -> "Sequence[RegisterState]":
    from orchestrator.environment import load_environment
    from orchestrator.environment.register_definitions import register_definition
    from orchestrator.registers.facts import facts_of
    from orchestrator.registers.judge import states

    for name in names:
        register_definition(name)
    return states(facts_of(load_environment(environment_name)), names)


def _exit_code(found: "Sequence[RegisterState]") -> ExitCode:
    return ExitCode.FINDINGS if any(state.findings for state in found) else ExitCode.OK


def _given(words: Sequence[str]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for word in words:
        field, equals, value = word.partition("=")
        if not equals or not value:
            raise click.BadParameter(f"`{word}` is not FIELD=VALUE", param_hint="--set")
        values.setdefault(field.strip(), []).append(value)
    return values


def _asked(
    definition: "RegisterDefinition", given: Mapping[str, object], *, all_of_it: bool
) -> dict[str, list[str]]:
    """What somebody answers, field by field; of what is optional only with `all_of_it`."""
    from orchestrator.registers.entry import asked_for

    answers: dict[str, list[str]] = {}
    required = definition.entry["required"]
    for field, rules in asked_for(definition).items():
        optional = field not in required
        if field in given or (optional and not all_of_it) or field == "ended":
            continue
        choices = _choices(rules)
        hint = f" One of: {', '.join(choices)}." if choices else ""
        empty = " Empty for none." if optional else ""
        click.echo(f"{rules['description']}{hint}{empty}", err=True)
        options: dict[str, Any] = {"type": click.Choice(choices)} if choices else {}
        if optional:
            options = {"default": "", "show_default": False}
        answer = str(_answer(field, **options))
        if answer:
            answers[field] = [answer]
    return answers


def _choices(rules: Mapping[str, Any]) -> list[str]:
    if rules.get("type") == "boolean":
        return ["true", "false"]
    return [str(choice) for choice in rules.get("enum", ())]


def _answer(field: str, **options: Any) -> Any:
    try:
        return click.prompt(f"  {field}", err=True, **options)
    except click.Abort as stop:
        raise Interrupted(
            f"nobody answered what `{field}` is: nothing was written",
            next_step="give what is asked for by options where nobody is there to answer",
        ) from stop


def _confirmed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort as stop:
        raise Interrupted(
            "nobody confirmed the entry: nothing was written",
            next_step="answer y, or give --yes where nobody is there to answer",
        ) from stop
