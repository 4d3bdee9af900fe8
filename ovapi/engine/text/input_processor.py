"""InputProcessor: everything that is decided about a request before it may generate."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ovapi.config.engine_options import SpeculationConfig
from ovapi.core import (
    Accepted,
    ChatPrompt,
    GenerateRequest,
    Prompt,
    SamplingParams,
    TextPrompt,
    TokenPrompt,
)
from ovapi.engine.genai import speculation
from ovapi.engine.text.detokenizer import TokenTable
from ovapi.engine.text.output_processor import OutputProcessor
from ovapi.engine.text.prompt import PromptEncoder
from ovapi.engine.text.prompt_limits import (
    TOKENIZED_CONTEXTS,
    longest_text,
    param_of,
    too_long,
)
from ovapi.errors import ContextLengthExceeded, InvalidRequest, UnsupportedParameter

_MERGED = 64  # tokens that may become fewer where a text goes on
_PROMPT_END = 64  # tokens; what a family begins for the model has some ten
_BLOCK = 32  # tokens; the most that each beam wastes at either end of its part of the cache


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request that fits: its prompt as ids, and how many tokens it may generate.

    `given` are the first of these tokens, which an engine before this one has generated.
    `prompt_end` is for its Accepted.
    """

    request: GenerateRequest
    ids: list[int]
    limit: int
    echo: str
    given: tuple[int, ...] = ()
    prompt_end: str = ""

    @property
    def accepted(self) -> Accepted:
        return Accepted(len(self.ids), self.prompt_end)

    @property
    def width(self) -> int:
        """The number of sequences that it makes of one prompt."""
        return self.request.width

    @property
    def echoes_logprobs(self) -> bool:
        """Its answer begins with the log-probabilities of its prompt."""
        return self.request.echo and self.request.sampling.logprobs and not self.given

    @property
    def left(self) -> SamplingParams:
        """The parameters of what is still to be generated.

        The random generator cannot be set to where it was; a new seed keeps it from repeating.
        """
        params, done = self.request.sampling, len(self.given)
        seed = None if params.seed is None else params.seed + done
        return replace(params, min_tokens=max(0, params.min_tokens - done), seed=seed)


