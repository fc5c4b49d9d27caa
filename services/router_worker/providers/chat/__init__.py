"""What does a chat completion request say? Read here once, in types, for every family that says it in other words."""

from services.router_worker.providers.chat.blocks import Blocks, arguments_of, in_blocks
from services.router_worker.providers.chat.messages import (
    Assistant,
    Audio,
    FilePart,
    Image,
    InlineData,
    Part,
    Refused,
    System,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    User,
)
from services.router_worker.providers.chat.reading import Chat, UnsupportedError, asks_nothing, lack, read_chat
from services.router_worker.providers.chat.settings import (
    Format,
    JsonAnything,
    JsonBySchema,
    NamedTool,
    PlainText,
    Tool,
    ToolChoice,
)

__all__ = [
    "Assistant",
    "Audio",
    "Blocks",
    "Chat",
    "FilePart",
    "Format",
    "Image",
    "InlineData",
    "JsonAnything",
    "JsonBySchema",
    "NamedTool",
    "Part",
    "PlainText",
    "Refused",
    "System",
    "Text",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "Turn",
    "UnsupportedError",
    "User",
    "arguments_of",
    "asks_nothing",
    "in_blocks",
    "lack",
    "read_chat",
]
