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
        self.layers: list[LayerGradient] = []
        at = 0
        for layer in layers:
            split = at + layer.inputs * layer.outputs
            end = split if layer.bias is None else split + layer.outputs
            weight = vector[at:split].reshape(layer.inputs, layer.outputs)
            self.layers.append(LayerGradient(weight, None if layer.bias is None else vector[split:end]))
            at = end

    def __iter__(self) -> Iterator[LayerGradient]:
        return iter(self.layers)

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}(loss {self.loss:.6g}, {plural(self.vector.size, 'parameter')} in {plural(len(self.layers), 'layer')})"
