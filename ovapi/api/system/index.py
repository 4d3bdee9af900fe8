"""What this is and where to go: GET / and the documentation, for people and for programs."""

from __future__ import annotations

from functools import cache
from typing import Any

from tornado.template import Template

from ovapi.api.docs.markdown import generate
from ovapi.api.docs.openapi import openapi
from ovapi.api.system.health import report
from ovapi.http.answer.json_encoder import encode_json
from ovapi.http.context import Context
from ovapi.http.dialect import URL, Dialect
from ovapi.http.handler import ApiHandler
from ovapi.validation.schemas import Schemas

DOCUMENTATION = "/api_documentation.md"
PLACEHOLDER = "http://HOST:PORT"


class Index(ApiHandler):
    during_drain = True

    def get(self) -> None:
        facts = describe(self.context)
        self.set_header("Vary", "Accept")
        if "application/json" in self.request.headers.get("Accept", ""):
            self.write_json(facts)
            return
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.write(PAGE.generate(url=self.url, **facts))

    head = get


class Documentation(ApiHandler):
    during_drain = True

    def get(self) -> None:
        """The page for this version, as browsers show it: plain, with this server's URL."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        text = _documentation(self.context.dialects, self.context.schemas)
        for url in (URL, PLACEHOLDER):
            text = text.replace(url, self.url)
        self.write(text)

    head = get


class OpenApi(ApiHandler):
    during_drain = True

    def get(self) -> None:
        base = self.context.config.server.base_path
        self.write(_openapi(self.context.dialects, self.context.schemas, base))

    head = get


@cache
def _documentation(dialects: tuple[Dialect, ...], schemas: Schemas) -> str:
    """Made once: that takes the loop tens of milliseconds."""
    return generate(dialects, schemas)


@cache
def _openapi(dialects: tuple[Dialect, ...], schemas: Schemas, base_path: str) -> bytes:
    return encode_json(openapi(dialects, schemas, base_path))


class Favicon(ApiHandler):
    during_drain = True

    def get(self) -> None:
        """There is none, and browsers should not find an error in asking."""
        self.set_status(204)

    head = get


def describe(context: Context) -> dict[str, Any]:
    return {
        "name": "ovapi",
        "description": "An OpenAI-compatible API server for language models on OpenVINO",
        "endpoints": {
            f"{one.verb} {one.path}": one.text
            for dialect in context.dialects
            for one in dialect.documented
        },
        "documentation": context.config.server.base_path + DOCUMENTATION,
        **report(context),
    }


PAGE = Template(
    """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ovapi</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: auto; padding: 2rem 1rem; }
  h1 { margin-bottom: 0; }
  h2 { margin-top: 2rem; font-size: 1.1rem; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid #8884; }
  th { font-weight: 600; }
  td:first-child { white-space: nowrap; }
  code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
  pre { padding: .75rem 1rem; background: #8882; border-radius: .4rem; overflow-x: auto; }
</style>
<h1>ovapi</h1>
<p>{{ description }}, version {{ version }}. The server is <b>{{ status }}</b>.</p>
<h2>Models</h2>
{% if models %}
<table>
<tr><th>Name<th>State<th>Device<th>Running<th>Waiting</tr>
{% for name, model in models.items() %}
<tr><td><code>{{ name }}</code><td>{{ model["status"] }}\
{% if model["detail"] %}: {{ model["detail"] }}{% end %}\
<td>{{ model["device"] }}<td>{{ model["running"] }}<td>{{ model["waiting"] }}</tr>
{% end %}
</table>
{% else %}
<p>No models.</p>
{% end %}
<h2>Endpoints</h2>
<table>
{% for path, what in endpoints.items() %}
<tr><td><code>{{ path }}</code><td>{{ what }}</tr>
{% end %}
</table>
<p>Parameters, responses and errors: <a href="{{ documentation }}">API documentation</a>.</p>
<h2>Try it</h2>
{% whitespace all %}
<pre>curl {{ url }}/v1/chat/completions \\
  -H 'Content-Type: application/json' \\
  -d '{"messages": [{"role": "user", "content": "Tell me a joke."}]}'</pre>
""",
    name="index.html",
)
