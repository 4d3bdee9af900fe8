"""The environment of chat templates: Jinja's immutable sandbox, with limits on every operation.

It has what Hugging Face's tokenizers give their templates: loop controls, the ``generation`` tag,
`tojson`, `raise_exception` and `strftime_now`.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import nodes, pass_context
from jinja2.defaults import DEFAULT_NAMESPACE
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import BlockReference, Context, LoopContext, Macro, TemplateReference
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedFormatter
from jinja2.utils import Cycler, Namespace

from ovapi.language.template import filters
from ovapi.language.template.budget import RenderLimit, budget
from ovapi.language.template.methods import (
    call_list,
    call_text,
    check_operation,
    check_widths,
    concatenated,
    is_allowed,
    made,
)

_LONG_NAME = 2**8
_MAX_FORMAT = 2**10
_MAX_OBJECTION = 500
_SCOPES = {"_block_vars", "_loop_vars"}
"""What Jinja hands to functions that ask for the context, beside their arguments."""
_BOUND = (types.MethodType, types.BuiltinMethodType)


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Renders only while a budget is active: see `ovapi.language.template.budget.spending`."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))
    concat = staticmethod(concatenated)

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[loopcontrols, GenerationTag],
            finalize=_finalize,
        )
        self.filters = dict[str, Any](filters.filters())
        self.tests = dict[str, Any](filters.tests())
        self.globals.pop("lipsum")
        self.globals["namespace"] = TemplateNamespace
        self.globals["raise_exception"] = _raise_exception
        self.globals["strftime_now"] = _strftime_now

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Attributes are listed: of whatever is not known, there are none."""
        if attr.startswith("_"):
            return False
        return type(obj) in _RUNTIME or is_allowed(obj, attr)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        budget().turn()
        if isinstance(obj, Macro) or obj is TemplateNamespace:
            return super().call(context, obj, *args, **kwargs)
        if isinstance(obj, LoopContext):
            children, *rest = args
            return super().call(context, obj, filters.looped(children), *rest, **kwargs)
        owner = getattr(obj, "__self__", None)
        named = {name: value for name, value in kwargs.items() if name not in _SCOPES}
        if isinstance(owner, str):
            return call_text(obj, owner, args, named)
        if isinstance(owner, (dict, list, tuple)):
            return call_list(obj, owner, args, named)
        for argument in (*args, *named.values()):
            budget().measure(argument)
        return made(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        check_operation(operator, left, right)
        return made(super().call_binop(context, operator, left, right))

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(argument, tuple):
            budget().measure(argument)  # as a key: hashing takes as long
        elif isinstance(argument, str) and len(argument) > _LONG_NAME:
            budget().spend(_LONG_NAME * len(argument))  # filters look it up in every entry
        return super().getitem(obj, argument)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Jinja's own formatter, with limits; `format_map` is not among the methods."""
        if type(value) not in _BOUND or super().wrap_str_format(value) is None:
            return None
        return lambda *args, **named: _format(self, value, args, named)


def _format(
    environment: TemplateEnvironment, method: Any, args: Sequence[Any], named: Mapping[str, Any]
) -> str:
    if method.__name__ != "format":
        raise SecurityError("format_map is not available in chat templates.")
    text: str = method.__self__
    made_text: str = made(_BoundedFormatter(environment).vformat(text, args, named))
    return made_text


class _BoundedFormatter(SandboxedFormatter):
    """Formats one text: no field is wide, and all together fit into the budget."""

    _size = 0

    def convert_field(self, value: Any, conversion: Any) -> Any:
        budget().measure(value)
        return super().convert_field(value, conversion)

    def format_field(self, value: Any, format_spec: str) -> Any:
        check_widths(format_spec)
        budget().measure(value)
        text = super().format_field(value, format_spec)
        self._size += len(text)
        budget().check(self._size)
        return text


class TemplateNamespace(Namespace):
    """Without names that Python itself would look for."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, *rest = args
        attributes = dict(*rest, **kwargs)
        for name in attributes:
            _check_name(name)
        Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


_RUNTIME = {BlockReference, Cycler, LoopContext, Macro, TemplateNamespace, TemplateReference}
"""Jinja's own objects, of which a template may have all public attributes."""


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or name.startswith("_"):
        raise SecurityError("Names in a namespace must not begin with an underscore.")


class GenerationTag(Extension):
    """``{% generation %}`` marks what a model is trained on: here its body is all that counts."""

    tags = {"generation"}  # noqa: RUF012 as Jinja declares it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


class Objection(Exception):
    """What a template says by its `raise_exception`."""


def _raise_exception(message: Any) -> NoReturn:
    raise Objection(str(message)[:_MAX_OBJECTION])


def _strftime_now(format: str) -> str:
    if len(format) > _MAX_FORMAT:
        raise RenderLimit("size")
    return datetime.now().strftime(format)


@pass_context
def _finalize(context: Context, value: Any) -> Any:
    """What is printed becomes text after this."""
    if not isinstance(value, str):
        budget().measure(value)
    return value


GLOBALS = frozenset(DEFAULT_NAMESPACE) | {"raise_exception", "strftime_now"}
"""The names of functions that templates call."""
