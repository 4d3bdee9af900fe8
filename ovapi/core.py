"""The vocabulary that dialects and engines share: requests going in, events coming out.

A dialect turns JSON into a `GenerateRequest` and events back into bytes; an engine turns a
`GenerateRequest` into events. Neither knows the other. Everything here is immutable and
picklable, since it crosses the pipe to engine processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ovapi.errors import ApiError

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function call in an assistant message; `arguments` is the JSON text the model wrote."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. `content` is plain text, text parts already joined.

    `reasoning` is what an assistant thought before it; None: not known.
    """

    role: Role
    content: str
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    reasoning: str | None = None


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """Messages for the model's own chat template.

    `tools` are OpenAI function definitions, handed to the template as they came.
    `template_args` are extra scalar variables for the template (``enable_thinking`` …).
    """

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    template_args: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    add_generation_prompt: bool = True


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """Raw text, tokenized as it is: special tokens in it count as such."""

    text: str


@dataclass(frozen=True, slots=True)
class TokenPrompt:
    """Token ids, checked against the vocabulary by the engine."""

    ids: tuple[int, ...]


Prompt = ChatPrompt | TextPrompt | TokenPrompt


def stop_strings(stop: str | Sequence[str]) -> tuple[str, ...]:
    """A `stop` as the schemas have it, in requests and in the configuration: one or several."""
    return (stop,) if isinstance(stop, str) else tuple(stop)


@dataclass(frozen=True, slots=True)
class BeamSearch:
    """Beam search of `width` beams in `groups` groups, from which `results` are returned."""

    width: int
    results: int = 1
    groups: int = 1
    diversity_penalty: float = 0.0
    length_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False
    no_repeat_ngram_size: int = 0


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How tokens are chosen and when to stop. Ranges are checked at the edge, by the schemas.

    `temperature` 0 is greedy. `top_k` 0 considers all tokens. `max_tokens` None means up to the
    end of the context; a number that the request itself names (`max_tokens_explicit`) must fit,
    while a default is cut to what the context leaves. `seed` None means a fresh random one for
    each request. `stop` strings are cut from the text unless `include_stop`. `logprobs` asks for
    those of the chosen tokens, `top_logprobs` for those of so many likeliest tokens beside each.
    `logit_bias` is added to the logits of these tokens, as (id, bias).
    """

    max_tokens: int | None = 900
    min_tokens: int = 0
    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    include_stop: bool = False
    ignore_eos: bool = False
    skip_special_tokens: bool = True
    logprobs: bool = False
    top_logprobs: int = 0
    logit_bias: tuple[tuple[int, float], ...] = ()
    beams: BeamSearch | None = None
    max_tokens_explicit: bool = False


@dataclass(frozen=True, slots=True)
class Parsing:
    """What is to be found in an answer beside its text: thought, and calls of `tools`.

    `tools` are OpenAI function definitions. With `one_call` the answer ends after its first call.
    """

    tools: tuple[Mapping[str, Any], ...] = ()
    one_call: bool = False


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One generation: one engine request, giving one choice (or `beams.results` choices).

    `id` is unique among live requests of a server.
    `echo` puts the prompt's text before the generated text; `truncate_prompt_tokens` keeps only
    the last so many tokens of the prompt. `http_id` is the X-Request-ID that it came with.
    `adapter` is the name of an adapter of the engine. Callers take turns, and requests with
    different salts share no prefix cache, in engines that know of these.
    `parsing` None: the answer is text, whatever is in it. With `tells_prompt_end` its Accepted has
    the end of the prompt.
    """

    id: str
    prompt: Prompt
    sampling: SamplingParams
    echo: bool = False
    truncate_prompt_tokens: int | None = None
    http_id: str = ""
    adapter: str = ""
    caller: str = ""
    cache_salt: str = ""
    parsing: Parsing | None = None
    tells_prompt_end: bool = False

    @property
    def names(self) -> Mapping[str, str]:
        """How log lines call it: by the HTTP request that it is part of, and by itself."""
        return {"request": self.http_id, "answer": self.id}

    @property
    def choices(self) -> int:
        """How many choices it gives, each with a Finished of its own."""
        return self.sampling.beams.results if self.sampling.beams else 1

    @property
    def width(self) -> int:
        """How many sequences decode for it."""
        return self.sampling.beams.width if self.sampling.beams else 1


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token as text, its natural-log probability (None: not known) and its bytes.

    `top` are the likeliest tokens in its place, best first.
    """

    token: str
    logprob: float | None
    bytes: bytes
    top: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens really consumed. `cached_tokens` None: the engine does not tell.

    `reasoning_tokens` are those of the completion that were thought; None: nothing looked for any.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The prompt is tokenized and fits; the request is queued or running. Always first.

    `prompt_end` is the text of the prompt's last tokens, for a request with `tells_prompt_end`.
    """

    prompt_tokens: int
    prompt_end: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """The first part of the prompt was computed in a step that began `at` time.monotonic().

    Linux has one such clock for all processes. It is for those who observe, not for clients.
    """

    at: float


@dataclass(frozen=True, slots=True)
class Delta:
    """New text of choice `index`. `text` is whole characters, free of any part of a stop string.

    `token_ids` are the tokens that the step produced; text may lag behind them.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    index: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """Choice `index` is complete. `stop` is the string or token id that ended it, if one did."""

    reason: FinishReason
    usage: Usage
    index: int = 0
    stop: str | int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The whole request has ended with an error; nothing follows."""

    error: ApiError


Event = Accepted | Started | Delta | Finished | Failed

Sink = Callable[[Event], None]
"""Where an engine delivers one request's events: always called on the event loop's thread, in
order: Accepted, Started, any Deltas, one Finished for each choice; or a Failed at any point."""
