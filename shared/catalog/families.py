"""The table of model families: data, nothing else. A model released since is one line here, or `context_window` in
`sluice.yaml`, which goes before this table.

Sources. Context windows: genai-prices 0.2.3 (github.com/pydantic/genai-prices) and, where it has none or a rounded
figure, the vendors' model pages (platform.openai.com/docs/models, docs.anthropic.com, ai.google.dev/gemini-api/docs,
docs.mistral.ai, huggingface.co model cards). Output limits: the same pages, None where they were not known for
certain. Tokenizers: tiktoken's own table for OpenAI; the nearest vocabulary for everybody else, and how far that may be
off, by the measurements that `tokens.calibration` tells of. As of 2026-11-20.

A window that is too small refuses good requests, one that is too large lets the provider refuse them: when in doubt,
the larger figure stands here. Servers of your own are often started with less: say so in the configuration.
"""

from dataclasses import dataclass
from typing import Final, Literal

from shared.tokens.calibration import EXACT, UNKNOWN, Calibration
from shared.tokens.vocabularies import EncodingName

__all__ = ["FAMILIES", "Family"]

Vendor = Literal["openai", "other"]


@dataclass(frozen=True, slots=True)
class Family:
    names: tuple[str, ...]
    context_window: int | None
    max_output_tokens: int | None
    encoding: EncodingName = "o200k_base"
    vendor: Vendor = "other"
    embeds: bool = False
    """Whether it makes embeddings, and nothing else; its window is that of one text."""
    calibration: Calibration = EXACT


def _openai(
    *names: str, window: int | None, output: int | None = None, encoding: EncodingName = "o200k_base"
) -> Family:
    return Family(names, window, output, encoding, "openai")


_CLAUDE: Final = Calibration(131, image=1600)
_CLAUDE_SINCE_4_7: Final = Calibration(200, image=4800)
_TEKKEN: Final = Calibration(108, digits_apart=True, image=1600)
_SENTENCEPIECE: Final = Calibration(135, digits_apart=True, image=1600)
"""Of Llama 2, and of Mistral but for those that have Tekken."""
_LLAMA_3: Final = Calibration(112, image=1600)
_LLAMA_4: Final = Calibration(100, image=1600)
_DEEPSEEK: Final = Calibration(106)
_QWEN: Final = Calibration(111, digits_apart=True, image=1600)


def _embedding(*names: str, window: int | None) -> Family:
    return Family(names, window, None, "cl100k_base", embeds=True, calibration=UNKNOWN)


def _other(*names: str, window: int | None, output: int | None = None, counted: Calibration = UNKNOWN) -> Family:
    return Family(names, window, output, calibration=counted)


