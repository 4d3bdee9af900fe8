"""The dialects that the server speaks: a package and a line each."""

from __future__ import annotations

from ovapi.api.ollama.dialect import OLLAMA
from ovapi.api.openai.dialect import OPENAI
from ovapi.api.system.dialect import SYSTEM

DIALECTS = (
    OPENAI,
    OLLAMA,
    SYSTEM,
)

ENDPOINTS = tuple(endpoint for dialect in DIALECTS for endpoint in dialect.documented)
"""All that is documented, in order."""
