"""Trainer: the state of training. It owns the optimizer's state and the workspace, and drives epochs; the arithmetic of a step
is in the compiled core."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _kernels, checks, initializers, validation
from ._engine import Engine
from ._turn import AT_WORK, Turn
from .history import History
from .optimizers import Optimizer, as_optimizer
from .parameter_names import name_of
from .progress import Progress, wanted
from .values import KnownAttributes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .network import Network
    from .validation import Samples


class Trainer(KnownAttributes):
    """Trains a network.

    Parameters
    ----------
    net : Network
        Its weights are changed in place.
    loss : str, optional
        By default what the output's activation suggests: softmax with cross_entropy, sigmoid with binary_cross_entropy,
        everything else with mse.
    optimizer : str or Optimizer, default "adam"
        A name, or settings such as ``SGD(0.1, momentum=0.9)``.
    learning_rate : float, optional
        Replaces the optimizer's.
    batch_size : int or None, default 32
        Samples per step; None for all of them. The last batch of an epoch may be shorter. Ctrl-C is heard between steps.
    threads : int, optional
        Threads to use. By default the work decides, up to `nncore.threads()`. Results do not depend
        on it.
    seed : int or numpy Generator, optional
        Of the order of samples and of dropout; by default the network's.

    Attributes
    ----------
    history : History
        Of all calls of `fit` so far.

    Examples
    --------
    >>> from nncore import Network, SGD
    >>> net = Network([1, 1], init=2.0, bias=False, dtype="float64")
    >>> trainer = Trainer(net, loss="sse", optimizer=SGD(0.01), batch_size=None)
    >>> trainer.fit([0, 1, 2, 3, 4], [0, 4, 8, 12, 16], epochs=100, stop_loss=1e-6).stopped
    'stop_loss'
    >>> round(float(net.parameters[0]), 3)
    4.0
    """

    history: History

    @checks.known_parameters
    def __init__(
        self,
        net: Network,
        loss: str | None = None,
        optimizer: str | Optimizer | type[Optimizer] = "adam",
        *,
        learning_rate: float | None = None,
        batch_size: int | None = 32,
        threads: int | None = None,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        checks.require_network(net)
        if isinstance(loss, Optimizer) or isinstance(loss, str) and loss in _kernels.optimizers():
            raise TypeError(f"the second argument is the loss, got {loss!r}: did you mean optimizer={loss!r}?")
        self._net = net
        self._loss = net._loss(loss)
        settings = as_optimizer(optimizer)
        settings = settings if learning_rate is None else settings.replace(learning_rate=learning_rate)
        self._optimizer = as_optimizer(settings, net.dtype)
        self.batch_size = batch_size
        self.threads = threads
        self._seed = net.seed if seed is None else initializers.as_seed(seed)
        self.history = History()
        self._engine: Engine | None = None
        self._changing = Turn()  # to put another engine in place

    @property
    def net(self) -> Network:
        """The network that it trains."""
        return self._net

    @property
    def loss(self) -> str:
        """Name of the loss that it minimises."""
        return self._loss

    @property
    def seed(self) -> int:
        """Of the order of samples and of dropout."""
        return self._seed

    @property
    def batch_size(self) -> int | None:
        """Samples per step, None for all of them; may be set between calls."""
        return self._batch_size

    @batch_size.setter
    def batch_size(self, value: int | None) -> None:
        self._batch_size = None if value is None else checks.positive_int("batch_size", value)

    @property
    def threads(self) -> int | None:
        """Threads to use, None for what the work decides; may be set between calls."""
        return self._threads or None

    @threads.setter
    def threads(self, value: int | None) -> None:
        self._threads = checks.team(value)

    @property
    def optimizer(self) -> Optimizer:
        """Its settings. May be replaced at any time, also from another thread, for instance to lower the learning rate; the
        trainer keeps the optimizer's state. Another kind of optimizer begins with a state of its own, and is refused while a
        call trains."""
        return self._optimizer

    @optimizer.setter
    def optimizer(self, value: str | Optimizer | type[Optimizer]) -> None:
        settings = as_optimizer(value, self.net.dtype)
        if self._engine is not None and self._engine.refuses(settings):
            raise RuntimeError(AT_WORK)
        self._optimizer = settings  # the core asks for it before each stretch of steps

    @property
    def learning_rate(self) -> float:
        """The optimizer's learning rate; may be set."""
        return float(self._optimizer.learning_rate)

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.optimizer = self._optimizer.replace(learning_rate=value)

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return 0 if self._engine is None else int(self._engine.steps)

    @checks.known_parameters
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        epochs: int = 10,
        *,
        sample_weight: ArrayLike | None = None,
        shuffle: bool = True,
        validation_data: tuple[ArrayLike, ...] | float | None = None,
        stop_loss: float | None = None,
        patience: int | None = None,
        progress: bool | str = "auto",
    ) -> History:
        """Train for some epochs; a further call continues where this one ended.

        Parameters
        ----------
        X : array_like
            (n, inputs).
        y : array_like
            (n, outputs); (n,) for one output; for softmax also integer labels (n,).
        epochs : int, default 10
            Passes over X.
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
            Stop once so many epochs in a row have not lowered the validation loss. When `fit` returns, for whatever reason, the
            network has the weights of the best epoch of this call, and ``val_loss[-1]`` need not be its loss (the optimizer's
            moments are the last one's). Needs `validation_data`.
        progress : "auto", True or False
            A progress bar; "auto" shows one on a terminal or in a notebook only.

        Returns
        -------
        History
            `history`: of all calls so far, the same object each time.

        Raises
        ------
        ValueError, TypeError
            Wrong input; nothing has changed.
        FloatingPointError
            The loss became nan or inf: the network keeps the weights of the last finished step. Or a step would have made a
            weight nan or inf: that weight keeps its value, the others take the step, and training stops there.
        RuntimeError
            Another call is at work with this Trainer.
        KeyboardInterrupt
            Ctrl-C. The network keeps the weights of the last finished step, `history` the finished epochs; one at whose very
            end it comes may not be in there.
        """
        net, shown = self.net, wanted(progress)
        epochs = checks.positive_int("epochs", epochs)
        shuffle = checks.flag("shuffle", shuffle)
        if stop_loss is not None:
            stop_loss = checks.number("stop_loss", stop_loss)
        if patience is not None:
            patience = checks.positive_int("patience", patience)
            if validation_data is None:
                raise ValueError("patience needs validation_data=: it waits for a lower validation loss")
        array, _ = checks.as_inputs(X, net.inputs, net.dtype, targets=y)
        target = net._targets(y, array.shape[0], self.loss)
        weights = checks.as_weights(sample_weight, array.shape[0])
        samples, aside = validation.divide(validation_data, (array, target, weights), net, self.loss, self.seed)
        rows = samples[0].shape[0]
        batch = rows if self.batch_size is None else min(self.batch_size, rows)
        engine, token, begun = self._engine_for(batch), object(), False
        try:
            engine.turn.take(token)
            with Progress(epochs, shown) as bar:
                self.history.stopped, begun = "", True
                self._epochs(engine, samples, batch, epochs, shuffle, aside, stop_loss, patience, bar)
        except FloatingPointError as error:
            self.history.stopped = "diverged"
            raise self._diverged(error) from None
        except BaseException:  # Ctrl-C, or what another handler of signals raises
            if begun:
                self.history.settle()
                self.history.stopped = "interrupted"
            raise
        finally:
            engine.turn.give(token)
        return self.history

    def step(self, x: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
        """One step on a batch, or on one sample (online learning).

        Parameters
        ----------
        x : array_like
            (rows, inputs), or one sample (inputs,).
        y : array_like
            Its targets.
        sample_weight : array_like, optional
            (rows,), what each sample counts, as for `fit`; for one sample a number.

        Returns
        -------
        float
            The loss before the step.

        Notes
        -----
        Raises what `fit` raises. After an error the network is as it was, except where the step would have made a weight nan
        or inf: then only such weights keep their values, and the others have taken the step.
        """
        net, engine = self.net, self._engine
        try:
            loss = None
            if engine is not None and engine.wanted == self._threads and sample_weight is None:
                loss = engine.quick_step(x, y, self._optimizer)
            if loss is None:
                array, _ = checks.as_inputs(x, net.inputs, net.dtype)
                target = net._targets(y, array.shape[0], self.loss)
                weights = checks.as_weights(sample_weight, array.shape[0])
                loss = self._engine_for(array.shape[0]).step(array, target, weights, self._optimizer)
        except FloatingPointError as error:
            raise self._diverged(error) from None
        return loss

    def state(self) -> dict[str, Any]:
        """Everything that training goes on from besides the network itself: the optimizer's settings and slots, the step count,
        random state, seed.

        It is for `restore` alone: slots are in the core's own scale, in which Adam's are not the means that its formula names.

        Raises
        ------
        RuntimeError
            Another thread is at work with this Trainer.
        """
        inner = None if self._engine is None else self._engine.get_state()
        return {"engine": inner, "optimizer": self._optimizer, "seed": self._seed, "trained": self._trained()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave, the optimizer's settings included. `history` stays as it is.

        Raises
        ------
        ValueError, TypeError
            It is no such state, or of another network; nothing has changed.
        RuntimeError
            Another call is at work with this Trainer.
        """
        net = self.net
        mine = self._trained()
        try:
            settings, inner = as_optimizer(state["optimizer"], net.dtype), state["engine"]
            seed = initializers.as_seed(state["seed"])
            for what, own in mine.items():
                if state["trained"][what] != own:
                    raise ValueError(f"the state is of another {what}: {state['trained'][what]}, and not {own}")
            engine = None
            if inner is not None:
                engine = self._new_engine(1)
                engine.set_state(inner)
        except (TypeError, KeyError, AttributeError, OverflowError):
            raise TypeError(f"state must be what Trainer.state() gave, got {checks.short(state)}") from None
        self._put_in_place(engine)
        self._optimizer, self._seed = settings, seed

    def __repr__(self) -> str:
        return (
            f"Trainer({self.net!r}, {self.loss}, {self.optimizer!r}, batch_size={self.batch_size}, {self.steps} steps)"
        )

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in self.__dict__.items() if name != "_changing"}
        return {**kept, "_engine": None, "state": self.state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        inner = state.pop("state")
        self.__dict__.update(state)
        self._changing = Turn()
        self.restore(inner)

    # ---- inside -------------------------------------------------------------------------------------------------------

    def _trained(self) -> dict[str, Any]:
        # what a state is good for
        layers = [(layer.outputs, layer.activation, layer.bias is not None) for layer in self.net.layers]
        return {"network": [self.net.inputs, *layers], "loss": self.loss}

    def _epochs(
        self, engine: Engine, samples: Samples, batch: int, epochs: int, shuffle: bool, aside: Samples | None,
        stop_loss: float | None, patience: int | None, bar: Progress,
    ) -> None:  # fmt: skip
        best, since, kept = float("inf"), 0, None  # kept: the weights of the best epoch, once there is one
        evaluate = None if aside is None else self.net._evaluation(*aside, self.loss)
        for _ in range(epochs):
            began = perf_counter()
            loss = engine.epoch(*samples, batch, shuffle, lambda: self._optimizer, bar.tick)
            val = None if evaluate is None else evaluate()
            columns = {} if val is None else {f"val_{name}": value for name, value in val.items()}
            self.history.append(loss=loss, seconds=perf_counter() - began, **columns)
            bar.advance(loss=loss, **columns)
            if val is not None and patience is not None:
                since = 0 if val["loss"] < best else since + 1
                if since == 0:
                    best, kept = val["loss"], self.net.parameters.copy()
            if stop_loss is not None and loss <= stop_loss:
                self.history.stopped = "stop_loss"
                break
            if since == patience:
                self.history.stopped = "patience"
                break
        if kept is not None and since > 0:
            self.net.parameters[:] = kept

    def _engine_for(self, rows: int) -> Engine:
        # the engine, made anew with room for more (and the same state) where it is too small
        engine = self._engine
        if (engine is None or engine.rows < rows or engine.threads < self._room(rows) or engine.wanted != self._threads
                or engine.isa != _kernels.isa()):  # fmt: skip
            engine = self._new_engine(rows)
            self._put_in_place(engine, goes_on=True)
        return engine

    def _room(self, rows: int) -> int:
        # threads that a step may use
        return int(_kernels.threads_for(3.0 * self.net._work * rows, self._threads, trial=True))

    def _new_engine(self, rows: int) -> Engine:
        engine = Engine(
            self.net._core_layers(dropout=True), self.net.parameters, rows, self._room(rows), True, self._threads
        )
        engine.set_loss(_kernels.losses()[self.loss].index)
        engine.seed(self.seed)
        return engine

    def _put_in_place(self, engine: Engine | None, goes_on: bool = False) -> None:
        # goes_on: with the state of the one that was there, which must not be at work and trains no more
        token = object()
        try:
            self._changing.take(token)
            old = self._engine
            try:
                if old is not None:
                    old.turn.take(token)
                    if engine is not None and goes_on:
                        engine.take_over(old)
                self._engine = engine
            finally:
                if old is not None and old is self._engine:
                    old.turn.give(token)
        finally:
            self._changing.give(token)

    def _diverged(self, error: FloatingPointError) -> FloatingPointError:
        strange = np.flatnonzero(~np.isfinite(self.net.parameters))  # training makes none: see `fit`
        if strange.size:
            where, value = name_of(self.net, int(strange[0])), self.net.parameters[strange[0]]
            return FloatingPointError(
                f"{where} of the network is {value}: weights must be finite before training begins"
            )
        return FloatingPointError(
            f"training diverged at step {self.steps + 1}: {error}. "
            f"Try a smaller learning_rate (now {self.learning_rate:g}), and inputs scaled to about 1"
        )
