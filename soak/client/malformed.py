"""Bodies that are no JSON object, with what the refusal says, and requests with broken framing."""

from __future__ import annotations

import json

from soak.client.bodies import HELLO
from soak.client.raw import CHUNKED, post

HELLO_TEXT = json.dumps(HELLO)

BODIES: list[tuple[bytes, str]] = [
    (b"", "empty"),
    (b" \n\t ", "empty"),
    (b"{", "not valid JSON"),
    (b'{"messages": [', "not valid JSON"),
    (HELLO_TEXT[:-1].encode(), "not valid JSON"),
    (HELLO_TEXT.encode() + b"}", "not valid JSON"),
    (b"{'messages': []}", "not valid JSON"),
    (b"hello", "not valid JSON"),
    (b"model=demo&messages=x", "not valid JSON"),
    (b'{"messages": "a\nb"}', "not valid JSON"),
    (b"[]", "must be a JSON object"),
    (b'"text"', "must be a JSON object"),
    (b"null", "must be a JSON object"),
    (b"42", "must be a JSON object"),
    (b'{"temperature": NaN}', "NaN"),
    (b'{"temperature": Infinity}', "Infinity"),
    (b'{"temperature": -Infinity}', "-Infinity"),
    (b'{"temperature": 1e400}', "too large"),
    (b'{"temperature": -1e999}', "too large"),
    (b'{"seed": ' + b"9" * 5000 + b"}", "64 bits"),
    (b'{"seed": 1, "seed": 2}', "'seed'"),
    (b'{"messages": [{"role": "user", "role": "system"}]}', "'role'"),
    (b"\xef\xbb\xbf{}", "byte order mark"),
    ('{"a": 1}'.encode("utf-16"), "byte order mark"),
    ('{"a": 1}'.encode("utf-16-le"), "not valid JSON"),
    (b'{"messages": "\xff"}', "UTF-8 at byte 14"),
    (b'{"messages": "\xc0\xaf"}', "UTF-8"),
    (b'{"messages": "\xed\xa0\x80"}', "UTF-8"),
    (b'{"messages": "\\ud800"}', "surrogate"),
    (b'{"\\udfff": 1}', "surrogate"),
    (b'{"messages": [{"content": "a\\u0000b"}]}', "NUL"),
    (b'{"a":' * 65 + b"1" + b"}" * 65, "64 levels"),
    (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", "64 levels"),
    (b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}", "64 levels"),
    (b"[" * 40_000, "64 levels"),
]

BROKEN = [
    post(HELLO, Transfer_Encoding="chunked"),
    post(HELLO, Content_Length="5, 6"),
    post(HELLO, Content_Length="-1"),
    post(HELLO, Content_Length="+5"),
    post(HELLO, Content_Length="0x10"),
    post(HELLO, Content_Length=None, Transfer_Encoding="gzip, chunked"),
    post(HELLO, Content_Length=None, Transfer_Encoding="\x0bchunked"),
    post(b"", **CHUNKED) + b"zz\r\n",
    post(b"", **CHUNKED) + b"-5\r\nhello\r\n0\r\n\r\n",
    post(b"", **CHUNKED) + b"5\r\nhelloXX0\r\n\r\n",
    post(b"", **CHUNKED) + b"1" * 100,
    post(HELLO, X_Flood="x" * 70_000),
    post(HELLO, **{f"X-{n}": "x" * 100 for n in range(700)}),
    post(HELLO, Host=None),
    b"NONSENSE\r\n\r\n",
    b"GET /health HTTP/9.9\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: a\r\nHost : b\r\n\r\n",
]
