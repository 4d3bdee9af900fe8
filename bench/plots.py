"""The plots: throughput, latency, and how the server's own cost grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.contest import HTTP, RAW
from bench.figures import Figures

COLORS = {RAW: "gray", HTTP: "tab:blue", f"{HTTP} p50": "tab:blue", f"{HTTP} p99": "tab:cyan"}
OTHERS = ("tab:orange", "tab:green", "tab:red", "tab:purple")

Value = Callable[[Figures], float | None]


def plot_all(results: Figures, folder: Path) -> list[Path]:
    """One file each; those whose parts are not there are left out."""
    import matplotlib
    from cycler import cycler

    matplotlib.use("svg")
    matplotlib.rcParams["axes.prop_cycle"] = cycler(color=OTHERS)
    matplotlib.rcParams |= {"svg.hashsalt": "ovapi", "svg.fonttype": "none", "font.size": 9}
    made = []
    for model, parts in results["models"].items():
        found = {name: entry["found"] for name, entry in parts.items()}
        for part, plot in PLOTS.items():
            if len(found.get(part, ())) > 1:
                made.append(plot(found[part], model, folder / f"{part}-{model}.svg"))
    return made


def _figure(title: str, panels: Sequence[tuple[str, str]], log: bool = True) -> tuple[Any, Any]:
    """A row of panels, each given as the names of its axes."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.2))
    figure.suptitle(title)
    for axis, (across, up) in zip(axes, panels, strict=True):
        axis.set_xlabel(across)
        axis.set_ylabel(up)
        axis.grid(alpha=0.3)
        if log:
            axis.set_xscale("log", base=2)
            axis.xaxis.set_major_formatter("{x:g}")
    return figure, axes


def _draw(axis: Any, found: list[Figures], across: Value, values: dict[str, Value]) -> None:
    for label, value in values.items():
        points = [(across(entry), value(entry)) for entry in found]
        points = [(x, y) for x, y in points if y is not None]
        if points:
            axis.plot(*zip(*points, strict=True), marker="o", markersize=3, label=label,
                      color=COLORS.get(label))  # fmt: skip
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False)


def _save(figure: Any, path: Path) -> Path:
    from matplotlib import pyplot

    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path


def _of(name: str, figure: str, part: str | None = None) -> Value:
    """A figure of one contestant, or a part of that figure."""

    def value(entry: Figures) -> float | None:
        found = entry[name].get(figure)
        return found.get(part) if part and found else found  # type: ignore[no-any-return]

    return value


def _names(found: list[Figures]) -> list[str]:
    one = found[0]
    return [name for name in one if isinstance(one[name], dict) and "ttft_ms" in one[name]]


def streams(found: list[Figures], model: str, path: Path) -> Path:
    names = _names(found)
    panels = [("streams", "tokens/s"), ("streams", "TTFT, median (ms)"),
              ("streams", "server CPU (us/token)")]  # fmt: skip
    figure, axes = _figure(model, panels)

    def across(entry: Figures) -> float:
        return float(entry["streams"])

    _draw(axes[0], found, across, {name: _of(name, "tokens_per_second") for name in names})
    _draw(axes[1], found, across, {name: _of(name, "ttft_ms", "p50") for name in names})
    _draw(axes[2], found, across, {HTTP: _of(HTTP, "server_cpu_us_per_token")})
    return _save(figure, path)


def prompts(found: list[Figures], model: str, path: Path) -> Path:
    panels = [("tokens of the prompt", "TTFT, median (ms)"),
              ("tokens of the prompt", "TTFT over raw (ms)"),
              ("tokens of the prompt", "server CPU (ms/request)")]  # fmt: skip
    figure, axes = _figure(f"{model}, one stream", panels)

    def across(entry: Figures) -> float:
        return float(entry[RAW]["prompt_tokens"])

    def over(entry: Figures) -> float:
        return float(entry[HTTP]["ttft_ms"]["p50"] - entry[RAW]["ttft_ms"]["p50"])

    names = _names(found)
    _draw(axes[0], found, across, {name: _of(name, "ttft_ms", "p50") for name in names})
    _draw(axes[1], found, across, {HTTP: over})
    _draw(axes[2], found, across, {HTTP: _per_request})
    return _save(figure, path)


def _per_request(entry: Figures) -> float:
    one = entry[HTTP]
    return float(1000 * one["server_cpu_seconds"] / one["requests"])


def outputs(found: list[Figures], model: str, path: Path) -> Path:
    panels = [("tokens of the answer", "tokens/s"), ("tokens of the answer", "tokens/s of raw"),
              ("tokens of the answer", "server CPU (us/token)")]  # fmt: skip
    figure, axes = _figure(f"{model}, eight streams", panels)

    def across(entry: Figures) -> float:
        return float(entry[RAW]["output_tokens"] / entry[RAW]["requests"])

    names = _names(found)
    _draw(axes[0], found, across, {name: _of(name, "tokens_per_second") for name in names})
    _draw(axes[1], found, across, {HTTP: lambda entry: float(entry["ratio"])})
    _draw(axes[2], found, across, {HTTP: _of(HTTP, "server_cpu_us_per_token")})
    return _save(figure, path)


def rates(found: list[Figures], model: str, path: Path) -> Path:
    panels = [("requests/s", "latency (ms)"), ("requests/s", "TTFT (ms)")]
    figure, axes = _figure(f"{model}, arrivals at random", panels, log=False)

    def across(entry: Figures) -> float:
        return float(entry["rate"])

    for axis, what in zip(axes, ("latency_ms", "ttft_ms"), strict=True):
        lines = {f"{name} {part}": _of(name, what, part)
                 for name in _names(found) for part in ("p50", "p99")}  # fmt: skip
        _draw(axis, found, across, lines)
    return _save(figure, path)


PLOTS = {"streams": streams, "prompts": prompts, "outputs": outputs, "rates": rates}
