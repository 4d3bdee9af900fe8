"""Context: what the handlers of one server share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from ovapi.config.settings import Config
from ovapi.http.body.budget import BodyBudget
from ovapi.http.connection.origin import OriginPolicy
from ovapi.http.connection.proxies import TrustedProxies
from ovapi.http.dialect import Dialect
from ovapi.http.rate_limits import Limits
from ovapi.serving.metrics.metrics import Metrics
from ovapi.serving.registry import ModelRegistry
from ovapi.validation.schemas import Schemas


@dataclass
class Context:
    """What the handlers of one server share.

    `active` counts the requests in flight, `bodies` the memory of their bodies.
    """

    dialects: tuple[Dialect, ...]
    config: Config
    registry: ModelRegistry
    schemas: Schemas
    executor: Executor
    origins: OriginPolicy
    proxies: TrustedProxies | None
    metrics: Metrics
    limits: Limits
    bodies: BodyBudget
    draining: bool = False
    active: int = 0
    on_idle: Callable[[], None] = lambda: None
