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

COMPLETION_STREAMING = """\
### Streaming

With `"stream": true` the response is a stream like that of chat completions, with the text in
`text` and without an initial role chunk.
"""
