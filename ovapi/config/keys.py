"""The keys that a configuration names: of a file, of a variable, of systemd's credential."""

from __future__ import annotations

import os
from pathlib import Path

from ovapi.config.keyring import Keyring
from ovapi.config.values.files import read_text
from ovapi.config.yaml_document import ConfigError, YamlDocument

CREDENTIAL = "ovapi-keys"
"""The name of the systemd credential that holds keys, one a line."""


def read_keys(document: YamlDocument, base: Path) -> Keyring:
    """The keys of auth.keys_file, of the variable auth.keys_env and of systemd's credential."""
    auth = document.data.get("auth", {})
    if auth == "none":
        return _no_keys(document)
    keys = Keyring()
    if "keys_file" in auth:
        keys += _keys_of_file(document, base / auth["keys_file"])
    if "keys_env" in auth:
        keys += _keys_of_variable(document, auth["keys_env"])
    keys += _keys_of_credential(document)
    if auth and not keys:
        # Whoever asks for keys must not get an open server because a file is empty.
        raise ConfigError(document.error(("auth",), "contains no key"))
    return keys


def _no_keys(document: YamlDocument) -> Keyring:
    """`auth: none`, which a credential with keys contradicts."""
    if _keys_of_credential(document):
        problem = f"'none' contradicts the credential {CREDENTIAL}, which has keys"
        raise ConfigError(document.error(("auth",), problem))
    return Keyring()


def _keys_of_credential(document: YamlDocument) -> Keyring:
    file = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"), CREDENTIAL)
    if not file.is_file():
        return Keyring()
    return _keys_of_text(document, _text(document, file, "credential") + "\n", "credential")


def _keys_of_variable(document: YamlDocument, name: str) -> Keyring:
    if name not in os.environ:
        problem = f"the environment variable {name} is not set"
        raise ConfigError(document.error(("auth", "keys_env"), problem))
    return _keys_of_text(document, os.environ[name].replace(",", "\n") + "\n", "keys_env")


def _keys_of_file(document: YamlDocument, file: Path) -> Keyring:
    return _keys_of_text(document, _text(document, file, "keys_file"), "keys_file")


def _text(document: YamlDocument, file: Path, source: str) -> str:
    try:
        return read_text(file)
    except (OSError, ValueError) as error:
        raise ConfigError(document.error(("auth", source), f"cannot be read: {error}")) from None


def _keys_of_text(document: YamlDocument, text: str, source: str) -> Keyring:
    try:
        return Keyring.parse(text, source)
    except ValueError as error:
        raise ConfigError(document.error(("auth", source), str(error))) from None
