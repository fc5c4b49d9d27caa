"""The bytes on the wire do not change by accident: a record of last year is read today, and one of today last year.

When a test here is red, the wire has changed. A new optional field is a new golden file beside the old one, which must
still be read; anything else is a new version of the contract.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.contracts import BatchLine, Lane, WireModel
from shared.topics import TOPICS
from tests.wire.contracts import EXAMPLES

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.json").read_bytes().removesuffix(b"\n")


def is_full(model: WireModel) -> bool:
    return all(getattr(model, field) not in (None, "", (), {}) for field in type(model).model_fields)


def models_within(value: object) -> Iterator[WireModel]:
    if isinstance(value, WireModel):
        yield value
        for field in type(value).model_fields:
            yield from models_within(getattr(value, field))
    elif isinstance(value, tuple):
        for item in value:
            yield from models_within(item)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_message_is_written_byte_for_byte_as_ever(name: str) -> None:
    assert EXAMPLES[name].to_bytes() == golden(name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_message_is_read_as_ever(name: str) -> None:
    assert type(EXAMPLES[name]).model_validate_json(golden(name)) == EXAMPLES[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_fields_of_a_later_release_are_ignored(name: str) -> None:
    later = json.loads(golden(name)) | {"a_field_of_tomorrow": {"x": [1]}}

    assert type(EXAMPLES[name]).model_validate_json(json.dumps(later)) == EXAMPLES[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_another_version_of_the_contract_is_refused(name: str) -> None:
    other = json.loads(golden(name)) | {"schema_version": 2}

    with pytest.raises(ValidationError, match="schema_version"):
        type(EXAMPLES[name]).model_validate_json(json.dumps(other))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_optional_fields_may_be_missing(name: str) -> None:
    example = EXAMPLES[name]
    optional = {field for field, about in type(example).model_fields.items() if not about.is_required()}
    sparse = {field: value for field, value in json.loads(golden(name)).items() if field not in optional}

    read = type(example).model_validate_json(json.dumps(sparse))

    assert read.model_dump(include=set(sparse)) == example.model_dump(include=set(sparse))
    assert b"null" not in read.model_copy(update={"body": {}}).to_bytes()


@pytest.mark.parametrize("contract", sorted({type(example) for example in EXAMPLES.values()}, key=str))
def test_some_golden_file_of_a_contract_sets_every_field(contract: type[WireModel]) -> None:
    examples = [example for example in EXAMPLES.values() if type(example) is contract]
    assert any(all(is_full(model) for model in models_within(example)) for example in examples)


def test_every_contract_of_a_topic_has_a_golden_file() -> None:
    covered = {type(example) for example in EXAMPLES.values()} | {BatchLine}

    assert {each for topic in TOPICS for each in (topic.contract, *topic.also)} <= covered


def test_every_golden_file_is_compared() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {*EXAMPLES, "batch-line.v1", "job-facts.v1"}


def test_a_line_of_an_openai_batch_file_is_read_as_people_write_it() -> None:
    line = BatchLine.model_validate_json(golden("batch-line.v1"))

    assert (line.custom_id, line.url) == ("request-1", "/v1/chat/completions")
    assert line.body["max_tokens"] == 1000


def test_a_batch_line_of_another_endpoint_is_refused() -> None:
    other = json.loads(golden("batch-line.v1")) | {"url": "/v1/moderations"}

    with pytest.raises(ValidationError, match="url"):
        BatchLine.model_validate_json(json.dumps(other))


def test_lanes_are_named_as_their_topics_are() -> None:
    assert {lane.value for lane in Lane} == {"interactive", "batch"}
