"""The README and docs/: links lead somewhere, and examples work as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.server_process import ServerProcess
from ovapi.config.yaml_document import YamlDocument

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "training" / "README.md", *DOCS]
ADDRESS = "http://127.0.0.1:8000"

OURS = r"yaml\n(?!scrape_configs:|model_list:|name: My Config)"
"""YAML, but that of Prometheus, LiteLLM and Continue."""


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """Of the page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Each file that the page links to, with the anchor in it, "" for none."""
    for target in re.findall(r"\]\(([^)]+)\)", prose(page)):
        path, _, anchor = target.partition("#")
        if not path.startswith(("http:", "https:")):
            yield (page.parent / path).resolve() if path else page, anchor


def examples(start: str) -> list[object]:
    """The blocks of code that begin so, as parameters of a test."""
    return [
        pytest.param(block, id=f"{page.stem}-{number}")
        for page in [README, *DOCS]
        for number, block in enumerate(
            re.findall(rf"^```{start}.*?^```$", page.read_text("utf-8"), re.M | re.S)
        )
    ]


def code(block: str) -> str:
    """What is between the fences, without the language."""
    return block.partition("\n")[2].removesuffix("```")


def run(command: list[str]) -> str:
    """What the command prints; LiteLLM asks nobody for its table of prices."""
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert result.returncode == 0, result.stderr or result.stdout
    return result.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{target}#{anchor}"


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    assert len(README.read_text(encoding="utf-8").split()) <= 1200
    assert {target for target, _ in links(README)} >= set(DOCS)


@pytest.mark.parametrize("example", examples(OURS))
def test_examples_of_configurations_are_valid(example: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(code(example), encoding="utf-8")
    YamlDocument.read(file).check()


@pytest.mark.parametrize("example", examples("python\n"))
def test_examples_in_python_print_an_answer(example: str, batching_server: ServerProcess) -> None:
    program = code(example).replace(ADDRESS, batching_server.url)
    assert run([sys.executable, "-W", "ignore", "-c", program]).strip()


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("example", examples("sh\ncurl "))
def test_examples_with_curl_get_an_answer(example: str, batching_server: ServerProcess) -> None:
    command = code(example).replace(ADDRESS, batching_server.url).strip()
    assert run(["sh", "-c", f"{command} --silent --fail --noproxy '*'"])
