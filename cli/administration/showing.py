"""How are tenants, teams and keys shown to a person?"""

from datetime import UTC, datetime

from pydantic import BaseModel

from cli.printing import aligned, print_json, say
from services.ingress.api.admin.schemas import KeyObject, LimitsBody, Terms

__all__ = ["limits_in_short", "show", "state_of"]


def show(given: BaseModel, as_json: bool) -> None:
    if as_json:
        print_json(given.model_dump(mode="json"))
        return
    said = given.model_dump(mode="json", exclude={"object", "key"}, exclude_defaults=False)
    rows = [(name, _shown(name, value)) for name, value in said.items() if value not in (None, "", [], {})]
    rows.sort(key=lambda row: row[0] in Terms.model_fields)
    for line in aligned(rows):
        say(line)


def limits_in_short(limits: LimitsBody) -> str:
    said = (
        (limits.requests_per_minute, "requests/min"),
        (limits.tokens_per_minute, "tokens/min"),
        (limits.concurrency, "at once"),
    )
    return ", ".join(f"{most:,} {unit}" for most, unit in said if most is not None) or "unlimited"


def state_of(key: KeyObject, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.blocked:
        return "blocked"
    return "expired" if key.expires_at is not None and key.expires_at <= now.timestamp() else "active"


def _shown(name: str, value: object) -> str:
    if name.endswith(("_at", "_until")) and isinstance(value, int):
        return datetime.fromtimestamp(value, UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
    if name == "limits":
        return limits_in_short(LimitsBody.model_validate(value))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={text}" for key, text in value.items())
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
