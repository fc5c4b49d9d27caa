"""What is put right in a message, or a piece of one, for callers who know OpenAI's alone; and what cannot be put right.

Runs over all but the pieces that are nothing but text.
"""

from typing import Any

__all__ = ["reshape"]


def reshape(message: dict[str, Any], reasoning: str) -> None:
    """`reasoning` is where the server keeps the text of a thought. Raises TypeError or LookupError for no message."""
    if reasoning != "reasoning_content" and reasoning in message:
        message.setdefault("reasoning_content", message.pop(reasoning))
    if type(message.get("content")) is list:
        _flatten(message)
    for name in ("content", "refusal", "reasoning_content"):
        _be_text(message.get(name))
    for call in message.get("tool_calls") or ():
        _be_a_call(call)
        if "id" in call:
            call.setdefault("type", "function")  # the only kind there is, which some do not say


def _flatten(message: dict[str, Any]) -> None:
    """Mistral puts thoughts into the content, which then is a list; callers look for text there, and nothing else."""
    parts = message["content"]
    thoughts = [text["text"] for part in parts if part["type"] == "thinking" for text in part["thinking"]]
    message["content"] = "".join(part["text"] for part in parts if part["type"] == "text")
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)


def _be_text(value: object) -> None:
    if value is not None and type(value) is not str:
        raise TypeError(f"a {type(value).__name__} where text has to be")


def _be_a_call(call: object) -> None:
    """Of a tool, or a piece of one. Kinds of calls that are yet to come need not have a `function`."""
    if not isinstance(call, dict) or not isinstance(call.get("index", 0), int):
        raise TypeError("no call of a tool")
    function = call.get("function")
    if function is not None:
        _be_text(function.get("name"))
        _be_text(function.get("arguments"))
