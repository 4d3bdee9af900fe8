"""ModelRegistry: from the name in a request to the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ovapi.errors import ModelNotFound
from ovapi.serving.model import Model


class ModelRegistry:
    """The models by name and alias, the default one first."""

    def __init__(self, models: Sequence[Model], default: str | None = None) -> None:
        self.hold(models, default)

    def hold(self, models: Sequence[Model], default: str | None) -> None:
        """Have these models from now on, and no others."""
        self._models = {model.name: model for model in models}
        self._names = {alias: model for model in models for alias in model.config.aliases}
        self._names.update(self._models)
        self._default = default

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def get(self, name: str | None) -> Model:
        """The model of that name or alias; None is the default model. Raises ModelNotFound."""
        wanted = name if name is not None else self._default
        if wanted is None:
            raise ModelNotFound("This server has no models.", param="model")
        if wanted not in self._names:
            raise ModelNotFound(f"The model '{wanted}' does not exist.", param="model")
        return self._names[wanted]
