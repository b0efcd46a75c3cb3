"""The same network in plain numpy: to read, to check the fast one against, and to measure it against.

This is the second statement of everything that the C core computes, written as numpy is written well by hand: one
matrix product per layer and direction, elementwise work in place, all parameters in one vector so that the optimizer is
a handful of calls. It imports nothing of the rest of the package and works in any floating type.

To add an activation, a loss or an optimizer: write it in the file of that name by its own formula, not by looking at
the C code, and enter it in the table there. The names in the tables are those of the core; a test holds the two lists
together.

Letters: n samples, I inputs of a layer, O outputs. X (n, I), W (I, O), b (O,), z = X W + b, y = activation(z); a
gradient is the tensor's name with d before it.
"""

from .activations import ACTIVATIONS, Activation
from .losses import LOSSES, Loss, default_loss, loss_value, targets
from .network import Network
from .numeric import numeric_gradient
from .optimizers import OPTIMIZERS, SGD, Adam, AdamW

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "OPTIMIZERS",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "Loss",
    "Network",
    "default_loss",
    "loss_value",
    "numeric_gradient",
    "targets",
]
