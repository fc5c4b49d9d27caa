"""API keys: made, named, hashed, compared."""

import pytest

from shared.config import hash_key, key_matches, new_key, public_id


@pytest.mark.parametrize("name", ["web", "team-a_nightly", "acme/web:1", "a"])
def test_a_key_tells_whose_it_is(name: str) -> None:
    assert public_id(new_key(name)) == name


def test_two_keys_of_one_caller_differ() -> None:
    assert new_key("web") != new_key("web")


@pytest.mark.parametrize("name", ["", "_web", "a b", "ü", "x" * 129])
def test_a_name_the_configuration_would_refuse_makes_no_key(name: str) -> None:
    with pytest.raises(ValueError, match="not a valid key id"):
        new_key(name)


@pytest.mark.parametrize(
    "text", ["", "slk_", "slk_web", "slk_web_", "slk_web_short", "sk-" + "a" * 40, "slk__" + "a" * 40]
)
def test_what_is_not_a_key_has_no_public_id(text: str) -> None:
    assert public_id(text) is None


def test_a_key_matches_its_own_hash_and_no_other() -> None:
    key = new_key("web")

    assert key_matches(key, hash_key(key))
    assert not key_matches(new_key("web"), hash_key(key))
    assert not key_matches(key, "sha256:" + "0" * 64)


def test_a_key_with_characters_outside_ascii_is_only_wrong() -> None:
    assert not key_matches("slk_wéb_" + "a" * 64, hash_key(new_key("web")))
