"""Endpoint: what the documentation says of one, beside its schemas."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

URL = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Endpoint:
    """A section: what the endpoint does, an example, and the schemas of what goes in and out."""

    verb: str
    path: str
    text: str
    response: str
    request: str | None = None
    chunk: str | None = None
    example: Mapping[str, Any] | None = None
    notes: str = ""

    def curl(self) -> str:
        """The example as a command line, which a test runs."""
        path = self.path.replace("{id}", "ovapi-demo")
        command = f"curl {URL}{path}"
        if self.example is None:
            return command
        body = shlex.quote(json.dumps(self.example, indent=2, ensure_ascii=False))
        return f"{command} \\\n  -H 'Content-Type: application/json' \\\n  -d {body}"
