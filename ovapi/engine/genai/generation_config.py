"""From SamplingParams to openvino_genai's GenerationConfig, for both engines."""

from __future__ import annotations

import secrets
from typing import Any

from ovapi.core import BeamSearch, SamplingParams

_GREEDY_BELOW = 1e-5
_SMALLEST = 1e-6
_SEEDS = 2**64


def make_config(genai: Any, params: SamplingParams, eos_ids: frozenset[int], limit: int) -> Any:
    """The GenerationConfig of one request. `genai` is the openvino_genai module.

    Raises what `validate` does: whoever made `params` has seen to it that they fit together.

    Stop strings are not in it: they are matched on the text, by `OutputProcessor`.
    """
    config = genai.GenerationConfig()
    config.max_new_tokens = max(limit, 1)
    config.apply_chat_template = False
    config.ignore_eos = params.ignore_eos
    if not params.ignore_eos:
        _set_ends(config, params, eos_ids)
    config.logprobs = int(params.logprobs)
    if params.beams is not None:
        _set_beams(genai, config, params.beams)
    else:
        _set_choice(config, params)
    config.validate()
    return config


def _set_ends(config: Any, params: SamplingParams, eos_ids: frozenset[int]) -> None:
    if eos_ids:
        config.eos_token_id = min(eos_ids)
    config.stop_token_ids = set(eos_ids | frozenset(params.stop_token_ids))
    config.min_new_tokens = min(params.min_tokens, config.max_new_tokens)


def _set_choice(config: Any, params: SamplingParams) -> None:
    config.repetition_penalty = params.repetition_penalty
    config.presence_penalty = params.presence_penalty
    config.frequency_penalty = params.frequency_penalty
    config.do_sample = params.temperature >= _GREEDY_BELOW
    if not config.do_sample:
        return
    config.temperature = params.temperature
    config.top_p = max(params.top_p, _SMALLEST)
    config.min_p = min(params.min_p, 1 - _SMALLEST)
    if params.top_k > 0:
        config.top_k = params.top_k
    # the pipeline's own default is 0 for all: two unseeded requests would be alike
    config.rng_seed = secrets.randbits(63) if params.seed is None else params.seed % _SEEDS


def _set_beams(genai: Any, config: Any, beams: BeamSearch) -> None:
    config.num_beams = beams.width
    config.num_return_sequences = beams.results
    config.num_beam_groups = beams.groups
    config.diversity_penalty = beams.diversity_penalty
    config.length_penalty = beams.length_penalty
    if beams.no_repeat_ngram_size > 0:
        config.no_repeat_ngram_size = beams.no_repeat_ngram_size
    config.stop_criteria = {
        True: genai.StopCriteria.EARLY,
        False: genai.StopCriteria.HEURISTIC,
        "never": genai.StopCriteria.NEVER,
    }[beams.early_stopping]
