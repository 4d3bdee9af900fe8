"""OllamaGenerationHandler: what Ollama's generating endpoints share: models that come and go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from ovapi.api.ollama.encoder import without_prompt
from ovapi.api.ollama.forms import Form
from ovapi.api.ollama.handler import OllamaHandler
from ovapi.config.values.durations import duration
from ovapi.http.generation_handler import GenerationHandler
from ovapi.serving.model import Model


class OllamaGenerationHandler(OllamaHandler, GenerationHandler):
    @asynccontextmanager
    async def staying(self, model: Model, body: Mapping[str, Any]) -> AsyncIterator[None]:
        """See `using`; from now on the model stays for as long as `keep_alive` says."""
        async with self.using(model):
            given = body.get("keep_alive")
            if given is not None:
                model.lifecycle.stay(duration(given), self.caller)
            yield

    async def answer_without_prompt(
        self, model: Model, body: Mapping[str, Any], form: Form
    ) -> None:
        """A request without a prompt loads the model, or unloads it with a `keep_alive` of 0."""
        given = body.get("keep_alive")
        if given is not None and duration(given) == 0:
            await model.lifecycle.dismiss(self.caller)
            reason = "unload"
        else:
            async with self.staying(model, body):
                reason = "load"
        self.write_json(without_prompt(body["model"], form, reason))
