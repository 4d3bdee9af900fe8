"""Malformed requests of many kinds: each is a 4xx in the error shape that names the parameter."""

from __future__ import annotations

from typing import Any

import pytest

from soak.client.bodies import CHAT
from soak.client.malformed import BODIES, HELLO_TEXT
from soak.client.parameters import PARAMETERS
from tests.support.api import SCHEMAS, Api


@pytest.mark.parametrize(("param", "body"), PARAMETERS)
async def test_a_bad_parameter_is_named(api: Api, param: str, body: dict[str, Any]) -> None:
    async with api.client() as client:
        response = await client.post(CHAT, json=body)
    assert response.status_code in (400, 404)
    SCHEMAS.validate("openai/error", response.json())
    error = response.json()["error"]
    assert error["param"] == (param or None)
    assert error["code"]
    assert len(error["message"]) < 300
    assert not api.engine.requests


@pytest.mark.parametrize(("body", "problem"), BODIES)
async def test_bad_json_is_described(api: Api, body: bytes, problem: str) -> None:
    async with api.client() as client:
        response = await client.post(
            CHAT, content=body, headers={"Content-Type": "application/json"}
        )
    assert response.status_code == 400
    SCHEMAS.validate("openai/error", response.json())
    assert response.json()["error"]["code"] == "invalid_json"
    assert problem in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/json", "Content-Encoding": "br"},
    ],
)
async def test_another_kind_of_body_is_415(api: Api, headers: dict[str, str]) -> None:
    async with api.client() as client:
        response = await client.post(CHAT, content=HELLO_TEXT, headers=headers)
    assert response.status_code == 415
    SCHEMAS.validate("openai/error", response.json())


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON; Charset=UTF-8", 'application/json;charset="utf-8"'],
)
async def test_kinds_of_body_that_are_taken(api: Api, kind: str) -> None:
    async with api.client() as client:
        response = await client.post(CHAT, content=b"{}", headers={"Content-Type": kind})
    assert response.json()["error"]["param"] == "messages"
