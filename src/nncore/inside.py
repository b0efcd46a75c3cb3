"""Inside: what a network shows of itself: its passes number by number, its derivatives by its inputs, its picture.

A base of Network, apart from it because none of this is needed to train or to serve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from . import _kernels, checks
from ._jacobian import Jacobian
from .shape import Shape

T = TypeVar("T")

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .trace import Trace
    from .trainer import Trainer


def taken(idle: list[T], fits: Callable[[T], bool], make: Callable[[], T]) -> T:
    """A workspace that no other thread is using, for the caller to give back with ``idle.append``: one of `idle` (list.pop is
    atomic), or a new one where there is none or it does not fit."""
    try:
        one = idle.pop()
    except IndexError:
        return make()
    return one if fits(one) else make()


def length(X: Any, inputs: int) -> int:
    """Rows, about, of what a call is given before anybody has looked at it."""
    try:
        rows, flat = len(X), len(X.shape) == 1 if hasattr(X, "shape") else not hasattr(X[0], "__len__")
    except (TypeError, LookupError):
        return 1
    return 1 if flat and inputs > 1 else rows


class Inside(Shape):
    """Looks into the network that inherits it."""

    _work: int  # multiplications of a sample on its way forward
    _idle_jacobians: list[Jacobian]  # workspaces that no call is using

    def trace(self, X: ArrayLike, y: ArrayLike, *, loss: str | None = None, trainer: Trainer | None = None) -> Trace:
        """Everything that one pass computes: each layer's input, z and activation, the prediction, the error and the loss of
        each sample, and the derivatives of the loss with respect to every weight, every bias and the samples.

        Parameters
        ----------
        X : array_like
            (n, inputs), or one sample (inputs,).
        y : array_like
            Its targets.
        loss : str, optional
            By default the one that follows from the output.
        trainer : Trainer, optional
            Of this network: takes one step on the same samples after the pass, so that the trace has the weights before and
            after. Without it nothing changes; a step of your own afterwards is seen as well.

        Returns
        -------
        Trace
            Prints as tables; arrays by name; `to_html()`.

        Examples
        --------
        >>> from nncore import Dense, Network
        >>> net = Network([1, Dense(1, bias=False, init=2.0)], dtype="float64")
        >>> print(net.trace([1, 2], [4, 8], loss="sse"))
        Trace of Network(1-1, identity, 1 parameter, float64): 2 samples, sse 20
        <BLANKLINE>
        forward: sse 20 over 2 samples
        sample  x  prediction  target  error  loss
             0  1           2       4     -2     4
             1  2           4       8     -4    16
        ------------------------------------------
           sum                                  20
        <BLANKLINE>
        back: the derivative of that loss with respect to each sample's numbers
        sample  dz1   dx
             0   -4   -8
             1   -8  -16
        <BLANKLINE>
        parameters, and the slope of the loss along each
        parameter  value  slope
        W1[0, 0]       2    -20
        """
        from . import trace

        return trace.trace(self, X, y, loss, trainer)

    def jacobian(self, X: ArrayLike, out: NDArray[Any] | None = None, *, threads: int | None = None) -> NDArray[Any]:
        """Derivatives of every output with respect to every input.

        Parameters
        ----------
        X : array_like
            (n, inputs), or one sample (inputs,).
        out : ndarray, optional
            Where to write the answer: of the network's dtype, C-contiguous, shaped as the answer.
        threads : int, optional
            Threads to use; by default the work decides.

        Returns
        -------
        ndarray
            (n, outputs, inputs), [s, o, i] being d output o / d input i at sample s; for one 1-D sample (outputs, inputs).

        Examples
        --------
        >>> from nncore import Network
        >>> net = Network([2, 1], bias=False, init=3.0)
        >>> net.jacobian([0.5, -0.5])
        array([[3., 3.]], dtype=float32)
        """
        wanted = checks.team(threads)
        worker = self._take_jacobian(X, wanted)
        try:
            return worker.jacobian(X, out, wanted)
        finally:
            self._idle_jacobians.append(worker)

    def input_gradient(
        self,
        X: ArrayLike,
        out: NDArray[Any] | None = None,
        *,
        output: int | None = None,
        weights: ArrayLike | None = None,
        threads: int | None = None,
    ) -> NDArray[Any]:
        """Derivative of one output, or of a weighted sum of the outputs, with respect to every input: one pass back, whatever
        the number of outputs.

        Parameters
        ----------
        X : array_like
            (n, inputs), or one sample (inputs,).
        out : ndarray, optional
            Where to write the answer: of the network's dtype, C-contiguous, shaped as the answer.
        output : int, optional
            Which output. By default the sum of all (for a softmax, whose outputs always sum to 1, that is flat: name one).
        weights : array_like, optional
            Instead of `output`: (outputs,) or (n, outputs), what each output counts. Given the derivatives of some cost with
            respect to the outputs, the answer is the cost's derivative with respect to the inputs.
        threads : int, optional
            Threads to use; by default the work decides.

        Returns
        -------
        ndarray
            (n, inputs); for one 1-D sample (inputs,).

        Examples
        --------
        >>> from nncore import Network
        >>> net = Network([2, 3], bias=False, init=3.0)
        >>> net.input_gradient([0.5, -0.5], output=1), net.input_gradient([0.5, -0.5])
        (array([3., 3.], dtype=float32), array([9., 9.], dtype=float32))
        """
        wanted = checks.team(threads)
        worker = self._take_jacobian(X, wanted)
        try:
            return worker.gradient(X, out, output, weights, wanted)
        finally:
            self._idle_jacobians.append(worker)

    def plot(self, x: ArrayLike | None = None, *, ax: Any = None, labels: bool | str = "auto") -> Any:
        """Draw the network: a circle for each node, a line for each weight, wide where it is large, orange where it is
        negative. Needs matplotlib.

        Parameters
        ----------
        x : array_like, optional
            One sample (inputs,): nodes are then filled by what they hold.
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.
        labels : {"auto", True, False}
            Write the weights beside the lines; by default where there are few.

        Returns
        -------
        matplotlib axes
        """
        from . import drawing

        return drawing.network(self, x, ax, labels)

    def _take_jacobian(self, X: ArrayLike, wanted: int) -> Jacobian:
        # a workspace that no other thread is using; it is given back with _idle_jacobians.append
        rows = length(X, self.inputs)
        work = self._work * (3.0 + min(self.inputs, self.outputs))
        most = _kernels.threads_for(work * rows, wanted) if rows > 1 else 1
        return taken(self._idle_jacobians, lambda j: j.threads >= most and j.isa == _kernels.isa(),
                     lambda: Jacobian(self._core_layers(dropout=False), self._parameters, most))  # fmt: skip
