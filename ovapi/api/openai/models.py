"""GET /v1/models and /v1/models/{id}: what can be asked for, by name."""

from __future__ import annotations

from typing import Any

from ovapi.http.handler import ApiHandler
from ovapi.language.model_language import ModelLanguage
from ovapi.serving.model import Model


class ModelList(ApiHandler):
    def get(self) -> None:
        models = [describe(model) for model in self.context.registry]
        self.write_json({"object": "list", "data": models})

    head = get


class ModelDetail(ApiHandler):
    def get(self, name: str) -> None:
        """`name` is only ever compared with the names of models, so it may be anything."""
        self.write_json(describe(self.context.registry.get(name)))

    head = get


def describe(model: Model) -> dict[str, Any]:
    info = model.engine.state.info
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "ovapi",
        "root": model.config.parent or model.name,
        "parent": model.config.parent,
        "max_model_len": info.context if info is not None else None,
        "language": _language(model.language),
    }


def _language(language: ModelLanguage | None) -> dict[str, Any] | None:
    if language is None:
        return None
    family = language.family
    return {
        "family": family.name,
        "tools": language.calls,
        "tool_format": family.tools or None,
        "thinking": language.thinks,
        "reasoning_format": family.reasoning or None,
    }
