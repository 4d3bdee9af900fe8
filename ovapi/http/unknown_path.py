"""UnknownPath: the answer to everything that is not in the route table."""

from __future__ import annotations

from ovapi.errors import NotFound
from ovapi.http.handler import VERBS, ApiHandler

MODELS = "models are added in its configuration"
ABSENT = {
    "/embeddings": "it serves no embeddings",
    "/embedding": "it serves no embeddings",
    "/api/embed": "it serves no embeddings",
    "/api/embeddings": "it serves no embeddings",
    "/pooling": "it serves no embeddings",
    "/rerank": "it serves no rerankers",
    "/reranking": "it serves no rerankers",
    "/score": "it serves no rerankers",
    "/classify": "it serves no classifiers",
    "/moderations": "it serves no classifiers",
    "/responses": "use /v1/chat/completions",
    "/messages": "use /v1/chat/completions",
    "/complete": "use /v1/completions",
    "/completion": "use /v1/completions",
    "/generate": "use /v1/completions",
    "/generate_stream": "use /v1/completions",
    "/invocations": "use /v1/chat/completions",
    "/infill": "it does not fill in the middle",
    "/fim": "it does not fill in the middle",
    "/audio": "it reads and writes text only",
    "/images": "it reads and writes text only",
    "/videos": "it reads and writes text only",
    "/realtime": "it reads and writes text only",
    "/files": "it stores nothing",
    "/uploads": "it stores nothing",
    "/batches": "it stores nothing",
    "/conversations": "it stores nothing",
    "/assistants": "it stores nothing",
    "/threads": "it stores nothing",
    "/vector_stores": "it stores nothing",
    "/fine_tuning": "it trains no models",
    "/props": "GET /v1/models describes the models",
    "/info": "GET /v1/models describes the models",
    "/slots": "GET /health has the state of each model",
    "/load": "GET /metrics has the load",
    "/ping": "use /health",
    "/version": "GET /health has the version",
    "/apply-template": "POST /tokenize applies a model's chat template",
    "/lora-adapters": "adapters are models of their own, added in its configuration",
    "/load_lora_adapter": "adapters are models of their own, added in its configuration",
    "/unload_lora_adapter": "adapters are models of their own, added in its configuration",
    "/api/pull": MODELS,
    "/api/push": MODELS,
    "/api/create": MODELS,
    "/api/copy": MODELS,
    "/api/delete": MODELS,
    "/api/blobs": MODELS,
}
"""Endpoints of other servers, without /v1 before them, and what to know about each."""
PREFIXES = ("/v1", "/v2", "/v3")


class UnknownPath(ApiHandler):
    """Every path that no route matches."""

    def admit(self) -> None:
        super().admit()
        raise absence(self.request.path)

    @classmethod
    def allowed(cls) -> list[str]:
        return list(VERBS)


def absence(path: str) -> NotFound:
    """What the client is told: by name, if other servers have such an endpoint."""
    prefix = next((one for one in PREFIXES if path.startswith(f"{one}/")), "")
    rest = path.removeprefix(prefix)
    for known, why in ABSENT.items():
        if f"{rest}/".startswith(f"{known}/"):
            return NotFound(
                f"This server does not have {prefix}{known}: {why}. GET / lists the endpoints.",
                code="unsupported_endpoint",
            )
    return NotFound("Unknown endpoint. GET / lists the endpoints.")
