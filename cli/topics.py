"""`sluice topics`: what Kafka holds of Sluice, and who has still to read it."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.environment import Environment
    from cli.topic_states import TopicState
    from shared.kafka import Difference, TopicsReport
    from shared.topics import Topic

__all__ = ["topics"]

topics = typer.Typer(help="List and create the topics.", no_args_is_help=True, rich_markup_mode=None)


@topics.command("list")
def list_topics(
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON array, with what each topic is for.")] = False,
) -> None:
    """List the topics: what each holds, how long it is kept, and how far behind its readers are.

    The lag of a consumer group is what it has not finished: behind the job topics it counts the jobs that wait or run.
    Exit code 1 when a topic is missing.

    \b
    Examples:
      sluice topics list
      sluice topics list --json | jq '.[] | {topic, lag}'
    """
    from cli.environment import here
    from cli.printing import print_json, remark
    from cli.topic_states import topic_states

    environment = here()
    table = {topic.at(environment.topic_prefix): topic for topic in _table(environment)}
    states = asyncio.run(topic_states(environment.kafka, table))
    if as_json:
        print_json([_told(state) for state in states])
    else:
        _show(states)
    missing = sum(not state.partitions for state in states)
    if missing:
        remark(f"{missing} of them {'is' if missing == 1 else 'are'} missing: `sluice topics create` makes them.")
        raise typer.Exit(ExitCode.SETUP)


@topics.command("create")
def create_topics(
    as_json: Annotated[bool, typer.Option("--json", help="What was done as one JSON object.")] = False,
) -> None:
    """Create the topics that are missing, those that the configuration binds to callers among them.

    A topic that exists is never changed; where it differs from what would have been made, that is told. The services
    do the same when they start, so this is for those who create topics with rights that the services do not have.

    \b
    Examples:
      sluice topics create
      KAFKA_URL=kafka-1:9092 sluice topics create --json
    """
    from cli.environment import here
    from cli.kafka import access, told
    from cli.printing import print_json, remark, say
    from shared.kafka import ensure_topics

    environment = here()
    with told(environment.kafka):
        ensuring = ensure_topics(access(environment.kafka), environment.topic_prefix, _table(environment))
        report = asyncio.run(ensuring)
    if as_json:
        print_json(_report(report))
        return
    for name in report.created:
        say(f"{name}  created")
    for name in report.existing:
        say(f"{name}  exists")
    for difference in report.differences:
        remark(_sentence(difference))


def _table(environment: "Environment") -> "Sequence[Topic]":
    """Whoever has no configuration at hand has no topics bound in it."""
    from cli.printing import remark
    from shared.config import ConfigError, load_config
    from shared.topics import TOPICS, with_submit_topics

    if not environment.config.exists():
        return TOPICS
    try:
        return with_submit_topics(load_config(environment.config, environment.variables).submit_topics)
    except ConfigError as error:
        remark(
            f"Without the topics that {environment.config} binds, since it is not right: {error.problems[0].message}"
        )
        return TOPICS


def _show(states: "Sequence[TopicState]") -> None:
    from cli.printing import print_table

    rows = [
        (
            state.name,
            str(state.partitions or "missing"),
            f"{state.records:,}" if state.partitions else "-",
            _days(state.retention),
            ", ".join(f"{group} {lag:,}" for group, lag in state.lag.items()) or "-",
        )
        for state in states
    ]
    print_table(("TOPIC", "PARTITIONS", "RECORDS", "KEPT", "LAG"), rows, right=("PARTITIONS", "RECORDS", "KEPT"))


def _days(span: timedelta | None) -> str:
    return f"{span / timedelta(days=1):.3g}d" if span is not None else "ever"


def _told(state: "TopicState") -> dict[str, object]:
    return {
        "topic": state.name,
        "exists": state.partitions > 0,
        "partitions": state.partitions,
        "records": state.records,
        "retention_seconds": state.retention.total_seconds() if state.retention is not None else None,
        "lag": state.lag,
        "contract": state.topic.contract.__name__,
        "key": state.topic.key,
        "purpose": state.topic.purpose,
    }


def _report(report: "TopicsReport") -> dict[str, object]:
    differences = [
        {"topic": each.topic, "setting": each.setting, "wanted": each.wanted, "found": each.found}
        for each in report.differences
    ]
    return {"created": report.created, "existing": report.existing, "differences": differences}


def _sentence(difference: "Difference") -> str:
    return (
        f"{difference.topic}: {difference.setting} is {difference.found}, and Sluice would have made it "
        f"{difference.wanted}. It is left as it is."
    )
