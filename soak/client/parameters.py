"""Chat requests with one wrong parameter each, and the parameter that the refusal names."""

from __future__ import annotations

from typing import Any

from soak.client.bodies import chat

USER = {"role": "user", "content": "Hello"}


def message(**fields: Any) -> dict[str, Any]:
    return {"messages": [fields]}


def part(**fields: Any) -> dict[str, Any]:
    return message(role="user", content=[fields])


def call(**fields: Any) -> dict[str, Any]:
    return message(role="assistant", tool_calls=[fields])


FUNCTION = {"name": "f", "arguments": "{}"}
TOOL = {"type": "function", "function": {"name": "g"}}

PARAMETERS: list[tuple[str, dict[str, Any]]] = [
    # the whole
    ("messages", {}),
    ("messages", {"model": "demo"}),
    ("foo", chat(foo=1)),
    ("Temperature", chat(Temperature=1)),
    ("", chat(**{"": 1})),
    ("repetition_penalty", chat(repetition_penalty=1e-300)),
    ("num_beam_groups", chat(best_of=4, num_beam_groups=2, diversity_penalty=1e-300)),
    # messages
    ("messages", {"messages": None}),
    ("messages", {"messages": []}),
    ("messages", {"messages": "Hello"}),
    ("messages", {"messages": {"role": "user"}}),
    ("messages", {"messages": [USER] * 10_001}),
    ("messages[0]", {"messages": ["Hello"]}),
    ("messages[0]", {"messages": [None]}),
    ("messages[1]", {"messages": [USER, [USER]]}),
    ("messages[0].role", message(content="Hello")),
    ("messages[0].role", message(role="robot", content="Hello")),
    ("messages[0].role", message(role=None, content="Hello")),
    ("messages[0].role", message(role=["user"], content="Hello")),
    ("messages[0].role", message(role="USER", content="Hello")),
    ("messages[0].content", message(role="user")),
    ("messages[0].content", message(role="user", content=None)),
    ("messages[0].content", message(role="system", content=None)),
    ("messages[0].content", message(role="assistant", content=None)),
    ("messages[0].content", message(role="user", content=5)),
    ("messages[0].content", message(role="user", content=True)),
    ("messages[0].content", message(role="user", content={"text": "Hello"})),
    ("messages[0].content", message(role="user", content=[])),
    ("messages[0].content[0]", message(role="user", content=["Hello"])),
    ("messages[0].content[0].type", part(text="Hello")),
    ("messages[0].content[0].type", part(type="image_url", image_url={"url": "x"})),
    ("messages[0].content[0].type", part(type="input_audio", input_audio={})),
    ("messages[0].content[0].type", part(type=1, text="Hello")),
    ("messages[0].content[0].text", part(type="text")),
    ("messages[0].content[0].text", part(type="text", text=None)),
    ("messages[0].content[0].colour", part(type="text", text="Hello", colour="red")),
    ("messages[0].name", message(role="user", content="Hello", name=5)),
    ("messages[0].name", message(role="user", content="Hello", name="x" * 257)),
    ("messages[0].colour", message(role="user", content="Hello", colour="red")),
    ("messages[0].audio", message(role="assistant", content="Hello", audio={"id": "x"})),
    ("messages[0].function_call", message(role="user", content="", function_call=FUNCTION)),
    (
        "messages[0].function_call.arguments",
        message(role="assistant", function_call={"name": "f"}),
    ),
    ("messages[0].name", message(role="function", content="22")),
    ("messages[0].reasoning", message(role="assistant", content="", reasoning=5)),
    (
        "messages[0].reasoning",
        message(role="assistant", content="", reasoning="a", reasoning_content="b"),
    ),
    ("messages[0].tool_call_id", message(role="tool", content="22")),
    ("messages[0].tool_call_id", message(role="tool", content="22", tool_call_id=7)),
    ("messages[0].tool_calls", message(role="assistant", tool_calls={})),
    (
        "messages[0].tool_calls",
        message(role="user", content="", tool_calls=[{"id": "1", "function": FUNCTION}]),
    ),
    ("messages[0].tool_calls[0].id", call(function=FUNCTION)),
    ("messages[0].tool_calls[0].type", call(id="1", type="code", function=FUNCTION)),
    ("messages[0].tool_calls[0].function", call(id="1")),
    ("messages[0].tool_calls[0].function.name", call(id="1", function={"arguments": "{}"})),
    ("messages[0].tool_calls[0].function.arguments", call(id="1", function={"name": "f"})),
    (
        "messages[0].tool_calls[0].function.arguments",
        call(id="1", function={"name": "f", "arguments": {}}),
    ),
    # the model
    ("model", chat(model=5)),
    ("model", chat(model="")),
    ("model", chat(model="x" * 513)),
    ("model", chat(model="gpt-unknown")),
    ("model", chat(model="../../etc/passwd")),
    ("model", chat(model="demo\nmodel")),
    # numbers
    ("temperature", chat(temperature=-0.1)),
    ("temperature", chat(temperature=2.1)),
    ("temperature", chat(temperature="0.7")),
    ("temperature", chat(temperature=True)),
    ("temperature", chat(temperature=[0.7])),
    ("top_p", chat(top_p=0)),
    ("top_p", chat(top_p=1.01)),
    ("top_p", chat(top_p="all")),
    ("top_k", chat(top_k=-2)),
    ("top_k", chat(top_k=1.5)),
    ("top_k", chat(top_k=2**62)),
    ("min_p", chat(min_p=-1)),
    ("min_p", chat(min_p=2)),
    ("repetition_penalty", chat(repetition_penalty=0)),
    ("repetition_penalty", chat(repetition_penalty=-1)),
    ("presence_penalty", chat(presence_penalty=2.5)),
    ("frequency_penalty", chat(frequency_penalty=-2.5)),
    ("frequency_penalty", chat(frequency_penalty={})),
    ("n", chat(n=0)),
    ("n", chat(n=-1)),
    ("n", chat(n=129)),
    ("n", chat(n=10**9)),
    ("n", chat(n=1.0)),
    ("n", chat(n=True)),
    ("n", chat(n="2")),
    ("max_tokens", chat(max_tokens=0)),
    ("max_tokens", chat(max_tokens=-1)),
    ("max_tokens", chat(max_tokens=2**63)),
    ("max_tokens", chat(max_tokens=False)),
    ("max_completion_tokens", chat(max_completion_tokens=0)),
    ("max_tokens", chat(max_tokens=5, max_completion_tokens=6)),
    ("min_tokens", chat(min_tokens=-1)),
    ("min_tokens", chat(min_tokens=10, max_tokens=5)),
    ("min_tokens", chat(min_tokens=901)),
    ("seed", chat(seed=-1)),
    ("seed", chat(seed=2**63)),
    ("seed", chat(seed=1.5)),
    ("truncate_prompt_tokens", chat(truncate_prompt_tokens=0)),
    # stop
    ("stop", chat(stop=5)),
    ("stop", chat(stop="")),
    ("stop", chat(stop=["a"] * 5)),
    ("stop", chat(stop=["a"] * 5000)),
    ("stop", chat(stop="x" * 1001)),
    ("stop[1]", chat(stop=["a", ""])),
    ("stop[3]", chat(stop=["a", "b", "c", 4])),
    ("stop[0]", chat(stop=[None])),
    ("stop_token_ids", chat(stop_token_ids=5)),
    ("stop_token_ids[0]", chat(stop_token_ids=[-1])),
    ("stop_token_ids[1]", chat(stop_token_ids=[1, 2**62])),
    ("stop_token_ids[0]", chat(stop_token_ids=[True])),
    # switches
    ("stream", chat(stream="true")),
    ("stream", chat(stream=1)),
    ("stream_options", chat(stream_options={"include_usage": True})),
    ("stream_options", chat(stream=True, stream_options=[])),
    ("stream_options.include_usage", chat(stream=True, stream_options={"include_usage": 1})),
    ("stream_options.colour", chat(stream=True, stream_options={"colour": 1})),
    ("ignore_eos", chat(ignore_eos="yes")),
    ("skip_special_tokens", chat(skip_special_tokens=0)),
    ("include_stop_str_in_output", chat(include_stop_str_in_output=[])),
    ("logprobs", chat(logprobs=5)),
    ("top_logprobs", chat(logprobs=True, top_logprobs=2)),
    ("logit_bias", chat(logit_bias={"50256": -100})),
    ("logit_bias", chat(logit_bias={str(n): 1 for n in range(5000)})),
    # beam search
    ("n", chat(n=5, best_of=4)),
    ("best_of", chat(best_of=0)),
    ("best_of", chat(best_of=1, use_beam_search=True)),
    ("best_of", chat(best_of=4, use_beam_search=False)),
    ("presence_penalty", chat(best_of=4, presence_penalty=1)),
    ("frequency_penalty", chat(best_of=4, frequency_penalty=1)),
    ("repetition_penalty", chat(use_beam_search=True, repetition_penalty=1.2)),
    ("num_beam_groups", chat(best_of=4, num_beam_groups=3, diversity_penalty=1)),
    ("num_beam_groups", chat(best_of=4, num_beam_groups=2)),
    ("diversity_penalty", chat(best_of=4, diversity_penalty=1)),
    ("length_penalty", chat(length_penalty=2)),
    ("early_stopping", chat(early_stopping=True)),
    ("early_stopping", chat(best_of=2, early_stopping="always")),
    ("no_repeat_ngram_size", chat(no_repeat_ngram_size=3)),
    # objects
    ("response_format", chat(response_format="text")),
    ("response_format.type", chat(response_format={})),
    ("response_format.type", chat(response_format={"type": "json_object"})),
    ("chat_template_kwargs", chat(chat_template_kwargs=[])),
    ("chat_template_kwargs.messages", chat(chat_template_kwargs={"messages": "x"})),
    ("chat_template_kwargs.a b", chat(chat_template_kwargs={"a b": 1})),
    ("chat_template_kwargs.x", chat(chat_template_kwargs={"x": {}})),
    ("metadata.a", chat(metadata={"a": 1})),
    ("metadata", chat(metadata={str(n): "" for n in range(17)})),
    ("user", chat(user=5)),
    ("service_tier", chat(service_tier="golden")),
    ("modalities[1]", chat(modalities=["text", "audio"])),
    # known and refused
    ("tools[0].type", chat(tools=[{"type": "custom", "function": {"name": "f"}}])),
    (
        "tools[0].function.strict",
        chat(tools=[{"type": "function", "function": {"name": "f", "strict": True}}]),
    ),
    ("tools[0].function.name", chat(tools=[{"type": "function", "function": {"name": "a b"}}])),
    ("tool_choice", chat(tool_choice="required")),
    ("functions[0].name", chat(functions=[{"name": "a b"}])),
    ("functions", chat(functions=[{"name": "f"}], tools=[TOOL])),
    ("function_call", chat(function_call={"name": "f"})),
    ("reasoning_effort", chat(reasoning_effort="extreme")),
    ("chat_template", chat(chat_template="{{ 1 }}")),
    ("prompt_logprobs", chat(prompt_logprobs=1)),
]
