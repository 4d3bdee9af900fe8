"""ChatTemplate: a model's own Jinja template, as Hugging Face's tokenizers run it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ovapi.core import ChatPrompt
from ovapi.errors import ApiError, InvalidRequest, UnsupportedParameter
from ovapi.language.template.budget import RenderLimit
from ovapi.language.template.compiled import CompiledTemplate, markers_in
from ovapi.language.template.sandbox import GLOBALS, Objection
from ovapi.language.template.traits import TemplateTraits, probe
from ovapi.language.template.variables import arguments_object, message_variables

log = logging.getLogger(__name__)

_SECONDS = 2.0
_SECONDS_EACH = 0.01
"""CPU time for all, and for each message and tool: the slowest known templates take 4 ms."""
_PROBE_SECONDS = 1.0
_STANDARD = frozenset({"messages", "tools", "documents", "add_generation_prompt"})


class ChatTemplate:
    """`source` None: the model has none. `constants` are variables of the model (``bos_token``).

    Raises jinja2.TemplateError, or RecursionError, for a source that is no template.
    """

    def __init__(self, source: str | None, constants: Mapping[str, str]) -> None:
        self._template = CompiledTemplate(source) if source else None
        self._constants = constants

    @cached_property
    def traits(self) -> TemplateTraits:
        """What it can do, found out by rendering; all no without a template."""
        if self._template is None:
            return TemplateTraits()
        return probe(lambda variables: self._render(variables, _PROBE_SECONDS))

    @cached_property
    def markers(self) -> frozenset[str]:
        """The tags of roles and calls that it writes, or looks for."""
        if self._template is None:
            return frozenset()
        return self._template.markers | markers_in([self.traits.generation_prompt])

    @property
    def operands(self) -> frozenset[str]:
        """The texts that it looks for in what it is given."""
        return self._template.operands if self._template else frozenset()

    def variables(self, prompt: ChatPrompt) -> dict[str, Any]:
        """What it is given for `prompt`. Raises InvalidRequest."""
        for name in prompt.template_args:
            if name in _STANDARD or name in GLOBALS or name in self._constants:
                raise InvalidRequest(
                    f"'{name}' is not a variable that a request may set.",
                    param=f"chat_template_kwargs.{name}",
                )
        traits = self.traits
        if prompt.tools and self._template and not traits.tools:
            raise UnsupportedParameter(
                "This model's chat template does not support tools.", param="tools"
            )
        return {
            **prompt.template_args,
            "messages": message_variables(prompt.messages, traits.arguments, traits.null_content),
            "tools": list(prompt.tools) or None,
            "documents": None,
            "add_generation_prompt": prompt.add_generation_prompt,
        }

    def render(self, variables: Mapping[str, Any]) -> str:
        """Raises InvalidRequest with the template's own objection, ApiError for its failures."""
        entries = len(variables["messages"]) + len(variables["tools"] or ())
        seconds = _SECONDS + _SECONDS_EACH * entries
        try:
            return self._render(variables, seconds)
        except InvalidRequest:
            raise
        except Objection as error:
            raise InvalidRequest(str(error), param="messages") from None
        except RenderLimit as error:
            log.warning("chat template exceeded its limit of %s", error)
            raise ApiError(
                "The model's chat template exceeded its limits on these messages."
            ) from None
        except Exception as error:  # noqa: BLE001 a template is foreign code: it may raise anything
            log.warning("the chat template failed with %s", type(error).__name__)
            raise self._blame(variables) from None

    def _render(self, variables: Mapping[str, Any], seconds: float) -> str:
        if self._template is None:
            raise InvalidRequest("This model has no chat template: send a text prompt instead.")
        return self._template.render({**self._constants, **variables}, seconds)

    def _blame(self, variables: Mapping[str, Any]) -> ApiError:
        """What is at fault for a failure: what the client may leave out, or else the template."""
        extra = [name for name in variables if name not in _STANDARD]
        standard = {name: variables[name] for name in _STANDARD}
        for param, without in (
            ("chat_template_kwargs", standard if extra else None),
            ("tools", {**variables, "tools": None} if variables["tools"] else None),
        ):
            if without is not None and self._succeeds(without):
                return InvalidRequest(
                    f"The model's chat template failed on the '{param}' of this request.",
                    param=param,
                )
        for call in (call for one in variables["messages"] for call in one.get("tool_calls", ())):
            arguments = call["function"]["arguments"]
            if isinstance(arguments, str) and isinstance(arguments_object(arguments), str):
                return InvalidRequest(
                    "This model's chat template requires the arguments of every tool call to be a "
                    "JSON object.",
                    param="messages",
                )
        return ApiError("The model's chat template failed on these messages.")

    def _succeeds(self, variables: Mapping[str, Any]) -> bool:
        try:
            self._render(variables, _PROBE_SECONDS)
        except Exception:  # noqa: BLE001 a template is foreign code: it may raise anything
            return False
        return True
