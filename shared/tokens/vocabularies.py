"""The two vocabularies beside this file, checked by SHA-256. Nothing is downloaded, whatever the environment says.

tiktoken's own loader looks into a cache directory, deletes a file whose checksum is wrong and fetches it again; here a
wrong file is an error. Patterns and special tokens are those of `tiktoken_ext.openai_public` (a test compares them).
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import tiktoken

__all__ = ["EncodingName", "VocabularyError", "load_encoding"]

EncodingName = Literal["cl100k_base", "o200k_base"]


class VocabularyError(Exception):
    """The file is not the one that belongs here: the installation is damaged."""


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    sha256: str
    pattern: str
    special: tuple[tuple[str, int], ...]


_CL100K: Final = _Vocabulary(
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "|".join(
        (
            r"'(?i:[sdmt]|ll|ve|re)",
            r"[^\r\n\p{L}\p{N}]?+\p{L}++",
            r"\p{N}{1,3}+",
            r" ?[^\s\p{L}\p{N}]++[\r\n]*+",
            r"\s++$",
            r"\s*[\r\n]",
            r"\s+(?!\S)",
            r"\s",
        )
    ),
    (
        ("<|endoftext|>", 100257),
        ("<|fim_prefix|>", 100258),
        ("<|fim_middle|>", 100259),
        ("<|fim_suffix|>", 100260),
        ("<|endofprompt|>", 100276),
    ),
)

_O200K: Final = _Vocabulary(
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "|".join(
        (
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        )
    ),
    (("<|endoftext|>", 199999), ("<|endofprompt|>", 200018)),
)

_VOCABULARIES: Final[dict[EncodingName, _Vocabulary]] = {"cl100k_base": _CL100K, "o200k_base": _O200K}

_FOLDER: Final = Path(__file__).parent / "encodings"


def load_encoding(name: EncodingName, folder: Path = _FOLDER) -> tiktoken.Encoding:
    """Blocks for 0.1 to 0.3 s and adds 26 MB (cl100k) or 48 MB (o200k) to the process. Raises VocabularyError."""
    vocabulary = _VOCABULARIES[name]
    path = folder / f"{name}.tiktoken"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise VocabularyError(f"{path}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != vocabulary.sha256:
        raise VocabularyError(f"{path}: its checksum is wrong; install Sluice again")
    pairs = (line.split() for line in content.splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in pairs}
    encoding = tiktoken.Encoding(
        name, pat_str=vocabulary.pattern, mergeable_ranks=ranks, special_tokens=dict(vocabulary.special)
    )
    # The compiled tokenizer has a copy. Encoding keeps this one only for looking up single tokens, which is not done
    # here, and it is a third of the memory.
    ranks.clear()
    return encoding
