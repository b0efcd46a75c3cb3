"""Gradients: what `Network.gradients` gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .tables import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray


class LayerGradient(NamedTuple):
    """dL/dweight (fan_in, fan_out) and dL/dbias (fan_out,), or None where there is no bias."""

    weight: NDArray[Any]
    bias: NDArray[Any] | None

    def __repr__(self) -> str:
        bias = None if self.bias is None else self.bias.shape
        return f"{type(self).__name__}(weight {self.weight.shape}, bias {bias})"


class Gradients:
    """The loss and its gradient with respect to every parameter.

    Attributes
    ----------
    loss : float
    vector : ndarray
        In the order of `Network.parameters`.
    layers : list of LayerGradient
        Views into `vector`.
    """

    def __init__(self, loss: float, vector: NDArray[Any], layers: Sequence[Any]) -> None:
        self.loss = loss
        self.vector = vector
        self.layers = _views(vector, [(layer.inputs, layer.outputs, layer.bias is not None) for layer in layers])

    def __getstate__(self) -> dict[str, Any]:
        shapes = [(*layer.weight.shape, layer.bias is not None) for layer in self.layers]
        return {**self.__dict__, "layers": shapes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.layers = _views(self.vector, state["layers"])

    def __iter__(self) -> Iterator[LayerGradient]:
        return iter(self.layers)

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}(loss {self.loss:.6g}, {plural(self.vector.size, 'parameter')} in {plural(len(self.layers), 'layer')})"


def _views(vector: NDArray[Any], shapes: Sequence[tuple[int, int, bool]]) -> list[LayerGradient]:
    # of the parts of the vector; shapes: (inputs, outputs, has a bias) of each layer
    layers, at = [], 0
    for inputs, outputs, has_bias in shapes:
        split = at + inputs * outputs
        end = split + outputs if has_bias else split
        weight = vector[at:split].reshape(inputs, outputs)
        layers.append(LayerGradient(weight, vector[split:end] if has_bias else None))
        at = end
    return layers