@dataclass(frozen=True, slots=True)
class InputProcessor:
    """`context` and `cache` are in tokens; `cache` None does not limit a request.

    `prompt_logprobs`: the engine gives the log-probability of every token of a prompt.
    """

    encoder: PromptEncoder
    table: TokenTable
    eos_ids: frozenset[int]
    vocabulary: int
    context: int
    cache: int | None = None
    speculation: SpeculationConfig | None = None
    prompt_logprobs: bool = False

    def prepare(self, request: GenerateRequest, given: tuple[int, ...] = ()) -> PreparedRequest:
        """Raises InvalidRequest, UnsupportedParameter or ContextLengthExceeded."""
        speculation.check(request.sampling, self.speculation)
        self._check_echo(request)
        self._check_ids(request.sampling.stop_token_ids, "stop_token_ids")
        ids = self._prompt_ids(request)
        if not ids:
            raise InvalidRequest("The prompt is empty.", param=param_of(request.prompt))
        limit = self._limit(request, len(ids))
        end = self.table.text(ids[-_PROMPT_END:]) if request.tells_prompt_end else ""
        return PreparedRequest(request, ids, limit, self._echo(request, ids), given, end)

    def output_processor(self, prepared: PreparedRequest, index: int = 0) -> OutputProcessor:
        """The state of choice `index` of the request, after the tokens that it was given."""
        params = prepared.request.sampling
        prompt_tokens = len(prepared.ids)
        output_processor = OutputProcessor(
            params, self.table, self.eos_ids, prompt_tokens, prepared.limit, index
        )
        if prepared.given:
            output_processor.take(prepared.given)  # its client has these events already
        return output_processor

    def encode(self, prompt: Prompt, add_special_tokens: bool = True) -> list[int]:
        """The ids of up to a few contexts. Raises ApiError."""
        if isinstance(prompt, TokenPrompt):
            self._check_ids(prompt.ids, "prompt")
            return list(prompt.ids)
        parts = self._parts(prompt, TOKENIZED_CONTEXTS * self.context)
        return self.encoder.encode_parts(
            parts, add_special_tokens and isinstance(prompt, TextPrompt)
        )

    def decode(self, ids: tuple[int, ...]) -> str:
        self._check_ids(ids, "tokens")
        return self.table.text(ids)

    def _check_echo(self, request: GenerateRequest) -> None:
        if request.echo and request.sampling.logprobs and not self.prompt_logprobs:
            raise UnsupportedParameter(
                "'logprobs' cannot be combined with 'echo': this model's engine does not return "
                "the log-probabilities of a prompt (the engine 'paged' does). Omit one of them.",
                param="logprobs",
            )

    def _prompt_ids(self, request: GenerateRequest) -> list[int]:
        last = request.truncate_prompt_tokens
        prompt = request.prompt
        if last is not None and isinstance(prompt, TextPrompt):
            prompt = TextPrompt(prompt.text[-self._longest_text(last) :])
        if isinstance(prompt, TokenPrompt):
            ids = self.encode(prompt)
        else:
            parts = self._parts(prompt, self.context)
            ids = self.encoder.encode_parts(parts, isinstance(prompt, TextPrompt))
        return ids if last is None else ids[-last:]

    def _longest_text(self, tokens: int) -> int:
        return longest_text(tokens, self.table.longest)

    def _parts(self, prompt: ChatPrompt | TextPrompt, most: int) -> list[str]:
        """The text to tokenize. Raises ContextLengthExceeded if it has far more tokens than `most`.

        Tokenizing megabytes would hold up everybody, just to find that they do not fit.
        """
        longest = self._longest_text(most)
        if self.encoder.exceeds(prompt, longest, most):
            raise too_long(prompt, self.context)
        parts = self.encoder.parts(prompt)
        if sum(map(len, parts)) > longest or any(
            self._begins_too_long(part, most) for part in parts
        ):
            raise too_long(prompt, self.context)
        return parts

    def _begins_too_long(self, text: str, most: int) -> bool:
        """Whether a part of the text has too many tokens; only texts of long tokens need all."""
        length = 8 * most
        while length < len(text):
            if len(self.encoder.encode_parts([text[:length]], False)) > most + _MERGED:
                return True
            length *= 4
        return False

    def _check_ids(self, ids: tuple[int, ...], param: str) -> None:
        """Pipelines take any number and compute garbage, or crash."""
        for token in ids:
            if not 0 <= token < self.vocabulary:
                raise InvalidRequest(
                    f"Token id {token} is not in the vocabulary of {self.vocabulary}.", param=param
                )

    def _limit(self, request: GenerateRequest, prompt_tokens: int) -> int:
        """The tokens that may be generated: as many as asked for, if they fit."""
        room = self._room(request, prompt_tokens)
        wanted = request.sampling.max_tokens
        if wanted is None or (wanted > room and not request.sampling.max_tokens_explicit):
            return room
        if wanted > room:
            raise self._too_long(request, prompt_tokens, wanted)
        return wanted

    def _room(self, request: GenerateRequest, prompt_tokens: int) -> int:
        room = self.context - prompt_tokens
        if self.cache is not None:
            room = min(room, self._cache_room(request, self.cache - prompt_tokens))
        if room < 1:
            raise self._too_long(request, prompt_tokens, 0)
        return room

    def _cache_room(self, request: GenerateRequest, free: int) -> int:
        """The last token is never put into the cache; beams share the prompt only."""
        beams = request.sampling.beams
        return free + 1 if beams is None else free // beams.width - 2 * _BLOCK

    def _too_long(
        self, request: GenerateRequest, prompt_tokens: int, wanted: int
    ) -> ContextLengthExceeded:
        param = param_of(request.prompt)
        limit = f"maximum context length is {self.context} tokens"
        if self.cache is not None and self.cache < self.context:
            limit = f"cache holds {self.cache} tokens"
        asked = f"your {param} resulted in {prompt_tokens} tokens"
        if wanted:
            asked = (
                f"you requested {prompt_tokens + wanted} tokens ({prompt_tokens} in the {param}, "
                f"{wanted} in the completion)"
            )
        part = f"{param} or the completion" if wanted else param
        return ContextLengthExceeded(
            f"This model's {limit}. However, {asked}. Please reduce the length of the {part}.",
            param="max_tokens" if wanted else param,
        )

    def _echo(self, request: GenerateRequest, ids: list[int]) -> str:
        if not request.echo:
            return ""
        if isinstance(request.prompt, TextPrompt) and request.truncate_prompt_tokens is None:
            return request.prompt.text
        return self.table.text(ids, request.sampling.skip_special_tokens)
