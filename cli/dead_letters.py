"""`sluice dead-letters`: the records nobody could work with, and what is done about them."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from cli.environment import Environment
    from cli.letters.open_letters import Choice, Entry, OpenLetters
    from cli.letters.original import Original
    from cli.letters.rounds import Outcome

__all__ = ["dead_letters"]

dead_letters = typer.Typer(
    help="List, show, replay and drop records nobody could work with.", no_args_is_help=True, rich_markup_mode=None
)

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="As `list` names them: topic/partition/offset.", show_default=False),
]
Topic = Annotated[str | None, typer.Option(help="Only those that came from it.", show_default=False)]
Reason = Annotated[
    str | None, typer.Option(help="Only undecodable, schema, refused or crashed ones.", show_default=False)
]
Tenant = Annotated[str | None, typer.Option(help="Only this one's.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="Every open one, of --topic, --reason and --tenant if given.")]


@dead_letters.command("list")
def list_letters(
    topic: Topic = None,
    reason: Reason = None,
    tenant: Tenant = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON array.")] = False,
) -> None:
    """List the dead letters that are open, newest first: neither replayed nor dropped.

    COUNT is how often a record was set aside at its place: more than once when a service ended over it. REPLAYS is how
    often it had been put back before.

    \b
    Examples:
      sluice dead-letters list
      sluice dead-letters list --reason refused --json | jq -r .[].message | sort | uniq -c
    """
    from cli.environment import here
    from cli.letters.showing import entry_told, show_table
    from cli.printing import print_json, remark
    from shared.clock import utc_now

    found = asyncio.run(_open(here()))
    chosen = found.chosen(_choice(topic, reason, tenant))
    shown = chosen[:limit]
    if as_json:
        print_json([entry_told(entry) for entry in shown])
    elif shown:
        show_table(shown, utc_now())
    else:
        remark("No dead letters are open.")
    if len(shown) < len(chosen):
        remark(f"{len(shown)} of {len(chosen):,}; -n shows more.")
    if found.unreadable:
        remark(f"{found.unreadable:,} records of the topic are no dead letters; left out.")


@dead_letters.command("show")
def show_letter(
    letter: Annotated[str, typer.Argument(metavar="ID", help="As `list` names it.", show_default=False)],
    value: Annotated[bool, typer.Option("--value", help="Only the record's own bytes, as they came.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Show a dead letter: where it came from, why it was set aside, and the record itself.

    \b
    Examples:
      sluice dead-letters show sluice.submit.v1/3/17
      sluice dead-letters show sluice.submit.v1/3/17 --value | jq -c '.body.model = "gpt-4o"' | sluice submit -
    """
    from cli.environment import here
    from cli.letters.showing import record_told, show_record
    from cli.printing import print_json
    from shared.clock import utc_now

    entry, record = asyncio.run(_record(here(), letter))
    if value:
        sys.stdout.buffer.write(record.value)
        sys.stdout.flush()
    elif as_json:
        print_json(record_told(entry, record))
    else:
        show_record(entry, record, utc_now())


@dead_letters.command("replay")
def replay_letters(
    ids: Ids = None,
    everything: All = False,
    topic: Topic = None,
    reason: Reason = None,
    tenant: Tenant = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each.")] = False,
) -> None:
    """Put records back on the topics they came from, when what was in their way has been mended.

    Key, bytes and headers are the original ones; the header sluice-replayed says how often it has happened,
    sluice-replay-of where the record was. A record of a submit topic becomes a new job. Who interrupts this may find a
    record put back and its letter still open, never the other way round. Exit code 4 when one could not be replayed.

    \b
    Examples:
      sluice dead-letters replay sluice.submit.v1/3/17
      sluice dead-letters replay --all --reason refused --tenant acme
    """
    from cli.environment import here
    from cli.letters.rounds import replay_all

    environment = here()
    entries, unknown = _picked(asyncio.run(_open(environment)), ids, _choice(topic, reason, tenant), everything)
    tally = _Tally("replayed", as_json)
    asyncio.run(replay_all(environment.kafka, _topic(environment), entries, tally.take))
    tally.conclude(len(entries), unknown)


