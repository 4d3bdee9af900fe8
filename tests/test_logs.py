"""Log lines: one an event, whatever is in it, and the same from every process."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from bench.server_process import DEMO, ROOT, ServerProcess
from ovapi import logs
from soak.client.prompts import GREETING, LASTING, LONG, chat

NASTY = "a\r\nb\x1b[31m\x00\x7f\x9b\u2028ü"
SECRET = "a prompt that nobody else may read"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, which is as it was afterwards, and the hooks with it."""
    logger = logging.getLogger()
    level, handlers = logger.level, logger.handlers[:]
    hooks = sys.excepthook, threading.excepthook
    yield logger
    logging.captureWarnings(False)
    sys.excepthook, threading.excepthook = hooks
    logger.setLevel(level)
    logger.handlers[:] = handlers


def record(message: str, *arguments: object, **more: object) -> logging.LogRecord:
    one = logging.LogRecord("ovapi.test", logging.INFO, __file__, 1, message, arguments, None)
    one.__dict__.update(more)
    return one


def test_a_line_for_people_is_one_line_without_controls() -> None:
    line = logs.TextFormatter().format(record("model %s: ready", NASTY))
    assert line.endswith(
        "INFO ovapi.test: model a\\u000d\\u000ab\\u001b[31m\\u0000\\u007f\\u009b\\u2028ü: ready"
    )
    assert line.isprintable()


def test_a_line_for_programs_is_an_object_in_ascii() -> None:
    line = logs.JsonFormatter().format(record("%s", NASTY, fields={"request": "req-1"}))
    assert line.isascii()
    assert line.isprintable()
    found = json.loads(line)
    assert (found["level"], found["logger"]) == ("INFO", "ovapi.test")
    assert (found["message"], found["request"]) == (NASTY, "req-1")
    assert found["time"].endswith("Z")


def test_a_trace_belongs_to_its_line() -> None:
    try:
        raise ValueError(NASTY)
    except ValueError:
        one = record("failed", exc_info=sys.exc_info())
    lines = logs.TextFormatter().format(one).splitlines()
    assert all(line.startswith("    ") for line in lines[1:])
    assert "ValueError" in json.loads(logs.JsonFormatter().format(one))["exception"]


def test_lines_say_what_they_are_about() -> None:
    one = record("it failed", fields={"answer": "b"})
    with logs.about({"request": "req-1", "answer": "a"}):
        text = logs.TextFormatter().format(one)
        found = json.loads(logs.JsonFormatter().format(one))
    assert text.endswith("it failed [request=req-1 answer=a]")
    assert (found["request"], found["answer"], found["message"]) == ("req-1", "b", "it failed")
    assert "req-1" not in logs.JsonFormatter().format(one)


def test_json_where_standard_error_is_closed() -> None:
    code = "import sys; from ovapi import logs; print(sys.stderr, logs.choose('auto'))"
    result = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert result.stdout == "None json\n"


