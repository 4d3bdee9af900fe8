"""Services: what the handlers of one server share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from ovapi.config.settings import Config
from ovapi.http.origin import OriginPolicy
from ovapi.http.rate_limits import Limits
from ovapi.serving.metrics import Metrics
from ovapi.serving.model import ModelRegistry
from ovapi.validation.schemas import Schemas


@dataclass
class Context:
    """What the handlers of one server share.

    `active` counts the requests in hand, `body_bytes` the bytes of their bodies.
    """

    config: Config
    registry: ModelRegistry
    schemas: Schemas
    executor: Executor
    origins: OriginPolicy
    metrics: Metrics
    limits: Limits
    draining: bool = False
    active: int = 0
    body_bytes: int = 0
    on_idle: Callable[[], None] = lambda: None

    def leave(self) -> None:
        """A request has ended."""
        self.active -= 1
        if not self.active:
            self.on_idle()
