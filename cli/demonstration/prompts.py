"""What is asked in a run? The lines of a JSONL file, each an OpenAI batch line; by default of the project's sample."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.contracts import BatchLine, JsonObject
from shared.errors import OperatorError

__all__ = ["Prompt", "read_prompts", "sample"]

_NAME: Final = "prompts.jsonl"


@dataclass(frozen=True, slots=True)
class Prompt:
    custom_id: str
    model: str
    line: bytes
    """As it stands in the file."""
    body: JsonObject


def sample() -> Path:
    """In a checkout it is in `samples/`; in an installed package beside this file."""
    packaged = Path(__file__).with_name(_NAME)
    return packaged if packaged.exists() else Path(__file__).parents[2] / "samples" / _NAME


def read_prompts(file: Path, count: int | None) -> tuple[Prompt, ...]:
    """The first `count` of them, from the beginning again where the file has fewer. Raises OperatorError."""
    try:
        lines = [line for line in file.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise OperatorError(f"The prompts cannot be read: {error}.") from error
    prompts = [_prompt(file, number, line) for number, line in enumerate(lines, start=1)]
    if not prompts:
        raise OperatorError(f"{file} holds no prompts.")
    names = {prompt.custom_id for prompt in prompts}
    if len(names) < len(prompts):
        raise OperatorError(f"{file}: each custom_id must stand there once.")
    wanted = len(prompts) if count is None else count
    return tuple(_copy(prompts, at) for at in range(wanted))


def _prompt(file: Path, number: int, line: bytes) -> Prompt:
    try:
        found = BatchLine.model_validate_json(line)
    except ValueError as error:
        raise OperatorError(f"{file}, line {number}, is no OpenAI batch line: {error}") from error
    model = found.body.get("model")
    if not isinstance(model, str) or not found.custom_id:
        raise OperatorError(f"{file}, line {number}: a custom_id and a model are needed.")
    return Prompt(found.custom_id, model, line, found.body)


def _copy(prompts: Sequence[Prompt], at: int) -> Prompt:
    """Names stay unique when the file is gone through again."""
    prompt, again = prompts[at % len(prompts)], at // len(prompts)
    if not again:
        return prompt
    name = f"{prompt.custom_id}-{again + 1}"
    line = json.dumps({**json.loads(prompt.line), "custom_id": name}, ensure_ascii=False).encode()
    return Prompt(name, prompt.model, line, prompt.body)
