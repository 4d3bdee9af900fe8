"""The curl examples of the documentation, run as they stand against the server."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest

from ovapi.api.dialects import ENDPOINTS
from ovapi.http.dialect import URL, Endpoint
from tests.support.api import SCHEMAS, Api
from tests.support.fake_engine import script


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.verb} {one.path}")
async def test_the_example_runs(api: Api, endpoint: Endpoint) -> None:
    api.engine.scripts.append(script("Ha!"))
    command = endpoint.curl().replace(URL, api.url).replace("ovapi-demo", "demo")
    process = await asyncio.create_subprocess_shell(
        f"{command} --silent --fail --noproxy '*'", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    if endpoint.response:
        SCHEMAS.validate(endpoint.response, json.loads(output))
