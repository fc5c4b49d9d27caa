"""`/admin/v1/tenants/{tenant}/budgets`: how they stand, and those that administrators set.

A budget's name says what it is per and what it is of, `day team=storefront`; so to set one twice is to change it.
"""

from typing import Annotated

from fastapi import FastAPI, Path, Query, Response

from services.ingress.api.admin.budget_schemas import BudgetBody, BudgetList, BudgetObject
from services.ingress.api.admin.desk import Desk, Who, found, paged
from services.ingress.api.admin.documents import lists, removes, sets, shows
from services.ingress.api.admin.tenants import InPath, Limit
from services.ingress.api.problems import ProblemError, bad_parameter, no_such_record, set_in_file
from services.ingress.directory_ports import TakenError, UnknownNameError
from shared.config.budgets import BUDGET_NAME, Budget, parts_of
from shared.config.schema import Tenant

__all__ = ["budget_routes"]

_MEANING = (
    "Its name: `day`, `month` or `total`, then what it is of: `team=`, `key=`, `model=` and `tag=`, in this order."
)
BudgetName = Annotated[str, Path(pattern=BUDGET_NAME, description=_MEANING)]
AfterBudget = Annotated[str, Query(pattern=f"{BUDGET_NAME}|^$", description="The last name of the page before.")]


def budget_routes(app: FastAPI, desk: Desk) -> None:
    @app.get("/admin/v1/tenants/{tenant}/budgets", **lists("Budgets"))
    async def list_budgets(tenant: InPath, limit: Limit = 100, after: AfterBudget = "") -> BudgetList:
        if tenant not in desk.configured:
            await found(desk.tenants, "tenant", tenant)
        records, more = paged(await desk.budgets.page(tenant, after=after, limit=limit + 1), limit)
        return BudgetList(data=[BudgetObject.of(record) for record in records], has_more=more)

    @app.get("/admin/v1/tenants/{tenant}/budgets/{budget:path}", **shows("Budget"))
    async def get_budget(tenant: InPath, budget: BudgetName) -> BudgetObject:
        record = await desk.budgets.find(tenant, budget)
        if record is None:
            raise ProblemError(no_such_record("budget", budget))
        return BudgetObject.of(record)

    _changing_routes(app, desk)


def _changing_routes(app: FastAPI, desk: Desk) -> None:
    @app.put("/admin/v1/tenants/{tenant}/budgets/{budget:path}", **sets("Budget"))
    async def set_budget(who: Who, tenant: InPath, budget: BudgetName, asked: BudgetBody) -> BudgetObject:
        wanted = Budget.model_validate({**parts_of(budget), **asked.model_dump()})
        await _expect(desk, tenant, wanted)
        try:
            return BudgetObject.of(await desk.budgets.put(tenant, wanted, who))
        except TakenError:
            raise ProblemError(set_in_file(budget)) from None
        except UnknownNameError:
            raise ProblemError(no_such_record("tenant", tenant)) from None

    @app.delete("/admin/v1/tenants/{tenant}/budgets/{budget:path}", **removes("Budget"))
    async def remove_budget(who: Who, tenant: InPath, budget: BudgetName) -> Response:
        try:
            there_was_one = await desk.budgets.remove(tenant, budget, who)
        except TakenError:
            raise ProblemError(set_in_file(budget)) from None
        if not there_was_one:
            raise ProblemError(no_such_record("budget", budget))
        return Response(status_code=204)


async def _expect(desk: Desk, tenant: str, budget: Budget) -> None:
    """That nobody else says it, and what it is of is there; a model may come later. Raises ProblemError (400, 409)."""
    section = desk.configured.get(tenant, Tenant())
    if budget.name in {each.name for each in section.budgets}:
        raise ProblemError(set_in_file(budget.name))
    team, key = budget.team, budget.key
    if team is not None and team not in section.teams and await desk.teams.find(tenant, team) is None:
        raise ProblemError(bad_parameter("budget", f"there is no team '{team}' of this tenant"))
    if key is not None and key not in section.keys:
        record = await desk.keys.find(key)
        if record is None or record.tenant != tenant:
            raise ProblemError(bad_parameter("budget", f"there is no key '{key}' of this tenant"))
