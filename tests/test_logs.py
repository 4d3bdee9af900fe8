"""Log lines: one an event, whatever is in it, and the same from every process."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ovapi import logs
from tests.prompts import chat
from tests.server_process import DEMO, ROOT, ServerProcess

NASTY = "a\r\nb\x1b[31m\x00\x7f\x9b\u2028ü"
SECRET = "a prompt that nobody else may read"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, which is as it was afterwards."""
    logger = logging.getLogger()
    level, handlers = logger.level, logger.handlers[:]
    yield logger
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


def test_json_where_there_is_no_terminal(
    root: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    assert logs.choose("auto") == "json"
    assert logs.choose("text") == "text"
    logs.configure("WARNING", "json")
    logging.getLogger("ovapi.test").info("too fine")
    logging.getLogger("ovapi.test").warning("just right")
    assert json.loads(capfd.readouterr().err)["message"] == "just right"


def test_every_process_writes_json_and_no_prompt(tmp_path: Path) -> None:
    settings = {"logging": {"format": "json", "level": "DEBUG"}}
    with ServerProcess(tmp_path, settings) as server:
        server.wait_ready()
        headers = {"X-Request-ID": "my-request"}
        url = f"{server.url}/v1/chat/completions"
        answer = httpx.post(url, json=chat(SECRET, max_tokens=3), headers=headers, timeout=60)
        assert server.terminate() == 0
        text = server.log
    lines = [json.loads(line) for line in text.splitlines()]
    assert SECRET not in text
    loggers = {line["logger"].split(".")[1] for line in lines if "." in line["logger"]}
    assert {"server", "access", "engine"} <= loggers
    (about,) = [line for line in lines if line.get("request") == "my-request"]
    assert (about["status"], about["path"], about["key"]) == (200, "/v1/chat/completions", "-")
    assert about["answer"].startswith(answer.json()["id"])
    assert any(f"model {DEMO} loaded" in line["message"] for line in lines)


def test_what_keeps_the_server_from_starting_is_a_line_too() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "ovapi", "--host", "192.0.2.1", "--port", "1"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    line = json.loads(result.stderr.splitlines()[-1])
    assert line["level"] == "ERROR"
    assert "192.0.2.1:1" in line["message"]
