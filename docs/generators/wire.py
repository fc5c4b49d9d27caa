"""The reference of the topics and of what travels on them: from the table of topics and from the contracts' schemas."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.generators.docstrings import field_docs
from docs.generators.markdown import NOTICE, code, codes, sentence, table
from docs.generators.schemas import kind
from shared import contracts
from shared.contracts import AttemptSummary, BlobRef, JobError, JsonObject, PlanEntry, Reserved, TokenUsage, WireModel
from shared.topics import TOPICS, Topic

__all__ = ["page"]

_ROOT: Final = Path(__file__).parents[2]
_PARTS: Final[tuple[type[BaseModel], ...]] = (TokenUsage, AttemptSummary, PlanEntry, JobError, BlobRef, Reserved)

_PREFACE: Final = """\
# Topics

Made by whichever process comes first, from [`shared/topics.py`](../shared/topics.py); a topic that exists is never
changed, a difference is logged as `topic_differs`
([test](../tests/integration/test_kafka_topics.py)). `SLUICE_TOPIC_PREFIX` goes before every name. The replication is
the broker's own default."""

_HEADERS: Final = """\
## Record headers

| header | on | meaning |
| --- | --- | --- |
| `traceparent`, `tracestate` | any | W3C trace context; a job continues the trace of its submission |
| `sluice-lane` | submit topics | `interactive` or `batch`, instead of the topic's own |
| `sluice-deadline` | submit topics | seconds after which the job expires, counted from when it may begin |
| `sluice-not-before` | submit topics | when the job may begin, a moment with its time zone |
| `sluice-on-interrupt` | submit topics | `restart`, `fail` or `continue` |
| `sluice-feature` | submit topics | the feature that asks; a dimension of the usage tables |
| `sluice-replayed` | any | how many times the record was put back out of the dead letters |
| `sluice-replay-of` | any | where it was before: topic/partition/offset |
| `sluice-decision` | dead letters | `replayed` or `dropped`: what was done about the letter of the same key |

## Consumer groups

With the namespace `sluice` (`SLUICE_NAMESPACE`): `sluice.submissions` (ingress), `sluice.workers.interactive` and
`sluice.workers.batch` (router_worker), `sluice.accounting.usage`, `sluice.accounting.results` and
`sluice.accounting.jobs` (accounting). Read results and usage with a group of your own.

## Contracts

JSON in UTF-8. A reader ignores fields it does not know; a contract may gain an optional field within its version, and
anything else is a new version. The bytes are held by [golden files](../tests/wire/test_golden.py)."""


def page() -> str:
    rows = [
        (
            code(topic.name),
            ", ".join(f"[{name}](#{name.lower()})" for name in _names(topic)),
            topic.key,
            str(topic.partitions),
            _days(topic.retention),
            topic.purpose,
        )
        for topic in TOPICS
    ]
    headings = ("topic", "contract", "key", "partitions", "kept", "purpose")
    parts = [NOTICE, _PREFACE, table(headings, rows), _HEADERS]
    for contract in dict.fromkeys(each for topic in TOPICS for each in (topic.contract, *topic.also)):
        parts += [*_described(contract), *_example(contract)]
    parts.append("## Parts of contracts")
    for part in _PARTS:
        parts += _described(part)
    return "\n\n".join(parts) + "\n"


def _described(contract: type[BaseModel]) -> Iterator[str]:
    yield f"### {contract.__name__}"
    schema = cast("JsonObject", contract.model_json_schema(mode="serialization"))
    if contract.__doc__:
        yield sentence(contract.__doc__)
    meanings = field_docs(contract)
    always = {name for name, field in contract.model_fields.items() if _is_always_there(contract, field)}
    yield table(
        ("field", "type", "always there", "meaning"),
        [
            (code(name), kind(of, _named), "yes" if name in always else "", meanings.get(name, ""))
            for name, of in cast("dict[str, JsonObject]", schema["properties"]).items()
        ],
    )


def _is_always_there(contract: type[BaseModel], field: FieldInfo) -> bool:
    """What Sluice writes has every field that is not null; what it reads needs no more than what is required."""
    return field.is_required() or (issubclass(contract, WireModel) and field.default is not None)


def _example(contract: type[BaseModel]) -> Iterator[str]:
    kebab = re.sub(r"(?<!^)(?=[A-Z])", "-", contract.__name__).lower()
    path = f"tests/wire/golden/{kebab}.v1.json"
    example = json.loads((_ROOT / path).read_text(encoding="utf-8"))
    yield f"[`{Path(path).name}`](../{path}), formatted:"
    yield f"```json\n{json.dumps(example, indent=2, ensure_ascii=False)}\n```"


def _names(topic: Topic) -> list[str]:
    return [contract.__name__ for contract in (topic.contract, *topic.also)]


def _days(span: timedelta) -> str:
    return f"{span.days} days"


def _named(name: str) -> str:
    """A part by a link, an enumeration by its values."""
    if name in {part.__name__ for part in _PARTS}:
        return f"[{name}](#{name.lower()})"
    return codes(str(each) for each in getattr(contracts, name))
