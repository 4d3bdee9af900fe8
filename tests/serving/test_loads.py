"""Models that load and unload while a real server runs: processes, memory, what clients see."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.server_process import DEMO, PIRATE, ROOT, ServerProcess
from soak.client.prompts import GREETING, LASTING, LONG, chat

CHAT = "/v1/chat/completions"
FOLDER = str(ROOT / "models" / DEMO)


def entry(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "path": FOLDER, "load": "lazy", **more}


def serve(folder: Path, *models: dict[str, Any], **more: Any) -> ServerProcess:
    (folder / "none").mkdir()
    settings = {"models_dir": str(folder / "none"), "models": list(models), **more}
    return ServerProcess(folder, settings)


def ask(server: ServerProcess, model: str, **more: Any) -> httpx.Response:
    body = {**chat(GREETING, max_tokens=4, **more), "model": model}
    return httpx.post(server.url + CHAT, json=body, timeout=120)


def generate(server: ServerProcess, **body: Any) -> dict[str, Any]:
    answer = httpx.post(f"{server.url}/api/generate", json={"stream": False, **body}, timeout=120)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def loaded(server: ServerProcess) -> dict[str, dict[str, Any]]:
    """What /api/ps shows, by name."""
    models = httpx.get(f"{server.url}/api/ps", timeout=10).json()["models"]
    return {model["name"].removesuffix(":latest"): model for model in models}


def engines(server: ServerProcess) -> set[int]:
    """The ids of the engine processes."""
    found = set()
    for one in server.children():
        with suppress(psutil.NoSuchProcess):  # it has just ended
            if "ovapi.engine.process.worker" in one.cmdline():
                found.add(one.pid)
    return found


def figure(server: ServerProcess, name: str, **labels: str) -> float | None:
    text = httpx.get(f"{server.url}/metrics", timeout=10).text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == f"ovapi_{name}" and labels.items() <= sample.labels.items():
                return sample.value
    return None


def idle_unloads(server: ServerProcess) -> float | None:
    return figure(server, "model_unloads_total", model_name="demo", reason="idle")


def ready(server: ServerProcess) -> int:
    return httpx.get(f"{server.url}/ready", timeout=10).status_code


@pytest.fixture(scope="module")
def lazy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One lazy model of each engine kind, and an adapter."""
    pirate = {"name": "pirate", "path": str(PIRATE)}
    models = entry("demo", adapters=[pirate]), entry("single", engine="simple")
    with serve(tmp_path_factory.mktemp("lazy"), *models) as server:
        yield server


def test_many_first_requests_share_one_load(lazy: ServerProcess) -> None:
    assert not engines(lazy)
    assert ready(lazy) == 200, "the default model would load"
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ask(lazy, "demo"), range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len(engines(lazy)) == 1
    assert figure(lazy, "model_loads_total", model_name="demo", reason="request") == 1
    assert figure(lazy, "model_loaded", model_name="demo") == 1
    assert figure(lazy, "model_loaded", model_name="pirate") == 0


@pytest.mark.parametrize("model", ["demo", "pirate", "single"])
def test_ollama_loads_and_unloads(lazy: ServerProcess, model: str) -> None:
    before = engines(lazy)
    assert generate(lazy, model=model, keep_alive="1h")["done_reason"] == "load"
    shown = loaded(lazy)[model]
    end = datetime.fromisoformat(shown["expires_at"][:19]).replace(tzinfo=UTC)
    assert 3500 < (end - datetime.now(UTC)).total_seconds() < 3601
    assert shown["size"] > 2**20
    assert lazy.health()["models"][model]["status"] == "ready"

    assert generate(lazy, model=model, keep_alive=0)["done_reason"] == "unload"
    assert model not in loaded(lazy)
    assert lazy.health()["models"][model]["status"] == "unloaded"
    assert figure(lazy, "model_loaded", model_name=model) == 0
    labels = {"process": "engine", "model_name": model}
    assert figure(lazy, "process_resident_memory_bytes", **labels) is None
    if model != "single":
        (gone,) = before - engines(lazy) or {None}
        assert gone is None or not psutil.pid_exists(gone)

    answer = generate(lazy, model=model, prompt=GREETING, keep_alive=0)
    assert answer["done_reason"] in ("stop", "length")
    assert answer["load_duration"] > 50_000_000, "the answer waited for the load"
    lazy.wait_until(lambda: model not in loaded(lazy), 5)
    assert ask(lazy, model).status_code == 200


