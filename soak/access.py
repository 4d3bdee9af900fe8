"""Who may use the server, and what a stranger can make of it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.server_process import DEMO, ROOT
from ovapi.api.dialects import ENDPOINTS
from soak.case import case
from soak.client.bodies import CHAT
from soak.client.prompts import GREETING, LONG, chat
from soak.client.raw import Raw, post
from soak.context import SoakContext, SoakSettings, check_error, check_error_body, only_demo

KEYS = {
    "alice": "a-very-secret-key-of-alice",
    "bob": "b-very-secret-key-of-bob",
    "carol": "c-key-of-carol",
}
GUARDED = {"auth": {"keys_env": "SOAK_KEYS"}}
ENVIRONMENT = {**os.environ, "SOAK_KEYS": ",".join(f"{n} {key}" for n, key in KEYS.items())}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
PUBLIC = ("/health", "/ready")
FOREIGN = "https://evil.example"

NAMES = (
    "../../etc/passwd", "..", ".", "/etc/passwd", "//etc/passwd", "~root", "%2e%2e/ovapi-demo",
    "../models/ovapi-demo", "./ovapi-demo", "ovapi-demo/", "ovapi-demo/../ovapi-demo",
    "..\\ovapi-demo", "file:///etc/passwd", "CON", "ovapi-demo\\0", "\u2025/ovapi-demo",
)  # fmt: skip
NASTY = "\r\n2020-01-01 INFO forged: line\r\n\x1b[2J\x1b]0;title\x07\x9b31m\u2028\u202e"
FORGED = b"GET /no%0d%0aforged%1b[2J HTTP/1.1\r\nHost: localhost\r\n"
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [\w.-]+: .*|    .*")


@case(26, "Every route and method without a key", alone=True, quick=True)
async def without_key(settings: SoakSettings) -> str:
    async with settings.start(GUARDED, ready=False, env=ENVIRONMENT) as context:
        paths = [re.sub(r"\{\w+\}", DEMO, one.path) for one in ENDPOINTS]
        count = 0
        for path in (*paths, "/nowhere", "/v1/nowhere", "/api/nowhere", "//", "/v1//models"):
            for method in METHODS:
                response = await context.client.request(method, path)
                assert response.status_code == 401 or path in PUBLIC, (method, path)
                count += 1
        assert (await context.client.get("/health")).status_code == 200
        for name in NAMES:
            headers = {"Authorization": f"Bearer {KEYS['alice']}"}
            body = chat(GREETING, model=name)
            check_error(await context.client.post(CHAT, json=body, headers=headers), 400, 404)
    return f"{count} of {count} refused but for the public {' and '.join(PUBLIC)}"


@case(27, "Keys: compared as bytes and in constant time, never logged", alone=True)
async def keys(settings: SoakSettings) -> str:
    async with settings.start(GUARDED, env=ENVIRONMENT) as context:
        for scheme in ("Bearer", "bearer", "Basic"):
            for key in ("wrong", "schl\u00fcssel", "\U0001f511", "", "a" * 5000, KEYS["bob"][:-1]):
                await _wrong_key(context, scheme, key)
        near, far = await _times(context, KEYS["alice"][:-1] + "x"), await _times(context, "x" * 26)
        assert abs(near - far) < 0.25 * far
        for name, key in KEYS.items():
            response = await context.client.get("/v1/models", headers={"X-Api-Key": key})
            assert response.status_code == 200
            await asyncio.to_thread(context.server.wait_for_log, name, 5)
            assert key not in context.server.log
        assert "schl" not in context.server.log
    return (
        f"a wrong key takes {1e6 * far:.0f} us, one that differs in its last letter "
        f"{1e6 * near:.0f} us (medians of 300)"
    )


async def _wrong_key(context: SoakContext, scheme: str, key: str) -> None:
    """As bytes, which no HTTP library would send."""
    async with context.raw() as raw:
        head = f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: {scheme} {key}\r\n"
        await raw.send(f"{head}X-Api-Key: {key}\r\n\r\n".encode())
        status, body = await raw.response()
        assert status == 401, body
        check_error_body(body)


async def _times(context: SoakContext, key: str) -> float:
    seconds = []
    async with context.raw() as raw:
        for _ in range(300):
            head = f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {key}\r\n\r\n"
            start = time.perf_counter()
            await raw.send(head.encode())
            await raw.response()
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


@case(1, "A key with a hundred requests beside one with a single one", alone=True)
async def fairness(settings: SoakSettings) -> str:
    """And a third, whose limits let two in at a time."""
    limits = {"keys": {"carol": {"concurrent": 2}}}
    async with settings.start({**GUARDED, "limits": limits}, env=ENVIRONMENT) as context:

        async def ask(name: str, text: str) -> tuple[int, float]:
            start = time.perf_counter()
            headers = {"X-Api-Key": KEYS[name]}
            response = await context.client.post(CHAT, json=chat(text), headers=headers)
            if response.status_code != 200:
                check_error(response, 429)
                assert int(response.headers["Retry-After"]) > 0
            return response.status_code, time.perf_counter() - start

        crowd = [asyncio.create_task(ask("alice", "Count to 12.")) for _ in range(100)]
        await asyncio.sleep(0.5)
        carol = await asyncio.gather(*(ask("carol", LONG) for _ in range(10)))
        single = await ask("bob", GREETING)
        everybody = await asyncio.gather(*crowd)
    assert single[0] == 200
    assert {status for status, _ in everybody} == {200}
    assert [status for status, _ in carol].count(200) == 2
    slowest = max(seconds for _, seconds in everybody)
    assert single[1] < slowest / 2
    return (
        f"the single one took {single[1]:.1f} s, the last of the hundred {slowest:.1f} s; "
        "8 of 10 refused to a key that may have 2 at a time"
    )


@case(28, "A foreign Host or Origin", quick=True)
async def foreign(context: SoakContext) -> str:
    hosts = ("evil.example", "127.0.0.1.evil.example", "evil.example:8000", "0x7f000001", "[::2]")
    for host in hosts:
        check_error(await context.client.get("/v1/models", headers={"Host": host}), 403)
    for origin in (FOREIGN, "null", "http://localhost:1", "http://127.0.0.1.evil.example"):
        # what a page's form or script can send without asking first
        response = await context.client.post(
            CHAT,
            content=b'{"messages": [{"role": "user", "content": "Count to 100."}]}',
            headers={"Origin": origin, "Content-Type": "text/plain"},
        )
        check_error(response, 403)
        assert "Access-Control-Allow-Origin" not in response.headers
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        check_error(await context.client.options(CHAT, headers=headers), 403)
    return f"{len(hosts)} hosts and 4 origins refused; no preflight allowed"


@case(29, "Names of models that are paths", quick=True)
async def paths(context: SoakContext) -> str:
    models = ROOT / "models"
    folders = [models, *(file for file in models.rglob("*") if file.is_dir())]
    with watched(folders) as opened:
        for name in NAMES:
            check_error(await context.client.post(CHAT, json=chat(GREETING, model=name)), 404)
            response = await context.client.post("/api/show", json={"model": name})
            assert response.status_code == 404, response.text
        for path in ("../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..", "%00", "/etc/passwd"):
            async with context.raw() as raw:
                head = f"GET /v1/models/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
                await raw.send(head.encode())
                status, body = await raw.response()
            assert status == 404, body
        nul = await context.client.post(CHAT, json=chat(GREETING, model="ovapi-demo\0"))
        check_error(nul, 400)
        touched = opened()
    assert not touched, touched
    return f"{2 * len(NAMES) + 5} are a 404, and no file was opened"


@contextmanager
def watched(folders: Iterable[Path]) -> Iterator[Callable[[], list[str]]]:
    """Yields a function that tells which files in these folders were opened (inotify(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK)
    assert descriptor >= 0
    opening = 0x20
    try:
        for folder in folders:
            assert libc.inotify_add_watch(descriptor, os.fsencode(folder), opening) >= 0

        def opened() -> list[str]:
            try:
                events = os.read(descriptor, 65536)
            except BlockingIOError:
                return []
            return re.findall(r"[\w.-]{4,}", events.decode("latin-1"))

        yield opened
    finally:
        os.close(descriptor)


@case(30, "Control characters in names, headers and prompts", quick=True)
async def control_characters(context: SoakContext) -> str:
    start = len(context.server.log)
    await context.client.post(CHAT, json=chat(NASTY, model=NASTY))
    await context.client.post(CHAT, json=chat(NASTY, **{NASTY: 1}))
    await context.client.post("/api/show", json={"model": NASTY})
    assert (await context.client.post(CHAT, json=chat(NASTY, max_tokens=2))).status_code == 200
    for header in (b"X-Request-ID", b"User-Agent", b"Referer", b"X-Forwarded-For"):
        async with context.raw() as raw:
            value = b"a\x1b[31m\xc2\x9b\x85forged"
            await raw.send(FORGED + header + b": " + value + b"\r\n\r\n")
            await _end(raw)
    async with context.raw() as raw:
        await raw.send(post(chat(GREETING), path="/\x1b[2J\x85x"))
        await _end(raw)
    log = context.server.log[start:]
    lines = log.split("\n")
    strange = [line for line in lines if line and not LOG_LINE.fullmatch(line)]
    assert not strange, strange[0]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", log)
    assert "forged: line" not in "".join(line for line in lines if line.startswith("2020"))
    return f"{len(lines)} lines of log, each of its own event"


async def _end(raw: Raw) -> None:
    """Wait for an answer, of whatever kind."""
    with contextlib.suppress(TimeoutError, ConnectionError):
        await asyncio.wait_for(raw.reader.read(65536), 5)


@case(35, "Prefix caching tells one client of another's prompt", config=only_demo())
async def prefix_timing(context: SoakContext) -> str:
    """It does, and the documentation says so; the figures show by how much."""
    prompt = "This is a secret beginning. " * 100
    seconds = []
    for text in (prompt, prompt):
        start = time.perf_counter()
        response = await context.client.post(CHAT, json=chat(text, max_tokens=1))
        seconds.append(time.perf_counter() - start)
        assert response.status_code == 200, response.text
    limits = " ".join((ROOT / "docs" / "limits-and-security.md").read_text().split())
    assert "a client can tell whether another one recently sent the same beginning" in limits
    return (
        f"documented: {1000 * seconds[0]:.0f} ms for a new prompt, {1000 * seconds[1]:.0f} ms for "
        "one sent before"
    )
