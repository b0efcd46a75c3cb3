"""Network: the weights and their shape. Thin: it checks, converts and calls; the arithmetic is in the compiled core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _kernels, checks, initializers
from ._engine import Engine
from ._plan import Row
from ._predictor import STORAGES, Predictor
from .gradients import Gradients
from .history import History
from .initializers import Init
from .inside import Inside, length, taken
from .layers import Dense, resolve
from .shape import DTYPES

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray
    from typing_extensions import Self

    from .optimizers import Optimizer

_ROWS_KEPT = 4096  # a workspace for gradients of more rows is let go after the call


class Network(Inside):
    """A dense neural network (multi-layer perceptron).

    Parameters
    ----------
    layers : sequence of int or Dense
        The number of inputs, then one entry per layer: its number of outputs, or a `Dense` with more to say.
    hidden : str, default "relu"
        Activation of the layers that do not name one, except the last.
    output : str, default "identity"
        Activation of the last layer if it does not name one. It decides the loss: softmax goes with cross_entropy, sigmoid
        with binary_cross_entropy, everything else with mse.
    dtype : {"float32", "float64"}
        Type of weights and arithmetic.
    seed : int or numpy Generator, optional
        Makes weights, the order of samples and dropout reproducible: the same seed gives the same bits on every machine
        with FMA. A Generator is asked for one. By default a new one each time.
    init : str, float or callable, optional
        Initialiser for the layers that do not name one (see `nncore.initializers`).
    bias : bool, default True
        Whether layers given as a number have a bias.

    Attributes
    ----------
    layers : tuple of Layer
    history : History or None
        Of the last `Network.fit`.

    Examples
    --------
    >>> net = Network([2, 8, 1], hidden="tanh", seed=0)
    >>> net.predict([0.5, -0.5]).shape
    (1,)
    >>> net
    Network(2-8-1, tanh, identity, 33 parameters, float32)
    """

    history: History | None

    @checks.known_parameters
    def __init__(
        self,
        layers: Sequence[int | Dense],
        *,
        hidden: str = "relu",
        output: str = "identity",
        dtype: DTypeLike = "float32",
        seed: int | np.random.Generator | None = None,
        init: Init | None = None,
        bias: bool = True,
    ) -> None:
        checks.flag("bias", bias)
        inputs, specs = resolve(layers, hidden, output, bias)
        if init is not None:
            init = initializers.check(init)
            for spec in specs:
                spec.init = init if spec.init is None else spec.init
        self.seed = initializers.as_seed(seed)
        self._build(inputs, specs, checks.type_name("dtype", dtype, DTYPES))
        rng = initializers.generator(self.seed)
        for layer in self.layers:
            initializers.fill(layer.weight, layer.init, rng)

    def _build(self, inputs: int, specs: list[Dense], dtype: str) -> None:
        others = set(self.__dict__) - {"seed", *getattr(self, "_known", ())}  # what a subclass or its user has given
        super()._build(inputs, specs, dtype)
        self.history = None
        self._work = sum(layer.inputs * layer.outputs for layer in self.layers)  # multiplications of a sample forward
        self._row = Row(self._core_layers(dropout=False), self._parameters)
        self._idle: list[Engine] = []  # engines for prediction that no call is using
        self._idle_trainers: list[Engine] = []  # and for gradients
        self._idle_jacobians = []
        self._known = {*self.__dict__, "seed", "_known"} - others

    # ---- what it does -------------------------------------------------------------------------------------------------

    def predict(self, X: ArrayLike, out: NDArray[Any] | None = None, *, threads: int | None = None) -> NDArray[Any]:
        """The network's answer.

        Parameters
        ----------
        X : array_like
            (n, inputs), or one sample (inputs,). A network of one input also takes (n,); a single number is one sample.
        out : ndarray, optional
            Where to write the answer: of the network's dtype, C-contiguous, shaped as the answer.
        threads : int, optional
            Threads to use; by default the work decides.

        Returns
        -------
        ndarray
            (n, outputs), also of one output: ``[:, 0]`` is as 1-D as the y that `fit` took. For one 1-D sample (outputs,). Row i
            is the same bits whether it is asked alone or among others. No samples, (0, inputs), have no answers, (0, outputs).

        Raises
        ------
        ValueError, TypeError
            Wrong shape or type, nan or inf in X, an `out` that does not fit.
        """
        if threads is None:
            answer = self._row.answer(X, out)
            if answer is not None:
                return answer
        engine = self._take_engine(length(X, self.inputs), threads)
        try:
            answer = engine.answer(X, out)
            if answer is not None:
                return answer
            array, was_1d = checks.as_inputs(X, self.inputs, self.dtype, least=0)
            shape = (self.outputs,) if was_1d else (array.shape[0], self.outputs)
            out = checks.out_or_new(out, shape, self.dtype, array)
            engine.predict(array, out.reshape(array.shape[0], self.outputs))
        finally:
            self._idle.append(engine)
        return out

    def evaluate(
        self, X: ArrayLike, y: ArrayLike, *, loss: str | None = None, sample_weight: ArrayLike | None = None
    ) -> dict[str, float]:
        """The loss on X, y, and accuracy or r2.

        Parameters
        ----------
        X : array_like
            (n, inputs).
        y : array_like
            Their targets, as `fit` takes them.
        loss : str, optional
            By default the one that follows from the output.
        sample_weight : array_like, optional
            (n,), what each sample counts, as for `fit`; accuracy and r2 are weighted means then.

        Returns
        -------
        dict
            "loss", and "accuracy" (softmax and sigmoid outputs: the part of targets that is hit, of several sigmoids
            each on its own) or "r2" (others: the mean over outputs of 1 - the squared error over the targets' variance; nan where
            the targets of one output are constant).
        """
        loss = self._loss(loss)
        array, _ = checks.as_inputs(X, self.inputs, self.dtype)
        target = self._targets(y, array.shape[0], loss)
        return self._evaluation(array, target, checks.as_weights(sample_weight, array.shape[0]), loss)()

    def gradients(
        self, X: ArrayLike, y: ArrayLike, *, loss: str | None = None, sample_weight: ArrayLike | None = None
    ) -> Gradients:
        """The loss on X, y and its gradient with respect to every weight and bias. Nothing changes.

        Parameters
        ----------
        X : array_like
            (n, inputs), or one sample (inputs,).
        y : array_like
            Their targets, as `fit` takes them.
        loss : str, optional
            By default the one that follows from the output.
        sample_weight : array_like, optional
            (n,), what each sample counts, as for `fit`.

        Returns
        -------
        Gradients
            `.loss`, `.vector` in the order of `parameters`, and `.layers[i].weight`, `.layers[i].bias` as views into it.

        Raises
        ------
        ValueError, TypeError
            Wrong input.
        FloatingPointError
            The loss is nan or inf.

        Examples
        --------
        >>> net = Network([1, Dense(1, bias=False, init=2.0)], dtype="float64")
        >>> float(net.gradients([0, 1, 2, 3, 4], [0, 4, 8, 12, 16], loss="sse").layers[0].weight[0, 0])
        -120.0
        """
        loss = self._loss(loss)
        array, _ = checks.as_inputs(X, self.inputs, self.dtype)
        target = self._targets(y, array.shape[0], loss)
        weights = checks.as_weights(sample_weight, array.shape[0])
        engine = self._take_trainer(array.shape[0])
        try:
            engine.set_loss(_kernels.losses()[loss].index)
            vector = np.empty_like(self._parameters)
            return Gradients(engine.gradients(array, target, weights, vector), vector, self.layers)
        finally:
            if array.shape[0] <= _ROWS_KEPT:
                self._idle_trainers.append(engine)

    @checks.known_parameters
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        epochs: int = 10,
        *,
        batch_size: int | None = 32,
        loss: str | None = None,
        optimizer: str | Optimizer | type[Optimizer] = "adam",
        learning_rate: float | None = None,
        sample_weight: ArrayLike | None = None,
        shuffle: bool = True,
        validation_data: tuple[ArrayLike, ...] | float | None = None,
        stop_loss: float | None = None,
        patience: int | None = None,
        progress: bool | str = "auto",
        threads: int | None = None,
        seed: int | np.random.Generator | None = None,
    ) -> History:
        """Train on X, y. Short for ``Trainer(net, ...).fit(...)``.

        Each call starts with a fresh optimizer and the same order of samples; the weights go on from where they are. A
        `Trainer` of your own goes on where its last call ended. What may be raised is said at `Trainer.fit`.

        Parameters
        ----------
        X : array_like
            (n, inputs).
        y : array_like
            (n, outputs); (n,) for one output; for softmax also integer labels (n,).
        epochs : int, default 10
            Passes over X.
        batch_size : int or None, default 32
            Samples per step; None for all of them. Ctrl-C is heard between steps.
        loss : str, optional
            By default the one that follows from the output.
        optimizer : str or Optimizer, default "adam"
            A name, or settings such as ``SGD(0.1, momentum=0.9)``.
        learning_rate : float, optional
            Replaces the optimizer's.
        sample_weight : array_like, optional
            (n,), what each sample counts, 0 or more: its loss is multiplied by it, with everything that follows from the loss.
            With a mean of 1 losses and steps stay as large as they are without.
        shuffle : bool, default True
            A new order of samples for each epoch.
        validation_data : (X, y), (X, y, sample_weight) or float, optional
            Data to evaluate after each epoch, or the fraction of X, y to set aside for it: drawn by the seed, not the same part
            of every class (`datasets.split` has stratify=).
        stop_loss : float, optional
            Stop after the first epoch whose training loss is at or below it.
        patience : int, optional
            Stop once so many epochs in a row have not lowered the validation loss. When `fit` returns, the network has the
            weights of the best epoch of this call, also when all epochs were run: ``val_loss[-1]`` need not be its loss.
        progress : "auto", True or False
            A progress bar; "auto" shows one on a terminal or in a notebook only.
        threads : int, optional
            Threads to use; by default what pays.
        seed : int or numpy Generator, optional
            Of the order of samples and of dropout; by default the network's.

        Returns
        -------
        History
            One number per epoch: `history.loss`, `history.val_loss`; also kept as `net.history`.
        """
        from .trainer import Trainer

        trainer = Trainer(self, loss=loss, optimizer=optimizer, learning_rate=learning_rate, batch_size=batch_size,
                          threads=threads, seed=seed)  # fmt: skip
        before, self.history = self.history, trainer.history
        try:
            return trainer.fit(X, y, epochs=epochs, sample_weight=sample_weight, shuffle=shuffle,
                               validation_data=validation_data, stop_loss=stop_loss, patience=patience,
                               progress=progress)  # fmt: skip
        except Exception as error:
            if trainer.steps == 0 and not isinstance(error, FloatingPointError):  # refused: nothing has changed
                self.history = before
            raise

    def freeze(
        self, dtype: DTypeLike | None = None, *, sample: ArrayLike | None = None, max_error: float | None = None
    ) -> Predictor:
        """An immutable plan for serving: one sample or many, from any number of threads. See `Predictor`.

        Parameters
        ----------
        dtype : {"float32", "float64", "bfloat16", "int8"}, optional
            How weights are stored; by default as they are. The two small ones take half and a quarter of float32's bytes;
            inputs and outputs are float32. Some layers stay float32: those of at most 32 outputs, those of at most 64 outputs
            with at most 4,096 weights, and, for int8, those of more than 132,104 inputs; biases do too.
            With bfloat16 weights are rounded, and the arithmetic is float32's. int8 layers multiply whole numbers: weights in
            127ths of the largest of their output, a sample's inputs to the layer in 127ths of the largest among them.
        sample : array_like, optional
            Inputs, (n, inputs), of the kind that will be asked: the plan's `report` then says the largest and the mean
            absolute difference between its answers and the network's.
        max_error : float, optional
            Refuse a plan whose largest difference on `sample` is greater.

        Raises
        ------
        ValueError
            An unknown dtype; `max_error` exceeded, or given without `sample`.

        Examples
        --------
        >>> net = Network([64, 256, 5], seed=0)
        >>> small = net.freeze("int8", sample=np.eye(64), max_error=0.01)
        >>> small.report.bytes < 0.4 * net.freeze().report.bytes
        True
        >>> 0 < small.report.max_error <= 0.01
        True
        """
        storage = checks.type_name("dtype", self.dtype if dtype is None else dtype, STORAGES)
        if max_error is not None:
            checks.non_negative("max_error", max_error)
            if sample is None:
                raise ValueError("max_error needs sample=, inputs to measure the error on")
        predictor = Predictor(self._core_layers(dropout=False), self._parameters, storage)
        if sample is not None:
            array, _ = checks.as_inputs(sample, self.inputs, self.dtype, "sample")
            report = predictor.compare(array, self.predict(array))
            if max_error is not None and not report.max_error <= max_error:
                raise ValueError(f"stored as {storage} the answers differ from the network's by up to {report.max_error:.3g} "
                                 f"(mean {report.mean_error:.3g}) on the sample, more than max_error={max_error:g}")  # fmt: skip
        return predictor

    def export_c(self, path: str | PathLike[str], name: str | None = None) -> None:
        """Write the network as one C99 file that needs nothing else: no nncore, no malloc, no threads, re-entrant.

        Parameters
        ----------
        path : path
            Where to; written whole or not at all.
        name : str, optional
            Of the function, ``<name>_predict``; a C identifier, by default from the file's name.

        Notes
        -----
        How to call, compile and test it: the guide "Calling from C, Cython and other languages", and the comment at the
        file's top.
        """
        from . import export

        export.export_c(self, path, name)

    # ---- files and copies ---------------------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """Write the network to a safetensors file (weights, and a description in the metadata), atomically."""
        from . import formats

        formats.save(self, path)

    def copy(self) -> Self:
        """A network of its own with the same weights."""
        from copy import deepcopy

        return deepcopy(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # The copy is a whole network before it is given the rest, in which there may be a Trainer of it.
        return type(self)._rebuilt, (self.describe(), self._parameters.copy(), self.seed), self.__getstate__()

    def __getstate__(self) -> dict[str, Any]:
        others = {name: value for name, value in self.__dict__.items() if name not in self._known}
        return {"history": self.history, **others}

    @classmethod
    def _rebuilt(cls, description: dict[str, Any], parameters: NDArray[Any], seed: int) -> Self:
        net = cls.from_description(description)
        net._parameters[:] = parameters  # whatever they are
        net.seed = seed
        return net

    # ---- inside -------------------------------------------------------------------------------------------------------

    def _evaluation(
        self, X: NDArray[Any], target: NDArray[Any], weights: NDArray[Any] | None, loss: str
    ) -> Callable[[], dict[str, float]]:
        # `evaluate` on what is checked already, as often as it is called: what the targets alone decide is found once
        from . import metrics

        rows, index = X.shape[0], _kernels.losses()[loss].index
        answer, losses = np.empty((rows, self.outputs), self.dtype), np.empty(rows)
        metric = metrics.for_output(self.layers[-1].activation, target, weights)

        def evaluate() -> dict[str, float]:
            engine = self._take_engine(rows)
            try:
                engine.set_loss(index)
                value = engine.losses(X, target, weights, losses, answer)
            finally:
                self._idle.append(engine)
            return {"loss": value, **metric(answer)}

        return evaluate

    def _loss(self, loss: str | None) -> str:
        if loss is None:
            return self.loss
        rows = _kernels.losses()
        link = rows[checks.choice("loss", loss, rows)].link
        activation = self.layers[-1].activation
        if link is not None and link != activation:
            raise ValueError(f"loss {loss!r} needs output={link!r}, this network has {activation!r}")
        return loss

    def _targets(self, y: ArrayLike, rows: int, loss: str) -> NDArray[Any]:
        return checks.as_targets(y, self.outputs, rows, self.layers[-1].activation, loss, self.dtype)

    def _take_trainer(self, rows: int) -> Engine:
        # as _take_engine, with a workspace for gradients of `rows` rows
        most = _kernels.threads_for(3.0 * self._work * rows)
        return taken(self._idle_trainers, lambda e: e.rows >= rows and e.threads >= most and e.isa == _kernels.isa(),
                      lambda: Engine(self._core_layers(dropout=False), self._parameters, rows, most, True))  # fmt: skip

    def _take_engine(self, rows: int, threads: int | None = None) -> Engine:
        # An engine that no other thread is using, with room for the threads that so many rows repay. It is given back with
        # _idle.append.
        wanted = checks.team(threads)
        most = _kernels.threads_for(float(self._work) * rows, wanted)
        engine = taken(
            self._idle, lambda e: e.threads >= most and e.isa == _kernels.isa(), lambda: self._new_engine(most)
        )
        engine.wanted = wanted
        return engine

    def _new_engine(self, most: int) -> Engine:
        if self._row.isa != _kernels.isa():
            self._row = Row(self._core_layers(dropout=False), self._parameters)
        return Engine(self._core_layers(dropout=False), self._parameters, 256 * most, most, False)
