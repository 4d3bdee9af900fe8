import hashlib

import pytest

from ovapi.config.keyring import Keyring
from ovapi.errors import AuthenticationFailed

HASH = hashlib.sha256(b"hashed-secret").hexdigest()
TEXT = f"""
# keys of the house
alice secret-of-alice   # a comment
bob sha256:{HASH}
lonely-secret
"""


@pytest.fixture
def keys() -> Keyring:
    return Keyring.parse(TEXT, "keys")


@pytest.mark.parametrize(
    ("secret", "name"),
    [("secret-of-alice", "alice"), ("hashed-secret", "bob"), ("lonely-secret", "key 5")],
)
def test_a_key_opens_by_either_header(keys: Keyring, secret: str, name: str) -> None:
    assert keys.authenticate(f"Bearer {secret}", None) == name
    assert keys.authenticate(f"bearer  {secret} ", None) == name
    assert keys.authenticate(None, secret) == name


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        (None, None),
        ("", ""),
        ("Bearer", None),
        ("Bearer ", None),
        ("Bearer wrong", None),
        ("Basic secret-of-alice", None),
        ("secret-of-alice", None),
        (None, "secret-of-alic"),
        (None, "secret-of-alicee"),
        (None, f"sha256:{HASH}"),
        (None, HASH),
        (None, "Schl\xfcssel"),
        (None, "\u20ac"),
        (None, "x" * 100_000),
    ],
)
def test_everything_else_is_refused(
    keys: Keyring, authorization: str | None, api_key: str | None
) -> None:
    with pytest.raises(AuthenticationFailed):
        keys.authenticate(authorization, api_key)


def test_a_key_beyond_ascii_is_compared_as_bytes() -> None:
    keys = Keyring.parse("Schlüssel", "keys")
    assert keys.authenticate(None, "Schlüssel".encode().decode("latin-1")) == "key 1"


def test_secrets_do_not_show(keys: Keyring) -> None:
    assert "secret" not in repr(keys._keys)


@pytest.mark.parametrize(
    "line",
    [
        "a b c", "a sha256:12", "a " + "x" * 600,
        "a b\0", "\0", "\x1bc", "a\x1fb", "a\x85b", "\ufeffa", "b\x0cc", "b\x0c",
    ],
)  # fmt: skip
def test_a_bad_line_is_named_without_its_secret(line: str) -> None:
    with pytest.raises(ValueError, match="keys line 2: ") as caught:
        Keyring.parse(f"\n{line}", "keys")
    assert line not in str(caught.value)


def test_lines_may_end_and_be_spaced_as_elsewhere() -> None:
    keys = Keyring.parse("alice\tone\r\n  bob two \r\n# \0\r\n", "keys")
    assert [keys.authenticate(None, secret) for secret in ("one", "two")] == ["alice", "bob"]


def test_an_empty_keyring_is_false_and_rings_add_up(keys: Keyring) -> None:
    assert not Keyring.parse("# nobody\n", "keys")
    assert len(keys + Keyring.parse("more", "environment")) == 4
