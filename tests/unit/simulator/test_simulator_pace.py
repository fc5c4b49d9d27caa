from hypothesis import given
from hypothesis import strategies as st

from simulator.server.pace import Pace


class FakeLoop:
    """The clock and timers of an event loop, moved by hand."""

    def __init__(self):
        self.now = 10.0
        self.timers = []

    def time(self):
        return self.now

    def call_at(self, when, callback):
        timer = FakeTimer(when, callback)
        self.timers.append(timer)
        return timer

    def run_until_idle(self):
        while live := [timer for timer in self.timers if not timer.cancelled]:
            timer = min(live, key=lambda timer: timer.when)
            self.timers.remove(timer)
            self.now = max(self.now, timer.when)
            timer.callback()


class FakeTimer:
    def __init__(self, when, callback):
        self.when, self.callback, self.cancelled = when, callback, False

    def cancel(self):
        self.cancelled = True


@given(st.lists(st.floats(0, 2), max_size=30))
def test_everybody_has_his_turn_in_time_and_in_order(waits):
    loop, called = FakeLoop(), []
    pace = Pace(loop)
    for wait in waits:
        pace.at(10.0 + wait, lambda due=10.0 + wait: called.append((due, loop.now)))
    loop.run_until_idle()
    assert len(called) == len(waits)
    assert all(due - 1e-9 <= now <= due + 0.0021 for due, now in called)
    assert [now for _, now in called] == sorted(now for _, now in called)


def test_hundreds_of_streams_share_a_wake_up():
    loop = FakeLoop()
    pace = Pace(loop)
    for number in range(300):
        pace.at(10.5 + number / 1e6, lambda: None)
    assert len([timer for timer in loop.timers if not timer.cancelled]) == 1


def test_who_is_always_due_lets_the_others_have_their_turn():
    loop, called = FakeLoop(), []
    pace = Pace(loop)

    def greedy():
        called.append("greedy")
        if len(called) < 10:
            pace.at(0.0, greedy)

    pace.at(10.0, greedy)
    pace.at(10.002, lambda: called.append("modest"))
    loop.run_until_idle()
    assert called.index("modest") < 4


def test_nobody_is_called_after_the_end():
    loop, called = FakeLoop(), []
    pace = Pace(loop)
    pace.at(11.0, lambda: called.append(1))
    pace.close()
    loop.run_until_idle()
    assert not called
