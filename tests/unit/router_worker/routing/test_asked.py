"""What of a job rules and limits go by."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.router_worker.routing.asked import Asked, asked_of
from shared.config.rules import Use
from shared.contracts import Door, Interruption, Job, Lane
from shared.ids import JobId

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def asked(**body: Any) -> Asked:
    return asked_of(
        Job(
            id=JobId("job_01938f7cf2007abc8def0123456789ab"),
            tenant="acme",
            team="search",
            caller="web",
            door=Door.JOBS,
            lane=Lane.BATCH,
            model="m",
            body=body,
            streamed=False,
            on_interrupt=Interruption.RESTART,
            tags={"kind": "pii"},
            labels={"region": "eu"},
            input_tokens=7,
            accepted_at=NOW,
            deadline=NOW + timedelta(hours=1),
        )
    )


def test_what_the_job_says_of_itself_is_read() -> None:
    assert asked(max_tokens=9) == Asked("m", "acme", "search", {"kind": "pii"}, {"region": "eu"}, frozenset(), 7, 9)


@pytest.mark.parametrize(
    ("body", "use"),
    [
        ({"tools": [{"type": "function"}]}, Use.TOOLS),
        ({"stream": True}, Use.STREAM),
        ({"response_format": {"type": "json_schema"}}, Use.JSON_SCHEMA),
        ({"messages": [{"content": [{"type": "text"}, {"type": "image_url"}]}]}, Use.IMAGES),
        ({"messages": [{"content": [{"type": "input_audio"}]}]}, Use.AUDIO),
        ({"messages": [{"content": [{"type": "file"}]}]}, Use.FILES),
    ],
)
def test_what_a_request_makes_use_of_is_seen(body: dict[str, Any], use: Use) -> None:
    assert asked(**body).uses == {use}


@pytest.mark.parametrize("messages", [None, "text", [None], [{"content": None}], [{"content": ["text", {"type": []}]}]])
def test_what_is_no_message_makes_use_of_nothing(messages: Any) -> None:
    assert asked(messages=messages).uses == frozenset()
