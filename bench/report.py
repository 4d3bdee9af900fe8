"""The results as a table in Markdown and as plots.

python -m bench.report bench/results    # again from results.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.contest import HTTP, RAW
from bench.figures import Figures
from bench.plots import plot_all


def write_report(results: Figures, folder: Path) -> None:
    plots = plot_all(results, folder)
    lines = [*_head(results), *_models(results)]
    lines += [f"![{path.stem}]({path.name})\n" for path in plots]
    (folder / "results.md").write_text("\n".join(lines), encoding="utf-8")


def _head(results: Figures) -> Iterator[str]:
    yield "# Results\n"
    for name, value in results["machine"].items():
        yield f"- {name}: {value}"
    yield ""


def _models(results: Figures) -> Iterator[str]:
    for model, parts in results["models"].items():
        yield f"## {model}\n"
        for part, entry in parts.items():
            made, found = entry["made"], entry["found"]
            title = TITLES[part] + _lengths(part, found)
            yield f"{title} (commit {made['commit']}, {made['time']})\n"
            yield from TABLES[part](found)
            yield ""


def _lengths(part: str, found: list[Figures]) -> str:
    """What does not vary in a series."""
    if part not in ("streams", "rates"):
        return ""
    one = found[0][HTTP]
    each = one["output_tokens"] / one["requests"]
    return f", prompts of {one['prompt_tokens']:.0f} tokens and answers of {each:.0f}"


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---:|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def contestants(entry: Figures) -> list[str]:
    """Raw, ovapi, and the peers."""
    return [name for name, one in entry.items() if isinstance(one, dict) and "ttft_ms" in one]


def _contest(axis: str, value: str) -> object:
    """The table of a series that `value` tells apart."""

    def table(found: list[Figures]) -> Iterator[str]:
        head = [axis, "rounds", "of", "tokens/s", "of raw", "TTFT p50, p99 (ms)",
                "per token p50, p99 (ms)", "server CPU (us/token)", "server RSS (MiB)",
                "/health p99 (ms)", "errors"]  # fmt: skip
        yield from _table(head, [row for entry in found for row in _rows(entry, value)])

    return table


def _rows(entry: Figures, value: str) -> Iterator[list[str]]:
    raw = entry[RAW]["tokens_per_second"]
    for name in contestants(entry):
        one = entry[name]
        axis = entry["streams"] if value == "streams" else _length(entry, value)
        ours = name == HTTP
        yield [
            str(axis),
            str(entry["rounds"]),
            name,
            f"{one['tokens_per_second']:.1f}",
            "" if name == RAW else f"{one['tokens_per_second'] / raw:.3f}",
            _pair(one["ttft_ms"]),
            _pair(one["tpot_ms"]),
            f"{one['server_cpu_us_per_token']:.0f}" if "server_cpu_us_per_token" in one else "",
            f"{one['server_rss_mib']:.0f}" if "server_rss_mib" in one else "",
            f"{entry['health_ms']['p99']:.1f}" if ours else "",
            str(sum(one["errors"].values())),
        ]


def _length(entry: Figures, value: str) -> int:
    """Tokens of each prompt, or of each answer."""
    one = entry[RAW]
    return round(one["prompt_tokens"] if value == "prompt" else
                 one["output_tokens"] / one["requests"])  # fmt: skip


def _pair(spread: Figures) -> str:
    return f"{spread['p50']:.1f}, {spread['p99']:.1f}" if spread else ""


def _rates(found: list[Figures]) -> Iterator[str]:
    head = ["requests/s", "of", "latency p50, p99 (ms)", "TTFT p50, p99 (ms)",
            "per token p50, p99 (ms)", "errors"]  # fmt: skip
    rows = []
    for entry in found:
        for name in contestants(entry):
            one = entry[name]
            rows.append([str(entry["rate"]), name, *map(_pair, (one["latency_ms"], one["ttft_ms"],
                         one["tpot_ms"])), str(sum(one["errors"].values()))])  # fmt: skip
    yield from _table(head, rows)


def _reuse(found: Figures) -> Iterator[str]:
    head = ["of", "prompt", "prompt tokens", "TTFT p50, p99 (ms)"]
    rows = []
    for name, one in found.items():
        for kind in ("alone", "shared"):
            rows.append([name, KINDS[kind], *_prompt(one[kind])])
        for number, turn in enumerate(one["conversation"], 1):
            rows.append([name, f"turn {number} of a conversation", *_prompt(turn)])
    yield from _table(head, rows)


def _prompt(one: Figures) -> list[str]:
    return [f"{one['prompt_tokens']:.0f}", _pair(one["ttft_ms"])]


def _starts(found: Figures) -> Iterator[str]:
    head = ["open port (s)", "first token (s)", "CPU of the server (s)", "CPU of the engine (s)"]
    names = ("port_seconds", "first_token_seconds", "server_cpu_seconds", "engine_cpu_seconds")
    yield from _table(head, [[f"{found[name]:.2f}" for name in names]])


def _memory(found: Figures) -> Iterator[str]:
    grown = ", ".join(str(size) for size in found["finished_mib"])
    yield f"- after the start: {found['start_mib']} MiB"
    yield f"- after each quarter of {found['finished_requests']} requests: {grown} MiB"
    yield f"- {found['idle_streams']} open idle streams: {found['idle_kib_each']} KiB each"


KINDS = {"alone": "new", "shared": "with a beginning that an earlier one had"}
TITLES = {
    "streams": "Over the number of streams",
    "prompts": "Over the length of the prompt, one stream, answers of 16 tokens",
    "outputs": "Over the length of the answer, eight streams",
    "rates": "Over the rate of arrivals (Poisson)",
    "reuse": "Prompts that begin as earlier ones",
    "starts": "Starts with a warm disk",
    "memory": "Memory of the server process (RSS)",
}
TABLES = {
    "streams": _contest("streams", "streams"),
    "prompts": _contest("prompt tokens", "prompt"),
    "outputs": _contest("output tokens", "output"),
    "rates": _rates,
    "reuse": _reuse,
    "starts": _starts,
    "memory": _memory,
}


if __name__ == "__main__":
    given = Path(sys.argv[1])
    write_report(json.loads((given / "results.json").read_text()), given)
