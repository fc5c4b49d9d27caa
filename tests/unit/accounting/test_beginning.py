"""Budgets of a configuration that was read again are written until they are, and new ones get their sums."""

from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from services.accounting.budgets.beginning import Beginning
from services.accounting.ports import AwayError, UnstorableError
from shared.budgets import BudgetRule
from tests.suites.budgets import a_rule


@dataclass(slots=True)
class MemoryRules:
    failures: list[Exception] = field(default_factory=list)
    written: list[Collection[BudgetRule]] = field(default_factory=list)
    begun: int = 0

    async def write(self, rules: Collection[BudgetRule]) -> None:
        if self.failures:
            raise self.failures.pop()
        self.written.append(rules)

    async def begin(self) -> None:
        self.begun += 1


async def test_what_the_file_says_is_written_once_and_before_anything_begins() -> None:
    ledger = MemoryRules()
    beginning = Beginning(ledger)
    await beginning.look()
    beginning.go_by([a_rule("day")])
    await beginning.look()
    await beginning.look()
    assert (ledger.written, ledger.begun) == ([[a_rule("day")]], 3)


async def test_what_could_not_be_written_is_written_later() -> None:
    ledger = MemoryRules([AwayError("gone for lunch")])
    beginning = Beginning(ledger)
    beginning.go_by([])
    with pytest.raises(AwayError):
        await beginning.look()
    await beginning.look()
    assert ledger.written == [[]]


async def test_what_can_never_be_written_holds_nothing_else_up() -> None:
    ledger = MemoryRules([UnstorableError("no such time zone")])
    beginning = Beginning(ledger)
    beginning.go_by([a_rule(time_zone="Mars/Base")])
    await beginning.look()
    await beginning.look()
    assert (ledger.written, ledger.begun) == ([], 2)
