"""Shape: the layers of a network over one vector of parameters, and what can be said of them. The lowest base of Network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _kernels, checks, initializers
from ._arena import aligned
from .layers import Dense, Layer, as_for, resolve
from .tables import Table, plural
from .values import KnownAttributes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray
    from typing_extensions import Self

DTYPES = ("float32", "float64")


class Shape(KnownAttributes):
    """Layers over one vector of parameters, and what can be said of them; made by `_build`, with weights of zero."""

    _layers: tuple[Layer, ...]
    _seed: int
    _parameters: NDArray[Any]

    def _build(self, inputs: int, specs: list[Dense], dtype: str) -> None:
        sizes = [inputs, *(spec.outputs for spec in specs)]
        counts = [(fan_in + spec.bias) * spec.outputs for fan_in, spec in zip(sizes[:-1], specs, strict=True)]
        try:
            self._parameters = aligned(sum(counts), dtype)
        except (MemoryError, ValueError):  # numpy has other words for more than there is and more than can be counted
            raise MemoryError(f"no memory for a network of {sum(counts):,} parameters in {dtype}") from None
        layers, offset = [], 0
        for fan_in, spec, count in zip(sizes[:-1], specs, counts, strict=True):
            layers.append(Layer(fan_in, spec, self._parameters, offset))
            offset += count
        self._layers = tuple(layers)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers in order, each with views of its weights. What there are of them does not change."""
        return self._layers

    @property
    def parameters(self) -> NDArray[Any]:
        """One contiguous 1-D view of every weight and bias, layer by layer, weight (row by row) before bias; assigning copies
        into it."""
        return self._parameters

    @parameters.setter
    def parameters(self, value: ArrayLike) -> None:
        self._parameters[...] = as_for(self._parameters, value, "parameters")

    @property
    def seed(self) -> int:
        """Of the weights, and of the order of samples and of dropout where a Trainer is given none; may be set."""
        return self._seed

    @seed.setter
    def seed(self, value: int | np.random.Generator | None) -> None:
        self._seed = initializers.as_seed(value)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of weights and arithmetic."""
        return self._parameters.dtype

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return self.layers[-1].outputs

    @property
    def sizes(self) -> list[int]:
        """Inputs, hidden units..., outputs."""
        return [self.inputs, *(layer.outputs for layer in self.layers)]

    @property
    def loss(self) -> str:
        """The loss that follows from the output's activation."""
        losses = _kernels.losses()
        activation = self.layers[-1].activation
        return next((name for name, row in losses.items() if row.link == activation), next(iter(losses)))

    def __repr__(self) -> str:
        names = list(dict.fromkeys(layer.activation for layer in self.layers[:-1])) + [self.layers[-1].activation]
        sizes = "-".join(map(str, self.sizes))
        return f"Network({sizes}, {', '.join(names)}, {plural(self.parameters.size, 'parameter')}, {self.dtype})"

    def summary(self) -> str:
        """A table of the layers with shapes and parameter counts.

        Examples
        --------
        >>> from nncore import Dense, Network
        >>> print(Network([4, Dense(8, "tanh", dropout=0.1), 2], output="softmax").summary())
        layer  activation  weight  bias  dropout  parameters
            1  tanh        4 x 8      8      0.1          40
            2  softmax     8 x 2      2                   18
        58 parameters, 232 bytes in float32
        """
        rows = [
            (i, layer.activation, f"{layer.inputs} x {layer.outputs}", None if layer.bias is None else layer.outputs,
             layer.dropout or None, layer.size) for i, layer in enumerate(self.layers, start=1)
        ]  # fmt: skip
        table = Table("", ["layer", "activation", "weight", "bias", "dropout", "parameters"], rows, most=len(rows))
        total = self.parameters
        return f"{table}\n{plural(total.size, 'parameter')}, {total.nbytes:,} bytes in {self.dtype}"

    def describe(self) -> dict[str, Any]:
        """What the network is, apart from its weights, as plain values that JSON can hold."""
        rows = _kernels.activations()
        return {
            "inputs": self.inputs,
            "dtype": self.dtype.name,
            "layers": [
                {
                    "outputs": layer.outputs,
                    "activation": layer.activation,
                    "parameter": layer.parameter if rows[layer.activation].parameter else None,
                    "bias": layer.bias is not None,
                    "dropout": layer.dropout,
                    "init": initializers.label(layer.init),
                }
                for layer in self.layers
            ],
        }

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> Self:
        """A network with zero weights from what `describe` gave. Raises ValueError or TypeError where it makes no sense."""
        rows = _kernels.activations()
        specs = []
        for item in description["layers"]:
            activation = checks.choice("activation", item["activation"], rows)
            name = rows[activation].parameter
            given = {name: item["parameter"]} if name and item.get("parameter") is not None else {}
            init = initializers.of_label(item.get("init"))
            specs.append(
                Dense(item["outputs"], activation, bias=item["bias"], dropout=item["dropout"], init=init, **given)
            )
        inputs, specs = resolve([description["inputs"], *specs], "identity", "identity")
        net = cls.__new__(cls)
        net.seed = 0
        net._build(inputs, specs, checks.choice("dtype", description["dtype"], DTYPES))
        for layer, item in zip(net.layers, description["layers"], strict=True):
            if item.get("init") == initializers.CUSTOM:
                layer.__dict__["init"] = initializers.CUSTOM
        return net

    def _core_layers(self, dropout: bool) -> list[tuple[Any, ...]]:
        # as Arena and the plan take them: (inputs, outputs, activation index, parameter, has bias, dropout)
        rows = _kernels.activations()
        return [(layer.inputs, layer.outputs, rows[layer.activation].index, layer.parameter, layer.bias is not None,
                 layer.dropout if dropout else 0.0) for layer in self.layers]  # fmt: skip
