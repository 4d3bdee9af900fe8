"""Packaging of ovapi. Each dependency is here for one reason:

tornado              the event loop and HTTP server
openvino-genai       the engines: continuous batching and single pipelines
openvino-tokenizers  tokenizers as OpenVINO models, loaded by openvino-genai
jsonschema           checks request bodies and the configuration against schemas/
referencing          jsonschema's registry, kept empty so that no $ref is ever fetched
pyyaml               reads config.yaml
jinja2               renders the models' own chat templates, sandboxed
msgspec              writes JSON, which a stream does for every token, several times as fast
prometheus_client    keeps the figures of GET /metrics and writes them in Prometheus' format

With the extra `otel`, OpenTelemetry's SDK makes traces and its exporter sends them to a collector.
"""

from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version: dict[str, str] = {}
exec((here / "ovapi" / "__init__.py").read_text(encoding="utf-8"), version)

OTEL = ["opentelemetry-sdk>=1.30,<2", "opentelemetry-exporter-otlp-proto-http>=1.30,<2"]

# 9 MB: an installation serves a model without a download.
BUILT_IN_MODEL = ["models/ovapi-demo/*", "models/ovapi-demo/adapters/*/*"]

setup(
    name="ovapi",
    version=version["__version__"],
    description="An OpenAI-compatible API server for language models on OpenVINO",
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    packages=find_packages(include=["ovapi", "ovapi.*"]),
    package_data={
        "ovapi": ["py.typed", "config.yaml", "schemas/*.json", "schemas/*/*.json", *BUILT_IN_MODEL]
    },
    install_requires=[
        "tornado>=6.5,<7",
        "openvino-genai>=2026.4.1,<2026.5",
        "openvino-tokenizers>=2026.4.1,<2026.5",
        "jsonschema>=4.23,<5",
        "referencing>=0.35",
        "pyyaml>=6,<7",
        "jinja2>=3.1.6,<4",
        "msgspec>=0.19,<1",
        "prometheus_client>=0.21,<1",
    ],
    extras_require={
        # hypothesis: property tests; openai, ollama, httpx: real clients; psutil: processes
        "test": [
            "pytest>=8,<10",
            "pytest-tornasync>=0.6.0.post2,<0.7",
            "hypothesis>=6.100,<7",
            "openai>=2,<4",
            "ollama>=0.6,<0.7",
            "langchain-openai>=1,<2",
            "langchain-ollama>=1,<2",
            "litellm>=1.80,<2",
            "httpx>=0.27,<1",
            "psutil>=6,<8",
            "openapi-spec-validator>=0.7,<1",
            "trustme>=1,<2",
            *OTEL,
        ],
        # traces of generations, for a collector
        "otel": OTEL,
        # throws requests at the server that its OpenAPI document allows, and some that it does not
        "fuzz": ["schemathesis>=4,<5"],
        # changes the code at random places, to see whether tests fail
        "mutate": ["cosmic-ray>=8,<9"],
        "lint": ["ruff>=0.17,<0.18", "mypy>=2,<3", "types-PyYAML", "types-jsonschema"],
        # torch is pinned so that no CUDA build is pulled in
        "train": ["torch==2.13.0", "transformers>=4.57,<6", "optimum-intel>=2.2,<3"],
        "bench": ["httpx>=0.27,<1", "psutil>=6,<8", "matplotlib>=3.9,<4"],
    },
    entry_points={"console_scripts": ["ovapi = ovapi.cli.main:main"]},
)
