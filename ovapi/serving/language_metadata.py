"""How a served model writes calls and thought, whether it is loaded or not."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ovapi.config.settings import ModelConfig
from ovapi.language.model_language import LanguageOptions, ModelLanguage


def language_of(config: ModelConfig) -> ModelLanguage:
    """Blocks while it reads files and renders templates; done once for good."""
    from ovapi.engine.model_language import language_options

    return _read(config.path, language_options(config))


@lru_cache(maxsize=256)
def _read(folder: Path, options: LanguageOptions) -> ModelLanguage:
    from ovapi.engine.model_language import read_language

    return read_language(folder, options)
