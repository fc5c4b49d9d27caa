"""What is put right in a message, or a piece of one, for callers who know OpenAI's alone."""

from typing import Any

__all__ = ["reshape"]


def reshape(message: dict[str, Any], reasoning: str) -> None:
    """`reasoning` is where the server keeps the text of a thought."""
    if reasoning != "reasoning_content" and reasoning in message:
        message.setdefault("reasoning_content", message.pop(reasoning))
    if type(message.get("content")) is list:
        _flatten(message)
    for call in message.get("tool_calls") or ():
        if "id" in call:
            call.setdefault("type", "function")  # the only kind there is, which some do not say


def _flatten(message: dict[str, Any]) -> None:
    """Mistral puts thoughts into the content, which then is a list; callers look for text there, and nothing else."""
    parts = message["content"]
    thoughts = [text["text"] for part in parts if part["type"] == "thinking" for text in part["thinking"]]
    message["content"] = "".join(part["text"] for part in parts if part["type"] == "text")
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
