"""``headway inbox [ls] | show | answer``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from headway_console.cli.completing import question_ids
from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.config import Config
    from headway.events.views import Elicitation, InboxView, JobRow
    from headway.home import Home
    from headway.store import Reader

POLL_S = 0.2


class InboxGroup(click.Group):
    """A group whose options alone mean its list: what begins with none of its commands goes to ``ls``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``ls`` in front unless a command or a question for help stands there."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["ls", *args]
        return super().parse_args(ctx, args)


@click.group("inbox", cls=InboxGroup, subcommand_metavar="[ls] | show | answer")
def command() -> None:
    """List what waits for a person, and answer it.

    headway inbox [--json] [--follow] is short for headway inbox ls.
    """


@command.command("ls")
@click.option("--follow", "-f", is_flag=True, help="Go on with what changes, until Ctrl-C.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many.")
@json_option()
@place_options()
@pass_place
def ls(place: Place, follow: bool, limit: int, as_json: bool) -> None:
    """List open questions, the most blocking first, then the oldest, and jobs that failed.

    Straight from the store: no daemon is needed. With --follow --json, each change is a line.
    """
    from headway.clock import SYSTEM_CLOCK
    from headway_console.cli import loop
    from headway_console.cli.output import note, say, write_json
    from headway_console.cli.reading import open_store, writer_lives

    async def main() -> None:
        home = place.home_to_read()
        async with open_store(home) as reader:
            shown: object = None
            while True:
                version = await reader.data_version()
                inbox, titles = await _read(reader, limit)
                alive = writer_lives(home)
                state = (alive, inbox.open, inbox.failed)
                if state != shown:
                    if as_json:
                        write_json(_json(inbox, titles, limit, alive), lines=follow)
                    else:
                        _say_inbox(inbox, titles, limit, say)
                    if not alive and inbox.open:
                        note("no process runs these jobs: headway up resumes them, an answer given before that counts")
                    sys.stdout.flush()
                    shown = state
                if not follow:
                    return
                while await reader.data_version() == version and writer_lives(home) == alive:
                    await SYSTEM_CLOCK.sleep(POLL_S)

    loop.run(main())


@command.command("show")
@click.argument("question_id", metavar="ID", shell_complete=question_ids)
@json_option()
@place_options()
@pass_place
def show(place: Place, question_id: str, as_json: bool) -> None:
    """Show a question, open or closed: what is asked, by whom, and the answer."""
    from headway.elicitation.record import find
    from headway.secrets import mask
    from headway_console.cli import loop
    from headway_console.cli.output import say, when, write_json
    from headway_console.cli.questions import how_to_answer, question_lines
    from headway_console.cli.reading import open_store
    from headway_console.text import count, duration

    async def main() -> None:
        async with open_store(place.home_to_read()) as reader:
            question = await find(reader, question_id)
            row = await reader.job(question.job_id)
        if as_json:
            import msgspec

            write_json(mask(msgspec.to_builtins(question)))
            return
        for line in question_lines(question, row.title):
            say(line)
        asked, expires = when(question.asked_ms), when(question.expires_ms)
        say(f"  asked {asked}, expires {expires}; blocks {count(question.blocking, 'action')}")
        if question.principal:
            say(f"  on behalf of {question.principal}")
        if question.state == "open":
            say(f"  {how_to_answer(question)}")
            return
        by = f" by {question.by}" if question.by else ""
        took = f" after {duration(question.waited_ms)}" if question.waited_ms else ""
        say(f"  {question.state}{by}{took}: {question.choice or question.reason}")

    loop.run(main())


