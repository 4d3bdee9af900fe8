"""The keys that a configuration names: of a file, of a variable, of systemd's credential."""

from __future__ import annotations

import os
from pathlib import Path

from ovapi.config.keyring import Keyring
from ovapi.config.yaml_document import ConfigError, YamlDocument

CREDENTIAL = "ovapi-keys"
"""The name of the systemd credential that holds keys, one a line."""


def read_keys(document: YamlDocument, base: Path) -> Keyring:
    """The keys of auth.keys_file, of the variable auth.keys_env and of systemd's credential."""
    auth = document.data.get("auth", {})
    keys = Keyring()
    if "keys_file" in auth:
        keys += _keys_of_file(document, base / auth["keys_file"])
    if "keys_env" in auth:
        keys += _keys_of_text(
            document, os.environ.get(auth["keys_env"], "").replace(",", "\n"), "keys_env"
        )
    credential = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"), CREDENTIAL)
    if credential.is_file():
        keys += _keys_of_text(document, credential.read_text(encoding="utf-8"), "credential")
    if auth and not keys:
        # Whoever asks for keys must not get an open server because a file is empty.
        raise ConfigError(document.error(("auth",), "contains no key"))
    return keys


def _keys_of_file(document: YamlDocument, file: Path) -> Keyring:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            document.error(("auth", "keys_file"), f"cannot be read: {error}")
        ) from None
    return _keys_of_text(document, text, "keys_file")


def _keys_of_text(document: YamlDocument, text: str, source: str) -> Keyring:
    try:
        return Keyring.parse(text, source)
    except ValueError as error:
        raise ConfigError(document.error(("auth", source), str(error))) from None
