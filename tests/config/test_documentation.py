"""docs/configuration.md is what the schema says, and what a reload does."""

from __future__ import annotations

from pathlib import Path

from ovapi.config.documentation import generate
from ovapi.config.loader import load
from ovapi.config.reload import merge
from ovapi.validation.properties import properties
from ovapi.validation.schemas import Schemas

FILE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
SCHEMAS = Schemas()

RELOADED_WHOLE = """\
auth: {keys_file: keys}
limits: {request_seconds: 5, body_bytes: 2048, per_key: {concurrent: 1}, keys: {bob: {}}}
defaults: {temperature: 0, stop: end}
models_dir: others
default_model: a
memory_budget: 1GB
models: [{name: a, path: a}]
"""


def test_the_file_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == generate(SCHEMAS), "run `make docs`"


def test_every_key_has_a_row_in_its_section() -> None:
    text = FILE.read_text(encoding="utf-8")
    sections = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    for name, inner in SCHEMAS["config"]["properties"].items():
        rows = sections.get(name, sections["Top level"])
        for one in properties(inner.get("items", inner)):
            assert f"`{one.name}`" in rows or one.name.startswith("defaults."), one.name


def test_what_is_reloaded_as_a_whole_waits_for_no_restart(tmp_path: Path) -> None:
    """The keys outside of `server`, `logging` and models, of which only the reload has a list."""
    (tmp_path / "keys").write_text("bob secret")
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text("models: [{name: a, path: a}]")
    new.write_text(RELOADED_WHOLE)
    assert merge(load(old), load(new)).left == ()
