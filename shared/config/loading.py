"""Read `sluice.yaml`: text, environment, schema, in this order; every problem is told with its path, all at once."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Final, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shared.config.document import Document, parse_document, written
from shared.config.document import Path as Place
from shared.config.problems import ConfigError, Problem, did_you_mean
from shared.config.references import Known, wrong_names
from shared.config.schema import Config
from shared.config.substitution import substituted

__all__ = ["load_config", "parse_config"]


def load_config(path: Path, env: Mapping[str, str], known: Known | None = None) -> Config:
    """Blocks for one small file. Raises ConfigError, which lists everything that is wrong and shows no secret."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        hint = "no such file; begin with a copy of sluice.example.yaml, or name another one with SLUICE_CONFIG"
        raise ConfigError(str(path), (Problem("", hint),)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), (Problem("", f"cannot be read: {error}"),)) from error
    return parse_config(text, env, source=str(path), known=known)


def parse_config(
    text: str, env: Mapping[str, str], *, source: str = "sluice.yaml", known: Known | None = None
) -> Config:
    document = parse_document(text, source)
    data, missing = substituted(document.data, env)
    absent = tuple(
        Problem(
            written(place),
            f"the environment variable {name} is not set (write ${{{name}:-}} if it may be empty)",
            document.line(place),
        )
        for place, name in missing
    )
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        # The input is left out of it all: it may hold a secret that has just been put in.
        details = error.errors(include_url=False, include_input=False)
        blank = {place for place, _ in missing}
        found = [_told(each, document) for each in _causes(details, blank)]
        # `from None`: pydantic's own text shows the values.
        raise ConfigError(source, _in_order([*absent, *found])) from None
    wrong = [Problem(written(place), message, document.line(place)) for place, message in wrong_names(config, known)]
    if absent or wrong:
        raise ConfigError(source, _in_order([*absent, *wrong]))
    return config


def _causes(details: list[ErrorDetails], blank: set[Place]) -> Iterator[ErrorDetails]:
    """Without what only follows from another problem: an absent variable, a list whose items were all refused."""
    for each in details:
        place = each["loc"]
        beneath = any(len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in details)
        if place not in blank and not (each["type"] == "too_short" and beneath):
            yield each


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.line or 0))


_PLAIN: Final = {
    "missing": "is required",
    "model_type": "must be a section with keys",
    "dict_type": "must be a section with keys",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "string_type": "must be text; put it in quotes",
}


def _told(error: ErrorDetails, document: Document) -> Problem:
    place, is_name = _place(error["loc"])
    context = error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        allowed = _section(place[:-1])
        message = f"unknown key; {did_you_mean(str(place[-1]), allowed)}"
    elif error["type"] in ("literal_error", "enum"):
        message = f"must be {context['expected']}"
    else:
        message = _PLAIN.get(error["type"]) or error["msg"].replace("Input should be", "must be").replace(
            "String should", "must"
        )
    return Problem(written(place), f"the name: {message}" if is_name else message, document.line(place))


def _place(loc: tuple[str | int, ...]) -> tuple[Place, bool]:
    """Pydantic says `(…, "a name", "[key]")` when the name itself is wrong, not what stands under it."""
    return (loc[:-1], True) if loc and loc[-1] == "[key]" else (loc, False)


def _section(place: Place) -> frozenset[str]:
    """The keys that are allowed at a place of the file, found by walking the schema's types."""
    current: object = Config
    for step in place:
        if isinstance(current, type) and issubclass(current, BaseModel):
            current = _required(current.model_fields[str(step)].annotation)
        else:
            name_or_item, *value = get_args(current)
            current = value[0] if get_origin(current) is dict else name_or_item
    return frozenset(cast("type[BaseModel]", current).model_fields)


def _required(annotation: object) -> object:
    """`X` of `X | None`."""
    options = [each for each in get_args(annotation) if each is not type(None)]
    return options[0] if isinstance(annotation, UnionType) else annotation
