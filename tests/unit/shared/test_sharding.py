"""A tenant's partitions: few, its own, and the same for everybody who asks."""

from collections import Counter
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from shared.ids import new_job_id
from shared.sharding import partition_of, partitions_of

names = st.text(max_size=40)
counts = st.integers(1, 64)
shares = st.integers(1, 10)


@given(names, counts, shares)
def test_a_tenant_has_its_share_of_distinct_partitions(tenant: str, partitions: int, share: int) -> None:
    own = partitions_of(tenant, partitions, share)
    assert len(set(own)) == len(own) == min(share, partitions)
    assert set(own) <= set(range(partitions))


@given(names, counts, shares)
def test_its_jobs_stand_on_them_and_on_no_others(tenant: str, partitions: int, share: int) -> None:
    job = new_job_id()
    place = partition_of(job, tenant, partitions, share)
    assert place in partitions_of(tenant, partitions, share)
    assert place == partition_of(job, tenant, partitions, share)


def test_the_choice_is_part_of_the_format_and_never_changes() -> None:
    """Another choice would move every tenant's jobs at an upgrade."""
    assert [partitions_of(tenant, 8, 2) for tenant in ("acme", "research", "bench")] == [(0, 3), (4, 7), (4, 0)]


def test_a_tenants_jobs_are_spread_evenly_over_its_partitions() -> None:
    spread = Counter(partition_of(new_job_id(), "acme", 8, 2) for _ in range(4000))
    assert len(spread) == 2
    assert max(spread.values()) < 1.1 * min(spread.values())


def test_tenants_are_spread_evenly_over_the_partitions() -> None:
    spread = Counter(place for number in range(4000) for place in partitions_of(f"tenant-{number}", 8, 2))
    assert len(spread) == 8
    assert max(spread.values()) < 1.15 * min(spread.values())


def test_two_tenants_seldom_share_all_partitions() -> None:
    homes = [frozenset(partitions_of(f"tenant-{number}", 8, 2)) for number in range(300)]
    pairs = list(combinations(homes, 2))
    assert 0.02 < sum(one == other for one, other in pairs) / len(pairs) < 0.06  # 1 of 28
    assert 0.50 < sum(not one & other for one, other in pairs) / len(pairs) < 0.58  # 15 of 28


@given(names, counts, counts, shares)
def test_more_partitions_only_win_tenants_and_never_swap_the_old_ones(
    tenant: str, before: int, added: int, share: int
) -> None:
    old = partitions_of(tenant, before, share)
    new = partitions_of(tenant, before + added, share)
    assert {place for place in new if place < before} <= set(old)
