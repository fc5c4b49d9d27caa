"""The schedule: the same for the same seed, everything in it, and never more broken than can recover."""

from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from chaos.schedule import Act, Cast, Fault, Role, scheduled

CAST = Cast(
    {
        Role.WORKER: ["worker-1", "worker-2", "worker-3"],
        Role.INGRESS: ["ingress-1", "ingress-2"],
        Role.ACCOUNTING: ["accounting"],
    },
    spare="worker-4",
    links=["worker-1>kafka", "ingress-1>valkey", "readers>ingress-2"],
)
SERVERS = ("kafka", "valkey", "postgres")


def schedule(seed: int, seconds: float = 600) -> tuple[Fault, ...]:
    return scheduled(seconds, CAST, Random(seed))


def test_the_same_seed_gives_the_same_faults() -> None:
    assert schedule(7) == schedule(7)
    assert schedule(7) != schedule(8)


@pytest.mark.parametrize("seed", range(20))
def test_a_long_run_has_every_fault_and_one_flush(seed: int) -> None:
    faults = schedule(seed)
    acts = Counter(fault.act for fault in faults)
    assert set(acts) == set(Act)
    assert acts[Act.FLUSH] == 1
    for server in SERVERS:
        assert any(fault.target == server and fault.act is Act.KILL for fault in faults)
    for role in Role:
        struck = {fault.act for fault in faults if fault.target in CAST.processes[role]}
        assert struck >= {Act.KILL, Act.FREEZE, Act.ROLL}


@pytest.mark.parametrize("seed", range(20))
def test_a_worker_and_an_ingress_are_always_left_alone(seed: int) -> None:
    faults = schedule(seed)
    for role in (Role.WORKER, Role.INGRESS):
        names = set(CAST.processes[role])
        for fault in faults:
            if fault.target in names:
                down = {
                    each.target
                    for each in faults
                    if each.target in names and each.at <= fault.at <= each.at + each.seconds
                }
                assert down < names


@pytest.mark.parametrize("seed", range(20))
def test_servers_break_one_after_the_other_and_nothing_breaks_at_the_very_end(seed: int) -> None:
    faults = schedule(seed)
    struck = [fault for fault in faults if fault.target in SERVERS]
    assert all(before.at + before.seconds + 4 < after.at for before, after in pairwise(struck))
    assert faults[-1].at < 600 - 3


@pytest.mark.parametrize("seed", range(20))
def test_the_spare_worker_joins_before_it_leaves(seed: int) -> None:
    moves = [fault.act for fault in schedule(seed) if fault.target == CAST.spare]
    assert moves[0] is Act.JOIN
    assert all(before is not after for before, after in pairwise(moves))
