"""What `sluice submit` makes of a file: lines with numbers, each in once, whatever was in between."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.submission.board import Outcome
from cli.submission.door import Accepted, Fate, RefusedLine, Unknown
from cli.submission.journal import Became, journal_path, opened_journal
from cli.submission.lines import BadLine, Line, read_lines
from cli.submission.run import Submission
from cli.submission.waiting import Ending
from shared.errors import OperatorError

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Grüß Gott"}]}
BARE = json.dumps(BODY).encode()
BATCH = json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": BODY}).encode()


def good(*lines: bytes, model: str | None = None) -> list[Line]:
    found = list(read_lines(lines, model))
    assert all(isinstance(line, Line) for line in found)
    return [line for line in found if isinstance(line, Line)]


def test_batch_lines_and_bare_bodies_are_sent_as_they_stand() -> None:
    batch, bare = good(BATCH + b"\n", b"\n", b"  " + BARE)

    assert (batch.number, batch.raw, batch.custom_id) == (1, BATCH, "a")
    assert (bare.number, bare.raw, bare.custom_id) == (3, BARE, None)


def test_another_model_takes_the_place_of_each_lines_own() -> None:
    batch, bare = good(BATCH, BARE, model="gpt-5")

    assert json.loads(batch.raw) == {**json.loads(BATCH), "body": {**BODY, "model": "gpt-5"}}
    assert json.loads(bare.raw) == {**BODY, "model": "gpt-5"}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"a" 1}', "not JSON: Expecting ':' delimiter at column 6"),
        (b"\xff\xfe", "not JSON: "),
        (b"[]", "not a JSON object"),
        (b'{"custom_id": "a", "body": 5}', "a batch line without a body"),
        (b'{"custom_id": "a"}', "a batch line without a body"),
    ],
)
def test_a_line_that_can_be_no_request_is_told_and_stops_none_behind_it(line: bytes, why: str) -> None:
    bad, behind = read_lines([line, BARE], None)

    assert isinstance(bad, BadLine)
    assert (bad.number, bad.why[: len(why)]) == (1, why)
    assert isinstance(behind, Line)


@given(st.lists(st.sampled_from([BATCH, BARE, BARE + b" "]), max_size=12))
def test_every_line_of_a_file_has_a_fingerprint_of_its_own_in_every_reading(lines: list[bytes]) -> None:
    prints = [line.fingerprint for line in good(*lines)]

    assert len(set(prints)) == len(prints)
    assert prints == [line.fingerprint for line in good(*lines)]


def test_a_journal_is_remembered_up_to_where_its_writer_was_killed(tmp_path: Path) -> None:
    path = journal_path(tmp_path / "new", Path("f.jsonl"), "here")
    with opened_journal(path) as journal:
        journal.note("one", Became("job_1", None))
        journal.note("two", Became(None, "t/0/1"))
    with path.open("a") as file:
        file.write('["three", "jo')

    with opened_journal(path) as journal:
        assert journal.accepted == {"one": Became("job_1", None), "two": Became(None, "t/0/1")}


def test_another_destination_is_another_submission(tmp_path: Path) -> None:
    file = Path("f.jsonl")

    assert journal_path(tmp_path, file, "gateway a") != journal_path(tmp_path, file, "gateway b")
    assert journal_path(tmp_path, file, "a") == journal_path(tmp_path, file.absolute(), "a")


@dataclass(slots=True)
class ADoor:
    """Takes what it is told to, and breaks where it is told to."""

    fates: dict[int, Callable[[Line], Fate]] = field(default_factory=dict)
    breaks_before: int | None = None
    seen: list[int] = field(default_factory=list)
    submissions: list[str] = field(default_factory=list)

    def send(self, lines: Iterable[Line], settled: Callable[[Fate], None], submission: str) -> None:
        self.submissions.append(submission)
        for line in lines:
            if line.number == self.breaks_before:
                raise OperatorError("The door is shut.")
            self.seen.append(line.number)
            settled(self.fates.get(line.number, lambda line: Accepted(line, f"job_{line.number}"))(line))


@dataclass(slots=True)
class ABoard:
    outcomes: list[Outcome] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)

    def line(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def wait_for(self, jobs: int) -> None: ...

    def end(self, ending: Ending) -> None:
        self.endings.append(ending)


class EveryOtherSucceeds:
    def wait(self, jobs: Iterable[Accepted], ended: Callable[[Ending], None], give_up_at: float) -> bool:
        for at, job in enumerate(jobs):
            ended(Ending(job, "failed" if at % 2 else "succeeded", None))
        return True


FILE = [BARE, b"oops", BATCH, BARE]


def submitted(tmp_path: Path, door: ADoor, board: ABoard) -> Submission:
    with opened_journal(tmp_path / "journal") as journal:
        submission = Submission(journal, board)
        submission.send(read_lines(FILE, None), door)
    return submission


def test_a_second_run_sends_only_what_is_not_in(tmp_path: Path) -> None:
    with pytest.raises(OperatorError):
        submitted(tmp_path, ADoor(breaks_before=3), ABoard())

    door, board = ADoor(), ABoard()
    submission = submitted(tmp_path, door, board)
    assert door.seen == [3, 4]
    assert [outcome.status for outcome in board.outcomes] == ["queued earlier", "refused", "queued", "queued"]
    assert submission.tally.told() == "3 of 4 lines accepted, 1 of them by an earlier run, 1 refused."
    assert not submission.tally.is_whole


def test_a_submission_has_one_name_until_all_of_it_is_in(tmp_path: Path) -> None:
    first, second = ADoor(), ADoor()
    submitted(tmp_path, first, ABoard())
    submitted(tmp_path, second, ABoard())
    assert first.submissions == second.submissions

    (tmp_path / "journal").unlink()
    other = ADoor()
    submitted(tmp_path, other, ABoard())
    assert other.submissions != first.submissions


def test_lines_that_were_refused_or_got_no_answer_are_sent_again(tmp_path: Path) -> None:
    first = ADoor({1: lambda line: RefusedLine(line, "no"), 3: lambda line: Unknown(line, "it broke")})
    submission = submitted(tmp_path, first, ABoard())
    assert (submission.tally.refused, submission.tally.unknown) == (2, 1)

    again = ADoor()
    submitted(tmp_path, again, ABoard())
    assert again.seen == [1, 3]


def test_the_jobs_of_earlier_runs_are_waited_for_as_well(tmp_path: Path) -> None:
    submitted(tmp_path, ADoor(), ABoard())
    board = ABoard()
    submission = submitted(tmp_path, ADoor(), board)

    assert submission.wait(EveryOtherSucceeds(), 0.0)
    assert [ending.accepted.job for ending in board.endings] == ["job_1", "job_3", "job_4"]
    assert submission.tally.told().endswith("2 succeeded, 1 did not.")


def test_a_name_of_more_than_one_line_is_told(tmp_path: Path) -> None:
    with opened_journal(tmp_path / "journal") as journal:
        submission = Submission(journal, ABoard())
        submission.send(read_lines([BATCH, BARE, BARE], None), ADoor())
        assert submission.tally.shared_name is None
        submission.send(read_lines([BATCH], None), ADoor())

    assert submission.tally.shared_name == "a"


def test_a_file_that_cannot_be_read_is_told(sluice) -> None:
    told = sluice("submit", "nowhere.jsonl")

    assert (told.code, told.err) == (1, "sluice: nowhere.jsonl cannot be read: No such file or directory.\n")
