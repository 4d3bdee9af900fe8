"""SIGHUP: a running server takes over what is new, and nothing of a file that it cannot use."""

from __future__ import annotations

import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from bench.server_process import DEMO, ROOT, ServerProcess
from ovapi.config.loader import load
from ovapi.config.reload import merge
from ovapi.config.settings import Config
from ovapi.serving.life.failed_models import LOOK_SECONDS
from soak.client.prompts import GREETING, LASTING, LONG, chat

CHAT = "/v1/chat/completions"


@pytest.fixture
def config(tmp_path: Path) -> Any:
    def build(text: str) -> Config:
        file = tmp_path / "config.yaml"
        file.write_text(text)
        return load(file)

    return build


def test_what_can_change_does(config: Any, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("secret")
    old = config("models: [{name: a}, {name: b}]")
    new = config(
        """
        server: {max_body_bytes: 2048, drain_seconds: 1, cors_origins: ["https://a.example"]}
        auth: {keys_file: keys}
        logging: {level: DEBUG, prompts: true}
        limits: {per_key: {concurrent: 1}}
        models:
          - {name: a, aliases: [c], max_queued: 1, queue_seconds: 5, defaults: {temperature: 0}}
          - {name: b, max_tokens_in_flight: 9}
        default_model: c
        """
    )
    reload = merge(old, new)
    assert reload.left == ()
    assert reload.config.keys.authenticate("Bearer secret", None)
    assert reload.config.server == new.server
    assert reload.config.models == new.models
    assert reload.config.limits == new.limits
    assert reload.config.logging == new.logging
    assert reload.config.default_model == "c"


def test_models_come_and_go(config: Any) -> None:
    reload = merge(
        config("models: [{name: a}, {name: b}]"), config("models: [{name: c}, {name: a}]")
    )
    assert reload.left == ()
    assert [model.name for model in reload.config.models] == ["c", "a"]
    assert reload.config.default_model == "c"


def test_what_needs_a_restart_is_named_and_left(config: Any) -> None:
    old = config("models: [{name: a}]")
    new = config(
        """
        server: {port: 1, idle_timeout: 1}
        logging: {format: json}
        compile_cache: cache
        tracing: {endpoint: "http://127.0.0.1:4318/v1/traces"}
        models: [{name: a, device: GPU}]
        """
    )
    reload = merge(old, new)
    assert set(reload.left) == {
        "server.port",
        "server.idle_timeout",
        "logging.format",
        "compile_cache",
        "tracing",
        "models: a.device",
    }
    assert replace(reload.config, keys=old.keys) == old


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ("", ", prompt_lookup: {tokens: 3}", "prompt_lookup"),
        (", draft: {path: small}", "", "draft"),
        (", prompt_lookup: {}", ", draft: {path: small}", "draft"),
        ("", ", cache: {size: 1MB}", "cache.size"),
        ("", ", context: 9", "context"),
    ],
)
def test_what_is_left_is_named_as_in_the_file(
    config: Any, before: str, after: str, key: str
) -> None:
    old, new = (config(f"models: [{{name: a.b{more}}}]") for more in (before, after))
    assert merge(old, new).left == (f"models: a.b.{key}",)


