"""Sampling parameters as OpenAI, vLLM and OpenVINO Model Server name them → SamplingParams.

The schemas have checked types and ranges; here are the defaults, the names and the conflicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ovapi.core import BeamSearch, SamplingParams, stop_strings
from ovapi.http.answer.error_responses import refuse

DEFAULT_BEAMS = 4
SEEDS = 2**63
MIN_DIVERSITY = 0.001
"""Engines compute in 32 bits, in which far smaller penalties are none."""

SAME_NAME = (
    "temperature",
    "top_p",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "min_tokens",
    "ignore_eos",
    "skip_special_tokens",
)
BEAM_ONLY: dict[str, Any] = {
    "length_penalty": 1.0,
    "early_stopping": False,
    "diversity_penalty": 0.0,
    "num_beam_groups": 1,
    "no_repeat_ngram_size": 0,
}
"""Parameters that mean something to beam search alone, with the values that change nothing."""

NOT_IN_BEAMS: dict[str, Any] = {
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repetition_penalty": 1.0,
}
"""Parameters that beam search does not take, with the values that change nothing."""


def sampling(body: Mapping[str, Any], defaults: SamplingParams) -> SamplingParams:
    """The parameters of `body`, `defaults` where it names none. Raises InvalidRequest.

    The answer's `n` choices are one request each (see `seeded`), or one beam search.
    """
    given = {name: value for name, value in body.items() if value is not None}
    values: dict[str, Any] = {name: given[name] for name in SAME_NAME if name in given}
    if "top_k" in given:
        values["top_k"] = max(given["top_k"], 0)
    if "stop" in given:
        values["stop"] = stop_strings(given["stop"])
    if "stop_token_ids" in given:
        values["stop_token_ids"] = tuple(given["stop_token_ids"])
    if "include_stop_str_in_output" in given:
        values["include_stop"] = given["include_stop_str_in_output"]
    params = replace(defaults, **values, **_length(given), beams=_beams(given))
    _check_length(params)
    return params if params.beams is None else _for_beams(params, given)


def seeded(params: SamplingParams, choice: int) -> SamplingParams:
    """`params` for choice `choice` of several: the same seed would say the same thing."""
    if params.seed is None:
        return params
    return replace(params, seed=(params.seed + choice) % SEEDS)


def _length(given: Mapping[str, Any]) -> dict[str, Any]:
    """`max_tokens` by its two names."""
    old, new = given.get("max_tokens"), given.get("max_completion_tokens")
    if None not in (old, new) and old != new:
        refuse("max_tokens", "and 'max_completion_tokens' differ: send only one")
    wanted = new if new is not None else old
    return {} if wanted is None else {"max_tokens": wanted, "max_tokens_explicit": True}


def _check_length(params: SamplingParams) -> None:
    if params.max_tokens is not None and params.min_tokens > params.max_tokens:
        refuse(
            "min_tokens",
            f"is {params.min_tokens}, greater than 'max_tokens' ({params.max_tokens}): "
            "lower it or raise 'max_tokens'",
        )


def _beams(given: Mapping[str, Any]) -> BeamSearch | None:
    """The beam search that is asked for, if one is."""
    results = given.get("n", 1)
    best_of = given.get("best_of")
    if best_of is not None and results > best_of:
        refuse(
            "n", f"is {results}, greater than 'best_of' ({best_of}): lower it or raise 'best_of'"
        )
    if not given.get("use_beam_search", (best_of or 1) > 1):
        _refuse_beam_parameters(given, best_of)
        return None
    width = best_of if best_of is not None else max(DEFAULT_BEAMS, results)
    return _groups(
        BeamSearch(
            width=width,
            results=results,
            groups=given.get("num_beam_groups", 1),
            diversity_penalty=given.get("diversity_penalty", 0.0),
            length_penalty=given.get("length_penalty", 1.0),
            early_stopping=given.get("early_stopping", False),
            no_repeat_ngram_size=given.get("no_repeat_ngram_size", 0),
        )
    )


def _groups(beams: BeamSearch) -> BeamSearch:
    if beams.width < 2:
        refuse("best_of", "is the number of beams and must be at least 2 for beam search")
    if beams.width % beams.groups:
        refuse("num_beam_groups", f"must divide the number of beams, {beams.width}")
    if beams.diversity_penalty and beams.groups == 1:
        refuse("diversity_penalty", "requires 'num_beam_groups' to be 2 or more")
    if beams.groups > 1 and beams.diversity_penalty < MIN_DIVERSITY:
        refuse("num_beam_groups", f"requires 'diversity_penalty' to be at least {MIN_DIVERSITY}")
    return beams


def _refuse_beam_parameters(given: Mapping[str, Any], best_of: int | None) -> None:
    if best_of is not None and best_of > 1:
        refuse("best_of", "is the number of beams: omit 'use_beam_search' or set it to true")
    for name, neutral in BEAM_ONLY.items():
        if given.get(name, neutral) != neutral:
            refuse(name, "applies to beam search only: set 'use_beam_search' to true or omit it")


def _for_beams(params: SamplingParams, given: Mapping[str, Any]) -> SamplingParams:
    """Refuse penalties that the request names; those of the defaults do not apply."""
    for name, neutral in NOT_IN_BEAMS.items():
        if given.get(name, neutral) != neutral:
            refuse(name, "cannot be combined with beam search: omit one of them")
    return replace(params, **NOT_IN_BEAMS)
