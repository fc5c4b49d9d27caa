"""What is told of a run: the command to see it again, the history of what went wrong, and its row in the documents."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from chaos.facts import Facts
from chaos.history import Logs, history
from chaos.outcome import Outcome, outcome_of, suspects
from chaos.record import row, with_row
from chaos.report import as_json, print_report
from chaos.schedule import Act
from tests.suites.chaos import JOB, LATER, a_strike, good_run, tampered


def outcome(facts: Facts) -> Outcome:
    return outcome_of(facts, seed=7, seconds=600, scale=1)


def test_a_good_run_holds_and_a_tampered_one_does_not() -> None:
    assert outcome(good_run()).holds
    assert not outcome(tampered(endings=())).holds
    assert outcome(good_run()).command == "python -m chaos --seconds 600 --seed 7 --scale 1"


def test_the_history_of_a_job_tells_what_everybody_saw_in_its_order(tmp_path: Path) -> None:
    line = orjson.dumps({"at": "1970-01-01T00:16:41.500000Z", "event": "attempt_failed", "job": f"job_{'0' * 32}"})
    (tmp_path / "worker-1.log").write_bytes(line.replace(b"job_" + b"0" * 32, f"job_{'0' * 32}".encode()) + b"\n")
    facts = tampered(strikes=(a_strike(Act.KILL, "worker-3", LATER),))
    told = history(facts, Logs.read(tmp_path, {JOB}), {JOB: {"owner": "worker-1"}}, JOB)
    text = "\n".join(told)
    for word in ("submitter", "jobs topic", "provider", "results topic", "ledger", "FAULT", "its offset is committed"):
        assert word in text
    assert "'owner': 'worker-1'" in text
    assert "1-1 started, 1-2..1-3 delta, 1-4 done" in text
    times = [float(line.split()[0]) for line in told[1:-2]]
    assert times == sorted(times)


def test_a_log_line_belongs_to_the_job_it_names(tmp_path: Path) -> None:
    job = f"job_{'a' * 32}"
    (tmp_path / "ingress-1.log").write_text(
        f'{{"at":"2026-01-01T00:00:00Z","event":"one","job_id":"{job}"}}\nnot JSON {job}\n{{"event":"other"}}\n'
    )
    lines = Logs.read(tmp_path, {job}).lines
    assert [(moment.who, moment.what) for moment in lines[job]] == [("ingress-1", "one ")]


def test_the_suspects_are_the_jobs_of_the_findings() -> None:
    assert suspects(good_run()) == []
    assert suspects(tampered(endings=())) == [JOB]


def test_the_report_names_what_does_not_hold() -> None:
    console = Console(record=True, width=200, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    print_report(console, outcome(tampered(endings=())))
    text = console.export_text()
    assert "was accepted and never ended" in text
    assert "Does not hold: every accepted job ended" in text
    console.file.close()


def test_the_json_is_whole() -> None:
    told = orjson.loads(as_json(outcome(tampered(endings=()))))
    assert (told["holds"], told["jobs_lost"], told["seed"]) == (False, 1, 7)
    assert any(finding["job"] == JOB for verdict in told["verdicts"] for finding in verdict["findings"])


PAGE = """# Reliability

<!-- runs: written by `python -m chaos --record` -->
| Date | Seed |
| --- | --- |
| before | 1 |

After.
"""


def test_a_run_is_recorded_on_top_of_the_table() -> None:
    new = row(outcome(good_run()), datetime(2026, 11, 21, tzinfo=UTC))
    lines = with_row(PAGE, new).splitlines()
    at = lines.index("| --- | --- |") + 1
    assert lines[at].startswith("| 2026-11-21 |")
    assert lines[at + 1] == "| before | 1 |"
    assert "all hold" in lines[at]


def test_a_run_that_lost_something_says_so_in_its_row() -> None:
    assert "**off:** every accepted job ended exactly once" in row(
        outcome(tampered(endings=())), datetime(2026, 11, 21, tzinfo=UTC)
    )


def test_a_page_without_the_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="no table"):
        with_row("# Reliability\n", "| x |\n")
