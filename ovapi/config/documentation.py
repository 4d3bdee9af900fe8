"""docs/configuration.md, generated from the schema of the configuration.

``python -m ovapi.config.documentation`` prints it.
"""

from __future__ import annotations

from ovapi.config.reload import LOGGING, MODEL, SERVER
from ovapi.validation.properties import Property, properties, table
from ovapi.validation.schemas import Schemas
from ovapi.validation.violation import Schema

INTRODUCTION = """\
# Configuration

The server reads one YAML file:

```sh
python -m ovapi --config config.yaml
```

Without `--config` it reads `./config.yaml`, or else the file in the package. `--host` and `--port`
override the file. [config.yaml](../config.yaml) shows every key with its default. Every key is
optional; paths are relative to the file's folder.

`python -m ovapi --check --config config.yaml` validates a file and lists the models that it
serves. Errors name the YAML path and the line. Unknown keys are errors.

SIGHUP (`systemctl reload ovapi`) reloads the file without closing a connection. Keys with a *yes*
in the column *Reload* take effect at once; changes of other keys are named in the log and need a
restart. New models load; removed ones finish their requests within `server.drain_seconds`. A file
with an error changes nothing, and neither does one that would open what is closed: see
[Operations](operations.md#what-a-reload-refuses). Required keys are **bold**.

This page is generated from `schemas/config.json`: see `make docs`.
"""

HEAD = ["Key", "Type", "Default", "Reload", "Meaning"]

RELOADED = {
    "auth", "limits", "defaults", "models_dir", "default_model", "memory_budget",
    *(f"server.{name}" for name in SERVER),
    *(f"logging.{name}" for name in LOGGING),
    *(f"models[].{name}" for name in MODEL),
}  # fmt: skip
"""The keys that a running server takes over, with all that is below them."""

SHARED = "models[].defaults"
"""Has the keys of `defaults`, which are not listed twice."""


def generate(schemas: Schemas) -> str:
    sections = schemas["config"]["properties"]
    plain = {name: inner for name, inner in sections.items() if not _below(name, inner)}
    rows = [_row(name, Property(name, inner, False)) for name, inner in plain.items()]
    parts = [INTRODUCTION, "## Top level\n", table(HEAD, rows)]
    for name, inner in sections.items():
        if name not in plain:
            rows = [_row(path, one) for path, one in _below(name, inner)]
            parts += [f"## {name}\n", f"{inner['description']}\n", table(HEAD, rows)]
    return "\n".join(parts)


def _below(name: str, schema: Schema) -> list[tuple[str, Property]]:
    """The properties of a section with their whole paths."""
    inner, prefix = schema, f"{name}."
    if "items" in schema:
        inner, prefix = schema["items"], f"{name}[]."
    found = ((prefix + one.name, one) for one in properties(inner))
    return [(path, one) for path, one in found if not path.startswith(f"{SHARED}.")]


def _row(path: str, one: Property) -> list[str]:
    name = f"**`{one.name}`**" if one.required else f"`{one.name}`"
    return [name, one.type, one.default, "yes" if _is_reloaded(path) else "", one.description]


def _is_reloaded(path: str) -> bool:
    return any(path == key or path.startswith((f"{key}.", f"{key}[]")) for key in RELOADED)


if __name__ == "__main__":
    print(generate(Schemas()), end="")