@dead_letters.command("drop")
def drop_letters(
    ids: Ids = None,
    everything: All = False,
    topic: Topic = None,
    reason: Reason = None,
    tenant: Tenant = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before dropping more than is named.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each.")] = False,
) -> None:
    """Drop dead letters: they are no longer listed, and cannot be replayed.

    Kafka deletes no single record, so the decision is written behind the letter: its bytes leave the disk when the
    broker next compacts the topic, at the latest with the topic's retention. Exit code 4 when one could not be dropped.

    \b
    Examples:
      sluice dead-letters drop sluice.submit.v1/3/17
      sluice dead-letters drop --all --reason undecodable --yes
    """
    from cli.environment import here
    from cli.letters.rounds import drop_all

    environment = here()
    entries, unknown = _picked(asyncio.run(_open(environment)), ids, _choice(topic, reason, tenant), everything)
    if everything and entries and not yes:
        _confirm(len(entries))
    tally = _Tally("dropped", as_json)
    asyncio.run(drop_all(environment.kafka, _topic(environment), entries, tally.take))
    tally.conclude(len(entries), unknown)


@dataclass(slots=True)
class _Tally:
    word: str
    as_json: bool
    done: int = 0

    def take(self, outcome: "Outcome") -> None:
        from cli.printing import complain, print_json_line, say

        letter = outcome.entry.id
        if outcome.trouble is None:
            self.done += 1
        if self.as_json:
            status = {"status": "failed", "error": outcome.trouble} if outcome.trouble else {"status": self.word}
            print_json_line({"id": letter, **status, **({"record": outcome.record} if outcome.record else {})})
        elif outcome.trouble:
            complain(f"{letter}: {outcome.trouble}")
        else:
            say(f"{letter}  {self.word}{f' to {outcome.record}' if outcome.record else ''}")

    def conclude(self, asked: int, unknown: int) -> None:
        """Ends with exit code 4 when not all of them were done."""
        from cli.printing import remark

        if asked != 1 or unknown:
            remark(f"{self.done:,} of {asked + unknown:,} {self.word}.")
        if self.done < asked or unknown:
            raise typer.Exit(ExitCode.SOME_FAILED)


def _topic(environment: "Environment") -> str:
    from shared.topics import DEAD_LETTERS

    return DEAD_LETTERS.at(environment.topic_prefix)


async def _open(environment: "Environment") -> "OpenLetters":
    from cli.letters.topic import open_letters

    return await open_letters(environment.kafka, _topic(environment))


async def _record(environment: "Environment", letter: str) -> "tuple[Entry, Original]":
    from cli.letters.original import original
    from cli.letters.topic import contents
    from shared.errors import OperatorError

    found = await _open(environment)
    if letter not in found.entries:
        raise OperatorError(_absence(found, letter))
    async for entry, content in contents(environment.kafka, _topic(environment), [found.entries[letter]]):
        return entry, await original(environment.kafka, content)
    raise OperatorError(f"{letter} was removed just now.")


def _choice(topic: str | None, reason: str | None, tenant: str | None) -> "Choice":
    from cli.letters.open_letters import Choice
    from shared.contracts import DeadLetterReason

    try:
        return Choice(topic, DeadLetterReason(reason) if reason else None, tenant)
    except ValueError:
        raise typer.BadParameter(f"--reason: {reason!r} is none of {', '.join(DeadLetterReason)}.") from None


def _picked(
    found: "OpenLetters", ids: Sequence[str] | None, choice: "Choice", everything: bool
) -> "tuple[list[Entry], int]":
    """The letters, the oldest first, and how many of the ids are none; each of those is told."""
    from cli.letters.open_letters import Choice
    from cli.printing import complain

    if everything == bool(ids):
        raise typer.BadParameter("Name the letters by their ids, or say --all.")
    if everything:
        return found.chosen(choice)[::-1], 0
    if choice != Choice():
        raise typer.BadParameter("--topic, --reason and --tenant go with --all.")
    wanted = dict.fromkeys(ids or ())
    absent = [letter for letter in wanted if letter not in found.entries]
    for letter in absent:
        complain(_absence(found, letter))
    return [found.entries[letter] for letter in wanted if letter in found.entries], len(absent)


def _absence(found: "OpenLetters", letter: str) -> str:
    from cli.instants import ago
    from shared.clock import utc_now

    decided = found.decided.get(letter)
    if decided is None:
        return f"There is no dead letter {letter!r}; `sluice dead-letters list` shows those that are open."
    return f"{letter} was {decided.decision} {ago(decided.at, utc_now())}."


def _confirm(count: int) -> None:
    """Asks a person; a script has to have said it."""
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"--all drops {count:,} letters: say --yes if that is meant.")
    typer.confirm(f"Drop {count:,} dead letters?", abort=True, err=True)
