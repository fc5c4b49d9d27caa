"""Counting: the same figures as tiktoken's own, for any text, without a network and without stalling."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.tokens import EncodingName, TokenCounter
from shared.tokens.counting import _count
from shared.tokens.vocabularies import VocabularyError, load_encoding

ENCODINGS: tuple[EncodingName, ...] = ("cl100k_base", "o200k_base")
SHIPPED = Path(__file__).parents[4] / "shared" / "tokens" / "encodings"

SAMPLES = [
    "Hello, world! It's 2026; they'll pay $1,234.56.",
    "def f(x: int) -> str:\n\n\n    return f'{x:>10}'  \t \n",
    "日本語のテキスト、Ελληνικά, עברית, 🧑‍🚀🚀 naïve café",
    "<|endoftext|> and <|fim_prefix|> as plain text",
    "CamelCaseHTTPServer snake_case kebab-case I'LL we'Ve",
    "   leading and trailing   \r\n\r\n",
]

TIKTOKENS_OWN = """
import json, sys, tiktoken
encoding = tiktoken.get_encoding(sys.argv[1])
special = {token: encoding.encode(token, allowed_special="all") for token in sorted(encoding.special_tokens_set)}
print(json.dumps([[encoding.encode_ordinary(text) for text in json.loads(sys.stdin.read())], special]))
"""


SHARED = TokenCounter()


@pytest.fixture(scope="module")
def counter() -> TokenCounter:
    return SHARED


@pytest.mark.parametrize("name", ENCODINGS)
def test_the_tokens_are_those_of_tiktokens_own_definition(name: EncodingName, tmp_path: Path) -> None:
    """tiktoken takes its vocabulary from a cache, where a file is named by the SHA-1 of its address."""
    address = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    cached = hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
    shutil.copy(SHIPPED / f"{name}.tiktoken", tmp_path / cached)
    told = subprocess.run(
        [sys.executable, "-c", TIKTOKENS_OWN, name],
        input=json.dumps(SAMPLES),
        env=os.environ | {"TIKTOKEN_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    tokens, special = json.loads(told.stdout)

    ours = load_encoding(name)
    assert [ours.encode_ordinary(text) for text in SAMPLES] == tokens
    assert {each: ours.encode(each, allowed_special="all") for each in ours.special_tokens_set} == special


def test_a_damaged_vocabulary_is_an_error_and_nothing_is_fetched(tmp_path: Path) -> None:
    path = tmp_path / "o200k_base.tiktoken"
    path.write_bytes((SHIPPED / path.name).read_bytes()[:-1])

    with pytest.raises(VocabularyError, match="its checksum is wrong"):
        load_encoding("o200k_base", tmp_path)
    assert path.exists()


def test_an_absent_vocabulary_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match="No such file"):
        load_encoding("cl100k_base", tmp_path)


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("character", [" ", "a", "\n", "^", "é", "🚀"])
def test_a_million_times_one_character_is_counted(counter: TokenCounter, name: EncodingName, character: str) -> None:
    assert counter.count_text(name, character * 1_000_000) > 1_000


def test_a_million_spaces_are_counted_without_upsetting_the_tokenizer(counter: TokenCounter) -> None:
    assert counter.count_text("o200k_base", " " * 1_000_000) < 10_000


def test_a_panic_of_the_tokenizer_gives_an_estimate_and_leaves_the_process_alive() -> None:
    """In one piece, a million spaces overflow the stack of its regex engine."""
    assert _count(load_encoding("o200k_base"), " " * 1_000_000) == 250_000


def test_text_that_is_not_valid_unicode_is_counted(counter: TokenCounter) -> None:
    assert counter.count_text("o200k_base", "a\ud800b") > 0


def test_special_tokens_in_a_callers_text_are_plain_text(counter: TokenCounter) -> None:
    assert counter.count_text("o200k_base", "<|endoftext|>") > 1


def test_nothing_is_no_token(counter: TokenCounter) -> None:
    assert counter.count_text("cl100k_base", "") == 0


@settings(deadline=None)
@given(st.text(max_size=2_000))
def test_any_text_has_at_most_a_token_a_byte(text: str) -> None:
    counted = SHARED.count_text("o200k_base", text)

    assert counted <= len(text.encode("utf-8", "surrogatepass"))
    assert (counted == 0) == (text == "")


def test_slicing_a_long_text_changes_its_count_by_next_to_nothing(counter: TokenCounter) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 10_000

    whole = len(load_encoding("o200k_base").encode_ordinary(text))

    assert abs(counter.count_text("o200k_base", text) - whole) <= 2 * (len(text) // 65_536)


async def test_a_long_request_is_counted_the_same_in_a_thread(counter: TokenCounter) -> None:
    body = {"messages": [{"role": "user", "content": "word " * 10_000}]}

    assert await counter.count_chat_async("o200k_base", body) == counter.count_chat("o200k_base", body)
    assert await counter.count_text_async("o200k_base", "word " * 10_000) == counter.count_text(
        "o200k_base", "word " * 10_000
    )


async def test_counting_ends_where_it_is_enough(counter: TokenCounter) -> None:
    body = {"messages": [{"role": "user", "content": "word " * 100_000}]}

    whole = await counter.count_chat_async("o200k_base", body, enough=200_000)
    cut = await counter.count_chat_async("o200k_base", body, enough=20_000)

    assert (whole.input > 100_000, whole.is_cut) == (True, False)
    assert (20_000 < cut.input < 50_000, cut.is_cut) == (True, True)


def test_threads_may_share_a_counter() -> None:
    fresh = TokenCounter()
    with ThreadPoolExecutor(8) as pool:
        counts = set(pool.map(lambda _: fresh.count_text("cl100k_base", "Hello, world!"), range(32)))

    assert counts == {4}
