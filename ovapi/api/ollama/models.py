"""GET /api/tags, /api/ps and /api/version, POST /api/show: which models there are."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ovapi import __version__
from ovapi.api.ollama.handler import LATEST, OllamaHandler, timestamp
from ovapi.core import SamplingParams
from ovapi.errors import InvalidRequest
from ovapi.language.model_language import ModelLanguage
from ovapi.serving.language_metadata import language_of
from ovapi.serving.model import Model
from ovapi.serving.model_metadata import ModelMetadata, read_metadata

OLLAMA_VERSION = "0.35.1"
"""The Ollama whose API this is: clients ask for it, to see whether the server is new enough."""
NEVER = "9999-12-31T23:59:59Z"
MILLION = 10**6
BILLION = 10**9


class MetadataHandler(OllamaHandler):
    """A handler that tells what is in the models' files."""

    async def card(self, model: Model) -> ModelMetadata:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.context.executor, read_metadata, model.config.path)


class Tags(MetadataHandler):
    async def get(self) -> None:
        models = [_listed(model, await self.card(model)) for model in self.context.registry]
        self.write_json({"models": models})

    head = get


class Running(MetadataHandler):
    async def get(self) -> None:
        cards = [(model, await self.card(model)) for model in self.context.registry]
        models = [_running(model, card) for model, card in cards if _is_loaded(model)]
        self.write_json({"models": models})

    head = get


class Show(MetadataHandler):
    async def post(self) -> None:
        body = await self.read_json("ollama/show_request")
        name = body.get("model") or body.get("name")
        if name is None:
            raise InvalidRequest("model is required", param="model")
        model = self.model(name)
        card = await self.card(model)
        language = model.language or await self._language(model)
        self.write_json({**_shown(model, card), "capabilities": _capabilities(language)})

    async def _language(self, model: Model) -> ModelLanguage:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.context.executor, language_of, model.config)


class Version(OllamaHandler):
    def get(self) -> None:
        self.write_json({"version": OLLAMA_VERSION, "ovapi_version": __version__})

    head = get


def _summary(model: Model, card: ModelMetadata) -> dict[str, Any]:
    name = model.name if ":" in model.name else model.name + LATEST
    return {
        "name": name,
        "model": name,
        "size": card.size,
        "digest": card.digest,
        "details": _details(model, card),
    }


def _listed(model: Model, card: ModelMetadata) -> dict[str, Any]:
    return {**_summary(model, card), "modified_at": timestamp(card.modified)}


def _is_loaded(model: Model) -> bool:
    """A process that is being replaced has nothing to tell."""
    return model.lifecycle.available and model.engine.state.info is not None


def _running(model: Model, card: ModelMetadata) -> dict[str, Any]:
    info = model.engine.state.info
    assert info is not None
    on_gpu = card.size if info.device.startswith("GPU") else 0
    return {
        **_summary(model, card),
        "size": max(model.lifecycle.measured or card.size, on_gpu),
        "expires_at": _end(model.lifecycle.expires_in),
        "size_vram": on_gpu,
        "context_length": info.context,
    }


def _end(seconds: float | None) -> str:
    """In so many seconds; None is never."""
    return NEVER if seconds is None else timestamp(time.time_ns() + int(seconds * 10**9))


def _shown(model: Model, card: ModelMetadata) -> dict[str, Any]:
    parameters = _parameters(model.defaults)
    return {
        "modelfile": "\n".join([f"FROM {model.name}", *(f"PARAMETER {one}" for one in parameters)]),
        "parameters": "\n".join(parameters),
        "template": card.template,
        "details": _details(model, card),
        "model_info": dict(card.info),
        "modified_at": timestamp(card.modified),
    }


def _capabilities(language: ModelLanguage) -> list[str]:
    tools, thinking = ["tools"] * language.calls, ["thinking"] * language.thinks
    return ["completion", *tools, *thinking]


def _details(model: Model, card: ModelMetadata) -> dict[str, Any]:
    return {
        "parent_model": model.config.parent or "",
        "format": "openvino",
        "family": card.family,
        "families": [card.family] if card.family else [],
        "parameter_size": _human(card.parameters),
        "quantization_level": card.weights,
    }


def _human(count: int) -> str:
    """A number of weights as Ollama writes it: 8.0B, 3.1M."""
    if not count:
        return ""
    return f"{count / BILLION:.1f}B" if count >= BILLION else f"{count / MILLION:.2f}M"


def _parameters(defaults: SamplingParams) -> list[str]:
    """The defaults by the names of Ollama's options, in its columns."""
    stops = [("stop", f'"{stop}"') for stop in defaults.stop]
    values = [
        ("num_predict", defaults.max_tokens if defaults.max_tokens is not None else -1),
        ("temperature", defaults.temperature),
        ("top_k", defaults.top_k),
        ("top_p", defaults.top_p),
        ("min_p", defaults.min_p),
        ("repeat_penalty", defaults.repetition_penalty),
        ("presence_penalty", defaults.presence_penalty),
        ("frequency_penalty", defaults.frequency_penalty),
        *stops,
    ]
    return [f"{name:<30} {value}" for name, value in values]
