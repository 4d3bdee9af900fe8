"""How a model writes calls and thought, read from its files, without loading it."""

from __future__ import annotations

from pathlib import Path

from jinja2 import TemplateError

from ovapi.config.engine_options import EngineOptions
from ovapi.engine.load_error import LoadError
from ovapi.engine.model_files import read_chat_templates, read_template_variables
from ovapi.language.chat_template import ChatTemplate
from ovapi.language.model_language import LanguageOptions, ModelLanguage


def language_options(options: EngineOptions) -> LanguageOptions:
    """What the configuration says of it."""
    return LanguageOptions(
        options.tool_format, options.reasoning_format, options.tools_by_system_message
    )


def read_language(folder: Path, options: LanguageOptions) -> ModelLanguage:
    """Blocks while it renders the template, as often as it takes to find out what it can do.

    Files that are missing or broken leave gaps: whoever loads the model reports them.
    """
    try:
        templates = read_chat_templates(folder)
        source = templates.tool_use or templates.default
        template = ChatTemplate(source, read_template_variables(folder))
    except (LoadError, TemplateError, RecursionError):
        return ModelLanguage()
    return ModelLanguage.of(source, template.traits.tools, options)