@command.command("answer")
@click.argument("question_id", metavar="ID", shell_complete=question_ids)
@click.option("--allow", is_flag=True, help="Let the call run, once.")
@click.option("--session", is_flag=True, help="… and the same call again in this session.")
@click.option("--deny", is_flag=True, help="Refuse it; the plan says what follows.")
@click.option("--abort", is_flag=True, help="Refuse it, and abort the run.")
@click.option("--value", metavar="JSON", help="The value that a tool asks for.")
@click.option("--edit", metavar="JSON", help="Let the call run with these parameters instead.")
@click.option("--top-up", "amounts", metavar="DIMENSION=AMOUNT", multiple=True, help="Raise the budget; repeat it.")
@click.option("--always", is_flag=True, help="With --allow: write a policy that approves this call from now on.")
@click.option("--reason", default="", help="Why; it is recorded, and a denied action says it.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@json_option()
@place_options()
@pass_place
def answer(
    place: Place,
    question_id: str,
    allow: bool,
    session: bool,
    deny: bool,
    abort: bool,
    value: str | None,
    edit: str | None,
    amounts: tuple[str, ...],
    always: bool,
    reason: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Answer a question. The first answer counts.

    Shows what it is about and asks first; without a terminal --yes is needed. Where no process runs the job, the
    answer is kept and counts when the job resumes.
    """
    from headway.elicitation.record import closed_already, find
    from headway_console.cli import loop
    from headway_console.cli.output import note, say, write_json
    from headway_console.cli.reading import open_store

    flags = {"allow": allow, "session": session, "deny": deny, "abort": abort}
    values = {"answer": value is not None, "edit": edit is not None, "top_up": bool(amounts)}
    given = [name for name, there in (flags | values).items() if there]
    if len(given) != 1:
        raise click.UsageError("Give one answer: --allow, --session, --deny, --abort, --value, --edit or --top-up.")
    if always and not allow:
        raise click.UsageError("--always goes with --allow.")
    if not yes and (as_json or not sys.stdin.isatty()):
        raise click.UsageError("There is nobody to ask: give --yes.")

    async def main() -> None:
        home = place.home_to_steer()
        async with open_store(home) as reader:
            question = await find(reader, question_id)
            title = (await reader.job(question.job_id)).title
        if question.state != "open":
            raise closed_already(question)
        chosen = given[0]
        meant = _meant(chosen, value if value is not None else edit or "", amounts, question)
        rule = _rule_of(question) if always else ""
        if not yes:
            _confirm(place, question, title, chosen, rule)
        if rule and "session" in question.choices:
            chosen = "session"  # the rules of its start hold for a job that runs: this says it for that one
        closed = await _give(home, place.config(), question_id, chosen, meant, reason)
        if rule:
            from headway.policy.writing import add_rule

            note(f"wrote the rule to {add_rule(_folder(place), rule)}")
        if as_json:
            write_json(closed)
        else:
            say(f"{closed.id}: {closed.choice}")

    loop.run(main())


def _meant(choice: str, text: str, amounts: tuple[str, ...], question: Elicitation) -> Any:
    """Return the value of an answer as the options give it."""
    from headway_console.cli.questions import top_up_of, value_of

    if choice == "top_up":
        return top_up_of(amounts)
    return value_of(text, question) if choice in ("answer", "edit") else None


def _confirm(place: Place, question: Elicitation, title: str, choice: str, rule: str) -> None:
    """Show what an answer is about, and ask whether it is meant."""
    from headway_console.cli.output import say
    from headway_console.cli.questions import question_lines, target_of

    for line in question_lines(question, title):
        say(line)
    click.confirm(f"{_clean(target_of(question, choice))}?", abort=True, err=True)
    if rule:
        for line in rule.splitlines():
            say(f"  {line}")
        click.confirm(f"Add this rule to {_clean(str(_folder(place)))}?", abort=True, err=True)


async def _give(home: Home, config: Config, question_id: str, choice: str, value: Any, reason: str) -> Elicitation:
    """Hand an answer to the process that has the home, or write it to the log where none has."""
    from headway.client import OperatorClient
    from headway.errors import NoAnswer, Unavailable
    from headway_console.cli.output import note
    from headway_console.cli.runner import SOURCE

    try:
        async with OperatorClient(home, actor=SOURCE) as client:
            return await client.answer(question_id, choice, value, reason)
    except NoAnswer:
        raise
    except Unavailable:
        pass
    import asyncio

    from headway.elicitation.desk import desk_of
    from headway.provision import vault_of
    from headway.store import HomeLock, StoreLog

    with HomeLock(home):
        log = await StoreLog.open(home)
        try:
            vault = vault_of(config)  # what is recorded must hold no secret
            vault.tell(log.redactor)
            await asyncio.to_thread(vault.learn)
            closed = await desk_of(log).answer(question_id, choice, value, reason=reason, by=SOURCE)
        finally:
            await log.close()
    note("no process runs its job: headway up resumes it, with this answer")
    return closed


async def _read(reader: Reader, limit: int) -> tuple[InboxView, dict[str, str]]:
    """Return the inbox, and the titles of the jobs that it speaks of."""
    from headway.errors import NotFound

    inbox = await reader.inbox_view()
    titles: dict[str, str] = {}
    for job_id in [question.job_id for question in inbox.waiting()[:limit]] + list(inbox.failed)[-limit:]:
        if job_id not in titles:
            try:
                row: JobRow = await reader.job(job_id)
            except NotFound:
                continue
            titles[job_id] = row.title
    return inbox, titles


def _json(inbox: InboxView, titles: dict[str, str], limit: int, alive: bool) -> dict[str, Any]:
    import msgspec

    from headway.secrets import mask

    waiting = inbox.waiting()
    failed = list(reversed(inbox.failed.values()))[:limit]
    found: dict[str, Any] = {
        "seq": inbox.last_seq,
        "owner_alive": alive,
        "total": len(waiting),
        "waiting": [mask(msgspec.to_builtins(q)) | {"title": titles.get(q.job_id, "")} for q in waiting[:limit]],
        "failed": [msgspec.to_builtins(job) | {"title": titles.get(job.job_id, "")} for job in failed],
    }
    return found


def _say_inbox(inbox: InboxView, titles: dict[str, str], limit: int, say: Any) -> None:
    from headway.clock import SYSTEM_CLOCK
    from headway_console.cli.output import table, when
    from headway_console.text import count, cut, duration

    waiting, now = inbox.waiting(), SYSTEM_CLOCK.time_ms()
    if not waiting:
        say("nothing waits for an answer")
    else:
        rows = [
            (q.id, q.kind, duration(max(0, now - q.asked_ms)), q.blocking, cut(titles.get(q.job_id, ""), 30), q.prompt)
            for q in waiting[:limit]
        ]
        table(("ID", "KIND", "WAITS", "BLOCKS", "JOB", "QUESTION"), rows)
        if len(waiting) > limit:
            say(f"… and {count(len(waiting) - limit, 'more question')}")
    if inbox.failed:
        say("")
        failed = list(reversed(inbox.failed.values()))[:limit]
        table(
            ("FAILED JOB", "AT", "TITLE", "ERROR"),
            [(job.job_id, when(job.at_ms), cut(titles.get(job.job_id, ""), 30), job.error) for job in failed],
        )


def _rule_of(question: Elicitation) -> str:
    """Return the rule that approves a question's call from now on."""
    from headway.errors import InvalidInput
    from headway.policy.writing import approve_rule

    if question.kind != "approval" or not question.tool:
        raise InvalidInput("a rule can be made of the approval of a tool's call only")
    if question.parameters is None and question.detail.get("parameters_bytes"):
        raise InvalidInput("the parameters of this call are too long for a rule")
    return approve_rule(question.tool, question.parameters or {})


def _folder(place: Place) -> Any:
    """Return the folder of the project's policies."""
    from headway.errors import InvalidInput
    from headway.policy.files import FOLDER

    folder = place.config().folder
    if folder is None:
        raise InvalidInput("policies stand beside a headway.toml, and there is none here: headway init writes one")
    return folder / FOLDER


def _clean(text: str) -> str:
    from headway.errors import one_line
    from headway_console.text import clean

    return clean(one_line(text, 300))
