"""What the API documentation says of OpenAI's endpoints in prose."""

from __future__ import annotations

STREAMING = """\
### Streaming

With `"stream": true` the response is a stream of [server-sent events][sse]: lines `data: ` with a
JSON chunk, each followed by an empty line.

1. Each choice starts with a chunk whose delta has the role and empty content. It is sent with the
   first result: a request that fails earlier gets a real HTTP status.
2. Chunks with a piece of the text in `delta.content`: whole characters, never part of a stop
   string. The choices of `n` > 1 are interleaved and told apart by `index`.
3. Each choice ends with a chunk with an empty delta and a `finish_reason`.
4. With `stream_options.include_usage`, one chunk with the usage and no choices. With
   `continuous_usage_stats`, every other chunk has the usage so far.
5. `data: [DONE]`.

Abridged:

```
data: {"id": "chatcmpl-1f", …, "choices": [{"index": 0, "delta": {"role": "assistant", …}, …}]}

data: {"id": "chatcmpl-1f", …, "choices": [{"index": 0, "delta": {"content": "Why"}, …}]}

data: {"id": "chatcmpl-1f", …, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

data: [DONE]
```

While there is nothing to send, the server sends a comment line (`: keep-alive`) every 15 seconds
(`server.keepalive_seconds`). If generation fails after the stream has started, it ends with
`data: {"error": {…}}` and `data: [DONE]`. Closing the connection cancels the request.

[sse]: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

TOOLS = """\
### Tools

The functions in `tools` go to the model's chat template. What the model writes as a call is parsed
by the format of its family, which the template shows and `tool_format` in the configuration
overrides; `GET /v1/models` tells both. Calls are in `message.tool_calls`, text before and after
them in `content`. The finish reason is `tool_calls`.

- In a stream, the first fragment of a call has its `index`, `id` and `name`, the others the next
  piece of its `arguments`. The pieces are given as they are generated.
- A call of a function that was not offered, and what only looks like a call, is text.
- If the answer ends, or the model stumbles, in the middle of the arguments, these are incomplete
  and no valid JSON. At `max_tokens` the finish reason is `length`.
- The engine cannot force a call or enforce a schema: `tool_choice` other than `none`, `auto` and
  `allowed_tools` with the mode `auto`, and `strict: true`, are refused. Check the arguments.
- Results (`role: tool`) may come in any order; the template gets them in that of the calls.
- `functions` and `function_call`, the older form, are answered in the older form.

### Reasoning

What the model thinks before it answers is in `reasoning_content` and `reasoning` of the message or
delta (`reasoning_field` in the configuration leaves one of them), not in `content`, and counted in
`usage.completion_tokens_details.reasoning_tokens`. `include_reasoning: false` hides it. Reasoning
of earlier messages goes to the template. Log-probabilities are those of all generated tokens,
except of hidden reasoning.
"""

COMPLETION_STREAMING = """\
### Streaming

With `"stream": true` the response is a stream like that of chat completions, with the text in
`text` and without an initial role chunk.
"""