FAMILIES: Final = (
    # OpenAI, o200k
    _openai("gpt-4o", "gpt-4o-mini", "chatgpt-4o", window=128_000, output=16_384),
    _openai("gpt-4o-2024-05-13", window=128_000, output=4_096),
    _openai("gpt-4o-realtime-preview", window=32_000, output=4_096),
    _openai("gpt-4o-mini-realtime-preview", window=16_000, output=4_096),
    _openai("gpt-4.1", window=1_047_576, output=32_768),
    _openai("gpt-4.5-preview", window=128_000, output=16_384),
    _openai("gpt-5", "gpt-5.1", "gpt-5.2", window=400_000, output=128_000),
    _openai("gpt-5-chat", "gpt-5.1-chat", "gpt-5.2-chat", window=128_000, output=16_384),
    _openai("gpt-5.3", window=128_000),
    _openai("gpt-5.3-codex", "gpt-5.4-mini", "gpt-5.4-nano", window=400_000),
    _openai("gpt-5.4", "gpt-5.5", "gpt-5.6", "gpt-6", "gpt-6.1", window=1_050_000),
    _openai("gpt-oss", window=131_072, output=131_072),
    _openai("o1", "o1-pro", "o3", "o3-mini", "o3-pro", "o4-mini", "codex-mini", window=200_000, output=100_000),
    _openai("o1-mini", window=128_000, output=65_536),
    _openai("o1-preview", window=128_000, output=32_768),
    # OpenAI, cl100k
    _openai("gpt-4", window=8_192, output=8_192, encoding="cl100k_base"),
    _openai("gpt-4-32k", window=32_768, output=32_768, encoding="cl100k_base"),
    _openai("gpt-4-turbo", "gpt-4-1106", "gpt-4-0125", window=128_000, output=4_096, encoding="cl100k_base"),
    _openai("gpt-4-vision-preview", window=128_000, output=4_096, encoding="cl100k_base"),
    _openai("gpt-3.5-turbo", "gpt-35-turbo", window=16_385, output=4_096, encoding="cl100k_base"),
    _openai("gpt-3.5-turbo-instruct", window=4_096, output=4_096, encoding="cl100k_base"),
    Family(("text-embedding-3", "text-embedding-ada-002"), 8_192, None, "cl100k_base", "openai", embeds=True),
    # Embeddings of others
    _embedding("text-embedding-004", "text-embedding-005", "text-multilingual-embedding", window=2_048),
    _embedding("gemini-embedding", "embeddinggemma", window=2_048),
    _embedding("embed-english", "embed-multilingual", window=512),
    _embedding("embed-v4.0", window=128_000),
    _embedding("mistral-embed", "codestral-embed", window=8_192),
    _embedding("qwen3-embedding", window=32_768),
    _embedding("bge-m3", "nomic-embed-text", window=8_192),
    _embedding("mxbai-embed-large", "all-minilm", window=512),
    # Anthropic
    _other("claude", "claude-sonnet", "claude-opus", "claude-haiku", window=1_000_000, counted=_CLAUDE_SINCE_4_7),
    _other("claude-2", window=200_000, output=4_096, counted=_CLAUDE),
    _other(
        "claude-3", "claude-3-haiku", "claude-3-sonnet", "claude-3-opus", window=200_000, output=4_096, counted=_CLAUDE
    ),
    _other("claude-3-5", "claude-3.5", window=200_000, output=8_192, counted=_CLAUDE),
    _other("claude-3-7", "claude-3.7", window=200_000, output=128_000, counted=_CLAUDE),
    _other("claude-opus-4", "claude-opus-4-0", "claude-opus-4-1", window=200_000, output=32_000, counted=_CLAUDE),
    _other("claude-opus-4-5", "claude-haiku-4-5", window=200_000, output=64_000, counted=_CLAUDE),
    _other("claude-opus-4-6", window=1_000_000, counted=_CLAUDE),
    _other("claude-opus-4-7", "claude-opus-4-8", window=1_000_000, counted=_CLAUDE_SINCE_4_7),
    # With the long-context header; 200,000 without it.
    _other(
        "claude-sonnet-4", "claude-sonnet-4-0", "claude-sonnet-4-5", window=1_000_000, output=64_000, counted=_CLAUDE
    ),
    _other("claude-sonnet-4-6", window=1_000_000, counted=_CLAUDE),
    _other("claude-sonnet-5", "claude-opus-5", "claude-haiku-5", window=1_000_000, counted=_CLAUDE_SINCE_4_7),
    # Google
    _other("gemini", window=1_048_576),
    _other("gemini-1.0", "gemini-pro", window=32_768, output=8_192),
    _other("gemini-1.5-flash", window=1_048_576, output=8_192),
    _other("gemini-1.5-pro", window=2_097_152, output=8_192),
    _other("gemini-2.0", window=1_048_576, output=8_192),
    _other("gemini-2.5", "gemini-3", window=1_048_576, output=65_536),
    _other("gemma-2", window=8_192, output=8_192),
    _other("gemma-3", window=131_072, output=8_192),
    _other("gemma-4", window=262_144),
    # Mistral
    _other("mistral-large", "mistral-medium", "mistral-small", window=262_144, counted=_SENTENCEPIECE),
    _other("mistral-large-4", window=1_048_576, counted=_SENTENCEPIECE),
    _other("mistral-large-2407", "mistral-large-2411", window=131_072, counted=_SENTENCEPIECE),
    _other("mistral-nemo", "pixtral", window=131_072, counted=_TEKKEN),
    _other("mistral-7b", "mixtral-8x7b", window=32_768, counted=_SENTENCEPIECE),
    _other("mixtral-8x22b", window=65_536, counted=_SENTENCEPIECE),
    _other("ministral-3b", "ministral-8b", window=131_072, counted=_TEKKEN),
    _other("ministral-14b", "ministral-3b-2512", "ministral-8b-2512", "devstral", window=262_144, counted=_TEKKEN),
    _other("codestral", window=256_000, counted=_SENTENCEPIECE),
    _other("magistral", window=131_072, counted=_TEKKEN),
    # Meta
    _other("llama-2", "llama2", window=4_096, counted=_SENTENCEPIECE),
    _other("llama-3", "llama3", "meta-llama-3", window=8_192, counted=_LLAMA_3),
    _other("llama-3.1", "llama3.1", "meta-llama-3.1", "llama-3.2", "llama3.2", window=131_072, counted=_LLAMA_3),
    _other("llama-3.3", "llama3.3", "meta-llama-3.3", window=131_072, counted=_LLAMA_3),
    _other("llama3-1", "llama3-2", "llama3-3", window=131_072, counted=_LLAMA_3),
    _other("llama-4-scout", "llama4-scout", window=10_485_760, counted=_LLAMA_4),
    _other("llama-4", "llama4", window=1_048_576, counted=_LLAMA_4),
    # Cohere
    _other("command-r", "command-r-plus", "command-r7b", window=128_000, output=4_096),
    _other("command-a", window=256_000, output=8_192),
    _other("command", "command-light", window=4_096, output=4_096),
    # DeepSeek
    _other("deepseek-chat", "deepseek-reasoner", "deepseek-v3", "deepseek-r1", window=131_072, counted=_DEEPSEEK),
    _other("deepseek-flash", "deepseek-v4", window=1_000_000, counted=_DEEPSEEK),
    # Qwen
    _other("qwen2", "qwen-2", "qwen2.5", "qwen-2.5", "qwq-32b", window=131_072, counted=_QWEN),
    _other("qwen2.5-7b-instruct-1m", "qwen2.5-14b-instruct-1m", window=1_010_000, counted=_QWEN),
    _other("qwen3", "qwen-3", window=262_144, counted=_QWEN),
    _other("qwen-plus", "qwen-turbo", "qwen-flash", "qwen3-coder", window=1_000_000, counted=_QWEN),
    _other("qwen-max", "qwen3-max", window=262_144, counted=_QWEN),
    # xAI
    _other("grok-2", window=131_072),
    _other("grok-3", window=131_072),
    _other("grok-4", "grok-4-0709", "grok-code-fast-1", window=256_000),
    _other("grok-4-fast", "grok-4-1-fast", window=2_000_000),
)
