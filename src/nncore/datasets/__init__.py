"""Data sets that are carried inside the package, and the split that goes with them.

To add one: its file here with a paragraph in ATTRIBUTION.md, and a function that returns (X, y) as arrays ready for
fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import checks, initializers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

__all__ = ["load_digits", "split"]


def load_digits(scale: bool = True, dtype: DTypeLike = "float32") -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 handwritten digits of Alpaydin and Kaynak (UCI 1998, CC BY 4.0).

    Parameters
    ----------
    scale : bool, default True
        Pixels divided by 16, so that they lie in 0..1; False leaves them as they are, 0..16.
    dtype : {"float32", "float64"}
        Type of X.

    Returns
    -------
    X : ndarray
        (1797, 64), 8x8 pixels row by row from the top left; ``X[0].reshape(8, 8)`` is the first picture.
    y : ndarray
        (1797,), int64, the digit 0..9.

    Examples
    --------
    >>> X, y = load_digits()
    >>> X.shape, y.shape, float(X.max()), y[:5].tolist()
    ((1797, 64), (1797,), 1.0, [0, 1, 2, 3, 4])
    """
    import gzip  # both here: they would double the time that `import nncore` takes
    from importlib import resources

    scale = checks.flag("scale", scale)
    dtype = checks.type_name("dtype", dtype, ("float32", "float64"))
    packed = resources.files(__package__).joinpath("digits.csv.gz").read_bytes()
    # bytes of the lines after the first, all digits and commas: one pass of numpy's parser over small integers
    table = np.loadtxt(gzip.decompress(packed).decode("ascii").splitlines()[1:], dtype=np.uint8, delimiter=",")
    X = table[:, :64].astype(dtype)
    if scale:
        X /= 16
    return X, table[:, 64].astype(np.int64)


@checks.known_parameters
def split(
    X: ArrayLike, y: ArrayLike, test: float = 0.2, seed: int | None = 0, stratify: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Shuffle samples and hold a part of them out.

    Parameters
    ----------
    X, y : array_like
        (n, ...) samples and their targets, in the same order.
    test : float, default 0.2
        The part to hold out, above 0 and below 1; rounded to whole samples, at least one on either side.
    seed : int or None, default 0
        The same seed gives the same split everywhere; None a new one.
    stratify : bool, default False
        Hold the same part out of every class of y (1-D): each within one sample of its share.

    Returns
    -------
    X_train, X_test, y_train, y_test : ndarray
        In the order that scikit-learn gives them.

    Examples
    --------
    >>> a, b, c, d = split([[0], [1], [2], [3], [4]], [0, 1, 2, 3, 4], test=0.4)
    >>> a.shape, b.shape, bool((a[:, 0] == c).all())
    ((3, 1), (2, 1), True)
    """
    checks.require_unmasked(X, "X")
    checks.require_unmasked(y, "y")
    X, y = np.asarray(X), np.asarray(y)
    part = checks.number("test", test, "a number above 0 and below 1", lambda part: 0 < part < 1)
    if X.ndim == 0 or y.ndim == 0 or len(X) != len(y):
        raise ValueError(f"X and y must hold as many samples as each other, got shapes {X.shape} and {y.shape}")
    n = len(X)
    if n < 2:
        raise ValueError(f"a split needs at least 2 samples, got {n}")
    held = min(max(round(n * part), 1), n - 1)
    order = initializers.permutation(initializers.generator(seed, initializers.CHOOSING), n)
    if checks.flag("stratify", stratify):
        order = order[_stratified(y[order], held)]
    train, out = order[held:], order[:held]
    return X[train], X[out], y[train], y[out]


def _stratified(y: np.ndarray, held: int) -> np.ndarray:
    """An order of the samples whose first `held` hold each class in its share, the rest in the order that they had."""
    if y.ndim != 1:
        raise ValueError(f"stratify needs y of one class per sample, got shape {y.shape}")
    _, labels, counts = np.unique(y, return_inverse=True, return_counts=True)
    share = counts * (held / len(y))
    take = np.floor(share).astype(np.int64)
    # what rounding down left over goes to the classes that lost most by it
    take[np.argsort(take - share, kind="stable")[: held - take.sum()]] += 1
    rank = np.empty(len(y), np.int64)  # of each sample within its class
    for label in range(len(counts)):
        members = np.flatnonzero(labels == label)
        rank[members] = np.arange(len(members))
    return np.argsort(rank >= take[labels], kind="stable")