def test_json_where_there_is_no_terminal(
    root: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    assert logs.choose("auto") == "json"
    assert logs.choose("text") == "text"
    logs.configure("WARNING", "json")
    logging.getLogger("ovapi.test").info("too fine")
    logging.getLogger("ovapi.test").warning("just right")
    logs.flush()
    assert json.loads(capfd.readouterr().err)["message"] == "just right"


TELLING: list[tuple[str, dict[str, object]]] = [
    ("/v1/chat/completions", chat(SECRET, max_tokens=3)),
    ("/v1/chat/completions", chat(SECRET, stream=True, max_tokens=3)),
    ("/v1/chat/completions", chat(SECRET, temperature=SECRET)),
    ("/v1/chat/completions", {"messages": [{"role": SECRET, "content": SECRET}]}),
    ("/v1/chat/completions", {SECRET: 1}),
    ("/v1/chat/completions", chat(999 * SECRET)),
    ("/v1/chat/completions", chat(SECRET, chat_template_kwargs={"bos_token": SECRET})),
    ("/v1/chat/completions", chat(SECRET + "\ud800")),
    ("/v1/completions", {"prompt": SECRET, "echo": True, "max_tokens": 1}),
    ("/v1/completions", {"prompt": [SECRET, SECRET], "model": SECRET}),
    ("/tokenize", {"prompt": SECRET, "return_token_strs": True}),
    ("/api/generate", {"model": DEMO, "prompt": SECRET}),
    ("/api/chat", {"model": DEMO, **chat(SECRET)}),
]
"""Requests of every kind, good and bad, that have something to hide."""


@dataclass(frozen=True)
class Told:
    """What a server at level DEBUG has logged from its start to its end, and what it answered."""

    log: str
    first: httpx.Response
    answers: list[httpx.Response]
    said: str


@pytest.fixture(scope="module", params=["batching", "simple"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    models = [{"name": DEMO, "engine": request.param}]
    settings = {"logging": {"format": "json", "level": "DEBUG"}, "models": models}
    folder = tmp_path_factory.mktemp("told")
    with ServerProcess(folder, settings) as server, httpx.Client(timeout=60) as client:
        server.wait_ready()
        url = f"{server.url}/v1/chat/completions"
        mine = {"X-Request-ID": "my-request"}
        first = client.post(url, json=chat(GREETING, max_tokens=3), headers=mine)
        client.headers["Content-Type"] = "application/json"
        bodies = [(path, json.dumps(body)) for path, body in TELLING]
        bodies.append(("/v1/chat/completions", json.dumps(chat(SECRET))[:-1]))
        answers = [client.post(server.url + path, content=body) for path, body in bodies]
        said = client.post(url, json=chat("Count to 12.")).json()["choices"][0]["message"]
        assert server.terminate() == 0
        return Told(server.log, first, answers, said["content"])


def test_every_process_writes_json(told: Told) -> None:
    lines = [json.loads(line) for line in told.log.splitlines()]
    loggers = {line["logger"].split(".")[1] for line in lines if "." in line["logger"]}
    assert {"server", "access", "engine"} <= loggers
    (about,) = [line for line in lines if line.get("request") == "my-request"]
    assert (about["status"], about["path"], about["key"]) == (200, "/v1/chat/completions", "-")
    assert about["answer"].startswith(told.first.json()["id"])
    assert any(f"model {DEMO} loaded" in line["message"] for line in lines)


def test_no_process_tells_a_prompt_at_any_level(told: Told) -> None:
    assert told.answers[0].status_code == 200
    assert {200, 400, 404} <= {answer.status_code for answer in told.answers}
    assert told.log.count("ovapi.access") > len(told.answers)
    assert "nobody else" not in told.log
    assert told.said not in told.log


def test_who_asks_for_prompts_gets_them_until_he_says_stop(tmp_path: Path) -> None:
    def reload(prompts: bool, times: int) -> None:
        logging = {"format": "json", "prompts": prompts}
        settings = {"models_dir": str(ROOT / "models"), "logging": logging}
        server.config_file.write_text(yaml.safe_dump(settings))
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_log(rf"(?s)(configuration reloaded.*){{{times}}}", 20)

    with ServerProcess(tmp_path) as server, httpx.Client(timeout=60) as client:
        server.wait_ready()
        url = f"{server.url}/v1/chat/completions"
        for times, prompts in enumerate((True, False), 1):
            reload(prompts, times)
            client.post(url, json=chat(SECRET, max_tokens=1)).raise_for_status()
        assert server.terminate() == 0
        assert server.log.count(SECRET) == 1


@pytest.fixture
def broken_template(tmp_path: Path) -> Path:
    """A model whose chat template fails at the word `fail`."""
    folder = tmp_path / "models" / "broken"
    folder.mkdir(parents=True)
    for file in (ROOT / "models" / DEMO).iterdir():
        (folder / file.name).symlink_to(file)
    template = folder / "chat_template.jinja"
    template.unlink(missing_ok=True)
    template.write_text("{% if 'fail' in messages[0].content %}{{ no.such.thing }}{% endif %}Hi")
    return folder


@pytest.mark.parametrize("engine", ["batching", "simple"])
def test_the_engines_lines_are_found_by_request(
    tmp_path: Path, broken_template: Path, engine: str
) -> None:
    models = [{"name": "broken", "engine": engine}]
    folder = str(broken_template.parent)
    settings = {"logging": {"format": "json"}, "models": models, "models_dir": folder}
    with ServerProcess(tmp_path, settings) as server, httpx.Client(timeout=60) as client:
        server.wait_ready("broken")
        for path in ("/v1/chat/completions", "/tokenize"):
            headers = {"X-Request-ID": f"mine{path.replace('/', '-')}"}
            bad = {"messages": [{"role": "user", "content": "fail"}]}
            answer = client.post(server.url + path, json=bad, headers=headers)
            assert answer.status_code == 500
        good = chat("work", max_tokens=1)
        assert client.post(f"{server.url}/v1/chat/completions", json=good).status_code == 200
        assert server.terminate() == 0
        lines = [json.loads(line) for line in server.log.splitlines()]
    chatted, tokenized = [
        line for line in lines if line["logger"] == "ovapi.language.chat_template"
    ]
    (access,) = [line for line in lines if line.get("path") == "/v1/chat/completions"][:1]
    assert (chatted["request"], chatted["answer"]) == (access["request"], access["answer"])
    assert chatted["request"] == "mine-v1-chat-completions"
    assert tokenized["request"] == "mine-tokenize"


def test_a_crash_names_the_requests_that_it_met(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, {"logging": {"format": "json"}}) as server:
        server.wait_ready()
        headers, body = {"X-Request-ID": "mine"}, chat(LONG, stream=True, **LASTING)
        url = f"{server.url}/v1/chat/completions"
        with httpx.stream("POST", url, json=body, headers=headers, timeout=60) as stream:
            lines = stream.iter_lines()
            next(lines)
            (worker,) = [one for one in server.children() if "worker" in " ".join(one.cmdline())]
            worker.kill()
            assert [*filter(None, lines)][-1] == "data: [DONE]"
        assert server.terminate() == 0
        logged = [json.loads(line) for line in server.log.splitlines()]
    met = [line for line in logged if line["logger"] == "ovapi.engine.generation.in_flight"]
    assert [line["request"] for line in met] == ["mine"]
    assert any(line["message"].endswith("exited: SIGKILL") for line in logged)


def test_what_keeps_the_server_from_starting_is_a_line_too() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "ovapi", "--host", "192.0.2.1", "--port", "1"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    line = json.loads(result.stderr.splitlines()[-1])
    assert line["level"] == "ERROR"
    assert "192.0.2.1:1" in line["message"]
