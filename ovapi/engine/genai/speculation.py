"""Prompt lookup and draft models: what the pipeline and each of its requests are told.

A pipeline that speculates takes no request that does not, and a request without the numbers below
raises, with a draft model inside `step()`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ovapi.config.engine_options import SpeculationConfig
from ovapi.core import SamplingParams
from ovapi.engine.base import EngineSpec
from ovapi.engine.genai.device import check_device
from ovapi.engine.load_error import LoadError
from ovapi.engine.model_files import ModelFiles
from ovapi.errors import UnsupportedParameter


def read_draft(speculation: SpeculationConfig | None, files: ModelFiles) -> ModelFiles | None:
    """The facts of the draft model, if there is one. Raises LoadError if it does not fit."""
    if speculation is None or speculation.draft is None:
        return None
    check_device(speculation.device)
    try:
        draft = ModelFiles.read(speculation.draft, files.context)
    except LoadError as error:
        raise LoadError(f"the draft model: {error}") from None
    if draft.vocabulary != files.vocabulary:
        raise LoadError(
            f"the vocabulary of the draft model ({draft.vocabulary} tokens) differs from that of "
            f"the model ({files.vocabulary})"
        )
    return draft


def pipeline_settings(genai: Any, spec: EngineSpec, scheduler: Any) -> dict[str, Any]:
    """Arguments of the pipeline. A draft model has a cache of as many blocks as the model."""
    speculation = spec.speculation
    if speculation is None:
        return {}
    if speculation.draft is None:
        return {"prompt_lookup": True}
    draft = genai.draft_model(
        Path(speculation.draft),
        speculation.device,
        scheduler_config=scheduler,
        **speculation.properties,
    )
    return {"draft_model": draft}


def assist(config: Any, speculation: SpeculationConfig | None) -> None:
    """Make a GenerationConfig valid for a pipeline that speculates.

    The size of the n-grams decides with a draft model too: above 0, the pipeline keeps a guess
    that is the very token it has sampled itself. At 0 it weighs the two models' probabilities,
    wrongly: after a refused guess it goes on with the wrong logits, and many a step raises.
    """
    if speculation is None:
        return
    config.num_assistant_tokens = speculation.tokens
    config.max_ngram_size = speculation.ngram


def check(params: SamplingParams, speculation: SpeculationConfig | None) -> None:
    """Refuse what such a pipeline cannot do. Raises UnsupportedParameter."""
    if speculation is None:
        return
    if params.beams is not None:
        raise UnsupportedParameter(
            "This model uses speculative decoding, which does not support beam search: omit "
            "'use_beam_search' and 'best_of'.",
            param="use_beam_search",
        )
    if params.min_tokens and speculation.draft is None:
        raise UnsupportedParameter(
            "This model uses prompt lookup, which does not support 'min_tokens': omit it.",
            param="min_tokens",
        )
