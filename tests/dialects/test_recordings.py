"""What a provider said means the same however the network cut it. Runs over every dialect's recordings."""

import pytest

from services.router_worker.events import Failed, Finished
from tests.dialects.recorded import RECORDINGS, a_decoder, as_json, golden_of, played

each_recording = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: f"{path.parent.name}/{path.stem}")


@each_recording
def test_a_recorded_answer_gives_its_events(recording) -> None:
    assert as_json(played(a_decoder(recording), [recording.read_bytes()])) == golden_of(recording)


@each_recording
def test_an_answer_cut_at_any_byte_gives_the_same_events(recording) -> None:
    answer = recording.read_bytes()
    whole = played(a_decoder(recording), [answer])
    for cut in range(len(answer) + 1):
        assert played(a_decoder(recording), [answer[:cut], answer[cut:]]) == whole, cut


@each_recording
def test_an_answer_that_comes_byte_by_byte_gives_the_same_events(recording) -> None:
    answer = recording.read_bytes()
    whole = played(a_decoder(recording), [answer])
    assert played(a_decoder(recording), [answer[at : at + 1] for at in range(len(answer))]) == whole


@each_recording
def test_an_answer_has_exactly_one_ending_wherever_it_is_cut_off(recording) -> None:
    answer = recording.read_bytes()
    for cut in range(len(answer) + 1):
        decoder = a_decoder(recording)
        events = played(decoder, [answer[:cut]])
        assert [isinstance(event, Finished | Failed) for event in events] == [False] * (len(events) - 1) + [True]
        assert [*decoder.feed(answer), *decoder.close()] == [], "nothing comes behind the ending"
