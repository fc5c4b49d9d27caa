"""What the admin routes stand on, and what they do alike: find, refuse, change."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel

from services.ingress.admission import Limits
from services.ingress.api.admin.schemas import LimitsBody
from services.ingress.api.problems import ProblemError, bad_parameter, name_taken, no_such_record
from services.ingress.directory import KeyRecord, TeamRecord, TenantRecord
from services.ingress.directory_ports import BudgetDesk, DirectoryOf, TakenError, UnknownNameError
from shared.clock import Clock
from shared.config.schema import Tenant

__all__ = ["ADMINISTRATOR", "Administrators", "Desk", "Who", "changed", "fields_of", "found", "making", "paged"]

Record = TypeVar("Record")

ADMINISTRATOR: Final = "sluice.administrator"
"""Where the scope of a request says who sent it."""


def _who(request: Request) -> str:
    return f"admin:{request.scope[ADMINISTRATOR]}"


Who = Annotated[str, Depends(_who)]
"""As the audit log names them."""


@dataclass(frozen=True, slots=True)
class Desk:
    administrators: "Administrators"
    tenants: DirectoryOf[TenantRecord]
    teams: DirectoryOf[TeamRecord]
    keys: DirectoryOf[KeyRecord]
    budgets: BudgetDesk
    configured: Mapping[str, Tenant]
    """What the configuration says goes first: nobody else can have its names."""
    clock: Clock

    def is_configured(self, key_id: str) -> bool:
        return any(key_id in tenant.keys for tenant in self.configured.values())


class Administrators:
    """Whose admin key is this?"""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        """By name."""
        self.go_by(hashes)

    def go_by(self, hashes: Mapping[str, str]) -> None:
        """For whoever comes from now on."""
        self._names = {stored: name for name, stored in hashes.items()}

    def of_hash(self, digest: str) -> str | None:
        return self._names.get(digest)


async def found(directory: DirectoryOf[Record], kind: str, *name: str) -> Record:
    """Raises ProblemError (404)."""
    record = await directory.find(*name)
    if record is None:
        raise ProblemError(no_such_record(kind, name[-1]))
    return record


@contextmanager
def making(kind: str, name: str) -> Iterator[None]:
    """Raises ProblemError (400, 409) where the directory cannot make it."""
    try:
        yield
    except TakenError:
        raise ProblemError(name_taken(kind, name)) from None
    except UnknownNameError:
        raise ProblemError(bad_parameter("tenant", "there is no such tenant, or no such team of it")) from None


async def changed(
    directory: DirectoryOf[Record], how: Callable[[Record], Record], by: str, kind: str, *name: str
) -> Record:
    """Raises ProblemError (404)."""
    record = await directory.change(how, by, *name)
    if record is None:
        raise ProblemError(no_such_record(kind, name[-1]))
    return record


def paged(records: Sequence[Record], limit: int) -> tuple[Sequence[Record], bool]:
    """Of one more than was asked for: those asked for, and whether there are more."""
    return records[:limit], len(records) > limit


def fields_of(asked: BaseModel, *nullable: str) -> dict[str, object]:
    """What a request says, as the fields of a record are; null says something for the `nullable` ones alone."""
    said = {name: getattr(asked, name) for name in asked.model_fields_set}
    return {name: _plain(value) for name, value in said.items() if value is not None or name in nullable}


def _plain(value: object) -> object | Limits:
    if isinstance(value, LimitsBody):
        return value.limits()
    return tuple(value) if isinstance(value, list) else value
