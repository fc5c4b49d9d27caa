"""What a request to the Gemini API asks for. Unknown fields are refused, as the API refuses them."""

import json
import re
from collections.abc import Iterable
from typing import Final, Literal

from pydantic import ValidationError

from simulator.conversation import ToolUse, Turn, fingerprint, prompt_tokens
from simulator.dialects.dialect import RefusalError
from simulator.dialects.gemini_shapes import (
    Batch,
    CallingConfig,
    Content,
    ContentRequest,
    FunctionResponse,
    Part,
    Prediction,
    ResponsePart,
)
from simulator.exchange import Ask, Refusal, Tool

__all__ = ["read_content_request", "read_texts", "signs"]

_SIGNING: Final = re.compile(r"gemini-[3-9]")


def signs(model: str) -> bool:
    """Whether the model refuses a call that comes back without the signature it was given."""
    return _SIGNING.match(model) is not None


def read_texts(body: bytes, model: str, method: str) -> Ask:
    """What is to be embedded. Raises RefusalError."""
    try:
        request = (Prediction if method == "predict" else Batch).model_validate_json(body)
    except ValidationError as error:
        raise RefusalError(_refusal(error)) from error
    texts = request.texts()
    turns = tuple(Turn("user", text) for text in texts)
    return Ask(
        model=model,
        stream=False,
        prompt=fingerprint(turns),
        prompt_tokens=prompt_tokens(turns),
        embeds=texts,
        dimensions=request.dimensions(),
    )


def read_content_request(body: bytes, model: str) -> Ask:
    """Raises RefusalError, worded as Google words it."""
    try:
        asked = ContentRequest.model_validate_json(body)
    except ValidationError as error:
        raise RefusalError(_refusal(error)) from error
    if signs(model):
        _check_signatures(asked.contents)
    turns = _turns(asked)
    prefix = turns[-1].text if turns[-1].role == "assistant" else ""
    config, calls = asked.generation_config, asked.tool_config.function_calling_config
    return Ask(
        model=model,
        stream=False,
        prompt=fingerprint(turns[:-1] if prefix else turns),
        prompt_tokens=prompt_tokens(turns),
        prefix=prefix,
        choices=config.candidate_count,
        max_tokens=config.max_output_tokens,
        tools=_tools(asked, calls),
        tools_at_least=1 if calls.mode == "ANY" else 0,
        top_logprobs=(config.logprobs or 0) if config.response_logprobs else None,
        usage=True,
        turns=turns,
        tool_choice=calls.choice(),
        stop=config.stop_sequences,
        schema=config.schema_asked(),
        thinks=config.thinking_config.include_thoughts,
        seed=config.seed,
        temperature=config.temperature,
        top_p=config.top_p,
    )


def _refusal(error: ValidationError) -> Refusal:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(step) for step in first["loc"][:-1])
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        message = f"Invalid JSON payload received. Unknown name \"{name}\" at '{place}': Cannot find field."
        return Refusal(400, message)
    return Refusal(400, f"* GenerateContentRequest.{place}: {first['msg']}")


def _check_signatures(contents: tuple[Content, ...]) -> None:
    """Of what was called since the user last spoke, the first call of each step must have one."""
    for content in reversed(contents):
        if content.role == "user" and any(part.text for part in content.parts):
            return
        calls = [part for part in content.parts if part.function_call]
        if calls and not calls[0].thought_signature and calls[0].function_call:
            name = f"default_api:{calls[0].function_call.name}"
            words = "Function call is missing a thought_signature in functionCall parts."
            raise RefusalError(Refusal(400, f"{words} Additional data, function call `{name}`."))


def _turns(asked: ContentRequest) -> tuple[Turn, ...]:
    turns = [_turn("system", asked.system_instruction.parts)] if asked.system_instruction else []
    for content in asked.contents:
        turns += [_result(part.function_response) for part in content.parts if part.function_response]
        rest = [part for part in content.parts if not part.function_response]
        if rest:
            turns.append(_turn("assistant" if content.role == "model" else "user", rest))
    return tuple(turns)


def _turn(role: Literal["system", "user", "assistant"], parts: Iterable[Part]) -> Turn:
    turn = Turn(role)
    for part in parts:
        turn = turn._replace(text=turn.text + (part.text or ""))
        if url := _url(part):
            turn = turn._replace(images=(*turn.images, url))
        if call := part.function_call:
            arguments = json.dumps(call.args, sort_keys=True, separators=(",", ":"))
            turn = turn._replace(uses=(*turn.uses, ToolUse(call.id or "", call.name, arguments)))
        if part.thought_signature:
            turn = turn._replace(thoughts=(*turn.thoughts, part.thought_signature))
    return turn


def _url(part: Part | ResponsePart) -> str | None:
    if part.inline_data:
        return f"data:{part.inline_data.mime_type};base64,{part.inline_data.data}"
    return part.file_data.file_uri if isinstance(part, Part) and part.file_data else None


def _result(result: FunctionResponse) -> Turn:
    text = result.response.get("output")
    said = text if isinstance(text, str) else json.dumps(result.response)
    return Turn("tool", said, tuple(filter(None, map(_url, result.parts))), result_of=result.id)


def _tools(asked: ContentRequest, calls: CallingConfig) -> tuple[Tool, ...]:
    if calls.mode == "NONE":
        return ()
    declared = [declaration for tool in asked.tools for declaration in tool.function_declarations]
    allowed = calls.allowed_function_names
    return tuple(declaration.tool() for declaration in declared if not allowed or declaration.name in allowed)
