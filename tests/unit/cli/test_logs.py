"""`sluice logs`: lines in words, files read from their end, and the names of those there are."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.exit_codes import ExitCode
from cli.log_files import LogFile
from cli.log_lines import as_json, as_sentence, as_text

EVENT = '{"at":"2026-11-21T12:22:55.972044Z","level":"warning","event":"away","server":"kafka","why":"no answer","n":3}'


def test_an_event_is_told_in_words() -> None:
    assert as_text(EVENT) == '12:22:55.972 warning away  server=kafka why="no answer" n=3'


def test_a_traceback_stands_on_lines_of_its_own() -> None:
    line = json.dumps({"at": "2026-11-21T12:22:55Z", "level": "error", "event": "broke", "exception": "Traceback\n  x"})

    assert as_text(line).splitlines()[1:] == ["Traceback", "  x"]


def test_in_an_error_an_event_is_itself_and_the_end_of_its_traceback() -> None:
    fault = json.dumps({"level": "critical", "event": "fault", "exception": 'Traceback\n  File "x"\nKeyError: 5\n'})

    assert as_sentence(fault) == "fault: KeyError: 5"
    assert as_sentence(EVENT) == "away"
    assert as_sentence("plain words") == "plain words"


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"])))
def test_a_line_that_is_no_event_stands_as_it_is(line: str) -> None:
    assert as_text(line) == line
    assert as_json(line, "kafka") == {"service": "kafka", "line": line}


def test_an_event_as_json_names_the_process_and_not_its_kind() -> None:
    assert as_json('{"event":"x","service":"router_worker"}', "worker-2") == {"event": "x", "service": "worker-2"}


@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b"")), max_size=30))
def test_the_last_lines_and_those_added_are_all_lines_once(tmp_path_factory, lines: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("log") / "a.log"
    half = len(lines) // 2
    path.write_bytes(b"".join(line + b"\n" for line in lines[:half]))
    file = LogFile(path)

    before = file.last(1000)
    with path.open("ab") as more:
        more.write(b"".join(line + b"\n" for line in lines[half:]))

    assert before + file.added() == [line.decode(errors="replace") for line in lines]


def test_a_line_that_is_still_being_written_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("one\ntw")
    file = LogFile(path)

    assert file.last(5) == ["one"]
    with path.open("a") as more:
        more.write("o\nthree")
    assert file.added() == ["two"]


def test_a_long_log_is_read_from_its_end_only(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("".join(f"{number:>60}\n" for number in range(20_000)))

    assert LogFile(path).last(2) == [f"{19_998:>60}", f"{19_999:>60}"]


def test_a_log_that_was_put_aside_is_read_from_the_beginning_of_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("old\n")
    file = LogFile(path)
    file.last(5)

    path.rename(tmp_path / "a.log.1")
    assert file.added() == []
    path.write_text("new\n")
    assert file.added() == ["new"]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / ".sluice" / "logs"
    folder.mkdir(parents=True)
    (folder / "ingress.log").write_text(EVENT + "\n")
    (folder / "kafka.log").write_text("started\n")
    return folder


def test_one_service_alone_is_shown_without_its_name(sluice, logs: Path) -> None:
    assert sluice("logs", "kafka").out == "started\n"


def test_all_of_them_are_shown_with_their_names(sluice, logs: Path) -> None:
    told = sluice("logs")

    assert [line.partition(" | ")[0] for line in told.out.splitlines()] == ["ingress", "kafka  "]


def test_as_json_every_line_is_an_object(sluice, logs: Path) -> None:
    assert [each["service"] for each in sluice("logs", "ingress", "kafka", "--json").lines] == ["ingress", "kafka"]


def test_an_unknown_name_is_answered_with_those_there_are(sluice, logs: Path) -> None:
    told = sluice("logs", "ingres")

    assert told.code == ExitCode.SETUP
    assert told.err == "sluice: There is no log of 'ingres'; there are ingress, kafka.\n"


def test_where_nothing_has_run_that_is_said(sluice) -> None:
    told = sluice("logs", "ingress")

    assert told.code == ExitCode.SETUP
    assert "nothing has run here yet" in told.err
