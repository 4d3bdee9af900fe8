"""ovapi: an OpenAI-compatible API server for language models on OpenVINO."""

__version__ = "0.1.0"