def test_a_running_server_reloads_without_losing_a_stream(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("first")
    settings = {"auth": {"keys_file": str(keys)}, "models_dir": str(ROOT / "models")}

    def status(key: str, **more: Any) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        body = chat(GREETING, max_tokens=1, **more)
        return httpx.post(server.url + CHAT, json=body, headers=headers, timeout=60).status_code

    def reload(text: str, expected: str) -> None:
        server.config_file.write_text(text)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_log(expected, 20)

    with ServerProcess(tmp_path, settings) as server:
        server.wait_ready()
        body = chat(LONG, stream=True, **LASTING)
        headers = {"Authorization": "Bearer first"}
        url = server.url + CHAT
        with httpx.stream("POST", url, json=body, headers=headers, timeout=60) as stream:
            lines = stream.iter_lines()
            next(lines)
            keys.write_text("second\nthird")
            renamed = {**settings, "models": [{"name": DEMO, "aliases": ["other"]}]}
            reload(yaml.safe_dump(renamed), "configuration reloaded; keys: 2")
            assert [*filter(None, lines)][-1] == "data: [DONE]"
        assert status("first") == 401
        assert status("second", model="other") == 200
        reload("server: {prot: 1}", "reload failed, .*server.prot")
        assert status("third", model="other") == 200
        keys.write_text("")
        reload(yaml.safe_dump(settings), "reload failed, .*contains no key")
        assert status("third") == 200
        assert server.terminate() == 0


def test_a_model_is_added_and_another_removed_under_a_stream(tmp_path: Path) -> None:
    def reload(*names: str) -> None:
        models = [{"name": name, "path": str(ROOT / "models" / DEMO)} for name in names]
        (tmp_path / "none").mkdir(exist_ok=True)
        text = yaml.safe_dump({"models_dir": str(tmp_path / "none"), "models": models})
        server.config_file.write_text(text)
        server.process.send_signal(signal.SIGHUP)

    with ServerProcess(tmp_path) as server:
        server.wait_ready()
        body = chat(LONG, stream=True, **LASTING)
        with httpx.stream("POST", server.url + CHAT, json=body, timeout=60) as stream:
            lines = stream.iter_lines()
            next(lines)
            reload("new")
            assert [*filter(None, lines)][-1] == "data: [DONE]"
        server.wait_for_log(f"model {DEMO}: stopped", 20)
        server.wait_ready("new")
        assert len([one for one in server.children() if "worker" in " ".join(one.cmdline())]) == 1
        answer = httpx.post(server.url + CHAT, json={**chat(GREETING), "model": "new"}, timeout=60)
        assert answer.status_code == 200
        gone = httpx.post(server.url + CHAT, json={**chat(GREETING), "model": DEMO}, timeout=60)
        assert gone.status_code == 404
        metrics = httpx.get(f"{server.url}/metrics").text
        assert 'ovapi_model_ready{model_name="new"} 1.0' in metrics
        assert f'ovapi_model_ready{{model_name="{DEMO}"}}' not in metrics
        assert server.terminate() == 0


def send(server: ServerProcess, text: str) -> None:
    server.config_file.write_text(text)
    server.process.send_signal(signal.SIGHUP)


def status(server: ServerProcess, **headers: str) -> int:
    return httpx.get(f"{server.url}/v1/models", headers=headers).status_code


def test_a_file_cut_short_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("secret\n")
    with ServerProcess(tmp_path, {"models": [{"name": DEMO}]}) as server:
        whole = server.config_file.read_text() + "auth: {keys_file: keys}\n"
        send(server, whole)
        server.wait_for_log("configuration reloaded; keys: 1", 20)
        server.wait_ready()
        for number, cut in enumerate(("", whole[: whole.index("auth")]), 1):
            send(server, cut)
            failed = (
                r"reload failed, keeping the current configuration: [^\n]*the API keys are gone"
            )
            server.wait_for_log(f"(?s)(ERROR.*{failed}.*){{{number}}}", 20)
            assert status(server) == 401
            assert status(server, Authorization="Bearer secret") == 200
            assert server.health()["models"][DEMO]["status"] == "ready"
        send(server, whole.replace("{keys_file: keys}", "none"))
        server.wait_for_log("configuration reloaded; keys: 0", 20)
        assert status(server) == 200
        assert server.terminate() == 0


def test_a_model_may_come_and_go_while_its_namesake_drains(tmp_path: Path) -> None:
    def reload(count: int, *names: str) -> None:
        models = [{"name": name, "path": str(ROOT / "models" / DEMO)} for name in names]
        send(server, yaml.safe_dump({"models_dir": str(tmp_path / "none"), "models": models}))
        server.wait_for_log(f"(?s)(configuration reloaded.*){{{count}}}", 20)

    (tmp_path / "none").mkdir()
    with ServerProcess(tmp_path) as server:
        server.wait_ready()
        body = chat(LONG, stream=True, **LASTING)
        with httpx.stream("POST", server.url + CHAT, json=body, timeout=60) as stream:
            lines = stream.iter_lines()
            next(lines)
            reload(1, "other")
            reload(2, "other", DEMO)
            reload(3, "other")
            server.wait_for_log(f"model {DEMO}: stopped", 20)
            assert [*filter(None, lines)][-1] == "data: [DONE]"
        server.wait_for_log(f"(?s)(model {DEMO}: stopped.*){{2}}", 20)
        metrics = httpx.get(f"{server.url}/metrics").text
        assert f'ovapi_model_ready{{model_name="{DEMO}"}}' not in metrics
        assert server.terminate() == 0
        assert "Traceback" not in server.log
        assert "never retrieved" not in server.log


def test_a_failed_model_is_tried_again_with_what_is_new(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, {"models": [{"name": DEMO, "device": "GPU.7"}]}) as server:
        server.wait_for_log(f"model {DEMO}: not available: device GPU.7 .*", 20)
        send(server, server.config_file.read_text().replace("GPU.7", "CPU"))
        server.wait_ready()
        assert "restart the server" not in server.log
        answer = httpx.post(server.url + CHAT, json=chat(GREETING), timeout=60)
        assert answer.status_code == 200
        assert server.terminate() == 0


def test_a_failed_model_is_tried_again_when_its_files_change(tmp_path: Path) -> None:
    source, folder = ROOT / "models" / DEMO, tmp_path / "models" / "late"
    folder.mkdir(parents=True)
    shutil.copy(source / "openvino_model.xml", folder)
    with ServerProcess(tmp_path, {"models_dir": str(folder.parent)}) as server:
        server.wait_for_log(f"model late: not available: .*openvino_model.bin.*{folder}", 20)
        time.sleep(3 * LOOK_SECONDS)
        assert server.log.count("model late: loading") == 1
        for file in source.iterdir():
            if file.is_file():
                shutil.copy(file, folder)
        server.wait_ready("late", 30)
        assert server.terminate() == 0
