"""The OpenAPI document is one, and says what the server does."""

from __future__ import annotations

import json

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from tornado.web import RequestHandler

from ovapi.api.dialects import DIALECTS, ENDPOINTS
from ovapi.api.docs.openapi import openapi
from ovapi.app import route_names
from ovapi.http.handler import ApiHandler
from ovapi.validation.schemas import Schemas

DOCUMENT = openapi(DIALECTS, Schemas())


def test_the_document_is_valid() -> None:
    problems = OpenAPIV31SpecValidator(DOCUMENT).iter_errors()
    assert [problem.message for problem in problems] == []


def test_every_endpoint_is_described_with_its_own_id() -> None:
    described = {
        f"{verb.upper()} {path}" for path, verbs in DOCUMENT["paths"].items() for verb in verbs
    }
    assert described == {f"{one.verb} {one.path}" for one in ENDPOINTS}
    ids = [verb["operationId"] for verbs in DOCUMENT["paths"].values() for verb in verbs.values()]
    assert len(set(ids)) == len(ids)


def test_nothing_in_it_points_outside() -> None:
    assert "ovapi.invalid" not in json.dumps(DOCUMENT)


@pytest.mark.parametrize(("handler", "path"), route_names().items())
def test_what_needs_no_key_is_what_answers_without(
    handler: type[RequestHandler], path: str
) -> None:
    assert issubclass(handler, ApiHandler)
    assert handler.public == (path in {"/health", "/ready"})
