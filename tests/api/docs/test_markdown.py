"""api_documentation.md is what the schemas say."""

from __future__ import annotations

from pathlib import Path

from ovapi.api.dialects import DIALECTS, ENDPOINTS
from ovapi.api.docs.markdown import generate
from ovapi.validation.schemas import Schemas

FILE = Path(__file__).resolve().parents[3] / "api_documentation.md"
SCHEMAS = Schemas()


def test_the_file_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == generate(DIALECTS, SCHEMAS), "run `make docs`"


def test_every_parameter_has_a_row() -> None:
    text = FILE.read_text(encoding="utf-8")
    for endpoint in ENDPOINTS:
        if endpoint.request is not None:
            for name in SCHEMAS[endpoint.request]["properties"]:
                assert f"`{name}`" in text
