"""`sluice route explain`: the plan of a request, from the configuration alone."""

from pathlib import Path

import pytest

from cli.exit_codes import ExitCode

CONFIG = """\
tenants: {acme: {}, other: {}}
providers:
  north: {base_url: "http://north/v1"}
  south: {base_url: "http://south/v1"}
models:
  m:
    deployments: [{provider: north, region: us, context_window: 50}, {provider: south, region: eu}]
    strategy: round-robin
    fallbacks_for: {outage: [spare]}
  spare: {deployments: [{provider: north}]}
rules: [{name: acme-in-europe, tenants: [acme], only: {regions: [eu]}}]
"""


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    (tmp_path / "sluice.yaml").write_text(CONFIG)
    path = tmp_path / "request.json"
    path.write_text('{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}')
    return path


def test_a_plan_is_replayed_from_a_file(sluice, request_file: Path) -> None:
    told = sluice("route", "explain", "request.json", "--tenant", "other")

    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines() == [
        "spare    north/m for m: number 1 by round-robin",
        "spare    south/m for m: number 2 by round-robin",
        "spare    north/spare for spare: fallback, only after outage",
    ]


def test_the_turn_can_be_chosen(sluice, request_file: Path) -> None:
    told = sluice("route", "explain", "request.json", "--turn", "1")

    assert told.out.splitlines()[0] == "spare    south/m for m: number 1 by round-robin"


def test_whom_a_rule_or_a_window_keeps_away_is_told_with_the_reason(sluice, request_file: Path) -> None:
    by_rule = sluice("route", "explain", "request.json", "--tenant", "acme")
    assert "skipped  north/m for m: the rule 'acme-in-europe' allows others only" in by_rule.out
    request_file.write_text('{"model": "m", "max_tokens": 60, "messages": [{"role": "user", "content": "Hi"}]}')
    by_window = sluice("route", "explain", "request.json")
    assert "skipped  north/m for m: The context window has 50 tokens" in by_window.out


def test_a_model_that_nobody_serves_is_told(sluice, request_file: Path) -> None:
    request_file.write_text('{"model": "gone", "messages": [{"role": "user", "content": "Hi"}]}')

    assert "no such model in the configuration" in sluice("route", "explain", "request.json").out


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_what_is_no_request_is_told(sluice, request_file: Path, text: str) -> None:
    request_file.write_text(text)
    told = sluice("route", "explain", "request.json")

    assert told.code == ExitCode.SETUP
    assert told.err.startswith("sluice: request.json: ")


def test_what_is_neither_a_file_nor_a_job_is_told(sluice, request_file: Path) -> None:
    told = sluice("route", "explain", "nowhere.json")

    assert told.code == ExitCode.SETUP
    assert "neither the id of a job nor a file" in told.err


def test_a_request_for_embeddings_is_planned_as_one(sluice, request_file: Path, tmp_path: Path) -> None:
    models = "models: {e: {deployments: [{provider: claude}, {provider: north}], context_window: 10}}"
    claude = 'providers: {claude: {base_url: "http://claude/v1", dialect: anthropic}, north: {base_url: "http://n/v1"}}'
    (tmp_path / "sluice.yaml").write_text(f"{claude}\n{models}\n")
    request_file.write_text('{"model": "e", "input": ["many words together, more than", "ten tokens of them all"]}')

    assert [line.split()[:2] for line in sluice("route", "explain", "request.json").out.splitlines()] == [
        ["spare", "north/e"],
        ["skipped", "claude/e"],
    ]
