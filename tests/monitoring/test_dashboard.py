"""The dashboard asks for metrics and labels that exist, and leaves none out."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bench.server_process import ROOT
from ovapi.app import Application
from ovapi.config.settings import Config, LoggingConfig, ModelConfig, ServerConfig
from ovapi.serving.metrics.metrics import Metrics
from ovapi.serving.model import Model
from ovapi.serving.registry import ModelRegistry
from ovapi.validation.schemas import Schemas
from tests.support.fake_engine import FakeEngine

FILE = ROOT / "monitoring" / "grafana.json"
DASHBOARD = json.loads(FILE.read_text(encoding="utf-8"))
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
QUERIES += [one["query"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]

NOT_SHOWN = {
    "ovapi_info",
    "ovapi_model_loaded",  # as model_ready, but for a process that is being replaced
    "ovapi_log_lines_dropped_total",  # the log says it too
    "ovapi_tool_calls_total",  # for who sets up a model
    "ovapi_prefix_cache_hits_total",  # only the engine 'paged' tells it
    "ovapi_prefix_cache_queries_total",
    "ovapi_request_prompt_tokens",
    "ovapi_request_generation_tokens",
}


def series() -> dict[str, set[str]]:
    """Each time series' name and labels, of a server at which something of everything happened."""
    config = ModelConfig("m", Path("m"))
    registry = ModelRegistry([Model(config, FakeEngine())], "m")
    whole = Config(ServerConfig(), LoggingConfig(), (config,), "m", None)
    with ThreadPoolExecutor(1) as executor:
        metrics = Application(whole, registry, Schemas(), executor).metrics
    metrics.http_request("/", "GET", "m", 400, "reason")
    watched = metrics._models["m"].requests
    watched.ended("stop")
    for family in metrics.catalogue():
        assert family.text.endswith("."), family.name
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.expose().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_query_asks_for_what_exists() -> None:
    known = series()
    for query in QUERIES:
        names = re.findall(r"\bovapi_\w+", query)
        assert names, query
        assert set(names) <= known.keys(), query
        labels = set(re.findall(r"(\w+)\s*=~?\s*\"", query))
        for group in re.findall(r"by \(([^)]*)\)", query):
            labels.update(group.split(", "))
        for name in names:
            assert labels <= known[name], query


def test_every_metric_is_shown_or_left_out_on_purpose() -> None:
    for one in Metrics().catalogue():
        shown = any(re.search(rf"\b{one.name}(_bucket)?\b", query) for query in QUERIES)
        assert shown != (one.name in NOT_SHOWN), one.name


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
