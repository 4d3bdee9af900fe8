"""Services: what the handlers of one server share."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

from ovapi.config import Config
from ovapi.models import ModelRegistry
from ovapi.origin import OriginPolicy
from ovapi.schema import Schemas


@dataclass
class Services:
    """What the handlers of one server share. `active` counts the requests in hand."""

    config: Config
    registry: ModelRegistry
    schemas: Schemas
    executor: Executor
    origins: OriginPolicy
    draining: bool = False
    active: int = 0