def test_a_stream_ends_before_its_model_leaves(lazy: ServerProcess) -> None:
    body = {**chat(LONG, stream=True, **LASTING), "model": "demo"}
    with httpx.stream("POST", lazy.url + CHAT, json=body, timeout=120) as stream:
        lines = stream.iter_lines()
        next(lines)
        assert generate(lazy, model="demo", keep_alive=0)["done_reason"] == "unload"
        assert [*filter(None, lines)][-1] == "data: [DONE]"
    lazy.wait_until(lambda: "demo" not in loaded(lazy), 5)


def test_a_client_that_leaves_during_the_load_leaves_nothing(lazy: ServerProcess) -> None:
    generate(lazy, model="pirate", keep_alive=0)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(lazy.url + CHAT, json={**chat(GREETING), "model": "pirate"}, timeout=0.1)
    lazy.wait_until(lambda: lazy.health()["models"]["pirate"]["status"] == "ready", 60)
    assert lazy.health()["models"]["pirate"]["waiting"] == 0
    assert figure(lazy, "num_requests_waiting", model_name="pirate") == 0


def test_an_idle_model_leaves_and_its_memory_comes_back(tmp_path: Path) -> None:
    with serve(tmp_path, entry("demo", keep_alive="300ms")) as server:
        for loads in (1, 2):
            assert ask(server, "demo").status_code == 200
            server.wait_until(lambda loads=loads: idle_unloads(server) == loads, 10)
            assert not engines(server)
        server.wait_for_log(r"model demo: loaded in [\d.]+ s \(request\)")
        server.wait_for_log(r"model demo: unloaded in [\d.]+ s \(idle\), unused for 0 s, \d+ MiB")
        cpu = psutil.Process(server.process.pid).cpu_times().user
        time.sleep(1)
        assert psutil.Process(server.process.pid).cpu_times().user - cpu < 0.3, "it spins"
        assert server.terminate() == 0


def test_a_budget_for_one_serves_two_in_turn(tmp_path: Path) -> None:
    """With a small cache the built-in model is estimated at about 200 MiB and takes 150."""
    models = [entry(name, cache={"size": "16MiB"}) for name in ("a", "b")]
    with serve(tmp_path, *models, memory_budget="280MiB") as server:
        for model in ("a", "b", "a"):
            assert ask(server, model).status_code == 200
            assert list(loaded(server)) == [model]
            assert len(engines(server)) == 1
        assert figure(server, "model_unloads_total", model_name="a", reason="memory") == 1

        body = {**chat(LONG, stream=True, **LASTING), "model": "a"}
        with httpx.stream("POST", server.url + CHAT, json=body, timeout=120) as stream:
            lines = stream.iter_lines()
            next(lines)
            refused = ask(server, "b")
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_memory")
            assert int(refused.headers["Retry-After"]) > 0
            assert [*filter(None, lines)][-1] == "data: [DONE]"
        assert ask(server, "b").status_code == 200


def test_an_impatient_model_says_that_it_loads(tmp_path: Path) -> None:
    with serve(tmp_path, entry("demo", load_wait_seconds=0)) as server:
        assert ready(server) == 503
        refused = ask(server, "demo")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_loading")
        assert refused.headers["Retry-After"]
        server.wait_ready("demo")
        assert ready(server) == 200
        assert ask(server, "demo").status_code == 200


def test_a_stop_during_a_load_leaves_nothing(tmp_path: Path) -> None:
    drain = {"drain_seconds": 0.1}
    with serve(tmp_path, entry("demo"), server=drain) as server:
        asking = threading.Thread(target=ask, args=(server, "demo"))
        asking.start()
        server.wait_until(lambda: engines(server), 20)
        children = server.children()
        assert server.terminate() == 0
        asking.join()
        assert not [one for one in children if one.is_running()]
