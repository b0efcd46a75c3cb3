"""Training is locked to the numpy reference: same weights, same batches, every gradient by name and the loss at every
step."""

import itertools
import zlib

import numpy as np
import pytest

import nncore as nn
from nncore import _kernels, reference

MASK = (1 << 64) - 1

SIZES = {
    "1-1": ([1, 1], 3),
    "no hidden layer": ([5, 3], 4),
    "2-8-1": ([2, 8, 1], 4),
    "primes": ([7, 13, 11, 3], 5),
    "one unit deep": ([3, 1, 1, 2], 4),
    "one output": ([9, 33, 1], 7),
    "batch 1": ([6, 17, 4], 1),
    "around vectors": ([15, 16, 17, 8], 16),
    "wide": ([130, 257, 65, 33], 37),
    "wide, packed, narrow end": ([120, 300, 10], 48),
}
OPTIMIZERS = {
    "sgd": nn.SGD(0.05),
    "sgd, decay": nn.SGD(0.05, weight_decay=0.1),
    "momentum": nn.SGD(0.02, momentum=0.9),
    "momentum, decay": nn.SGD(0.02, momentum=0.9, weight_decay=0.03),
    "nesterov": nn.SGD(0.02, momentum=0.8, nesterov=True),
    "nesterov, decay": nn.SGD(0.02, momentum=0.8, nesterov=True, weight_decay=0.1),
    "adam": nn.Adam(0.01),
    "adam, decay": nn.Adam(0.01, beta1=0.7, beta2=0.95, epsilon=1e-3, weight_decay=0.05),
    "adamw": nn.AdamW(0.01, weight_decay=0.2),
    "adamw, other betas": nn.AdamW(0.02, beta1=0.5, beta2=0.9, epsilon=1e-5),
}


def losses_for(output):
    """Losses that fit an output's activation: those without a link, and the one that is linked with it."""
    return [name for name, row in _kernels.losses().items() if row.link in (None, output)]


HIDDEN = [name for name, row in _kernels.activations().items() if not row.rowwise]
OUTPUT_AND_LOSS = [(output, loss) for output in _kernels.activations() for loss in losses_for(output)]


def twin(net, dtype=None):
    """The reference network with the same shape and the same weights."""
    pairs = [(layer.activation, layer.parameter) for layer in net.layers]
    weights = [(layer.weight, layer.bias) for layer in net.layers]
    return reference.Network(net.sizes, pairs[:-1], pairs[-1], weights, dtype=dtype or net.dtype)


def reference_optimizer(settings):
    return reference.OPTIMIZERS[settings.info.name](**settings.to_dict())


def data(net, rows, seed=0):
    """Inputs and targets that suit the network's output: labels, 0/1, or any numbers."""
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((rows, net.inputs))
    output = net.layers[-1].activation
    if output == "softmax":
        return X, rng.randint(0, net.outputs, rows)
    if output == "sigmoid":
        return X, rng.randint(0, 2, (rows, net.outputs))
    return X, rng.standard_normal((rows, net.outputs))


def assert_close(got, want, tolerance, name):
    """Every element within `tolerance` of the tensor's own size."""
    size = max(float(np.abs(want).max()), 1e-3)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * size, err_msg=name)


def lock(net, settings, loss, batch, steps, tolerance, follow=False):
    """Train both side by side. follow: the reference takes the weights over after each step, so that rounding does not
    add up."""
    other = twin(net, "float64")
    optimizer = reference_optimizer(settings)
    trainer = nn.Trainer(net, loss, settings, batch_size=batch)
    X, y = data(net, batch * steps)
    for step in range(steps):
        rows = batch if step < steps - 1 else max(1, batch // 2)  # the last one is short
        part = slice(step * batch, step * batch + rows)
        gradients = net.gradients(X[part], y[part], loss=loss)
        value, wanted = other.loss_and_gradients(X[part], y[part], loss)
        assert_close(gradients.loss, value, tolerance, f"step {step}: loss")
        for i, ((dW, db), (want_dW, want_db)) in enumerate(zip(gradients, wanted, strict=True)):
            assert_close(dW, want_dW, tolerance, f"step {step}: gradient of layers[{i}].weight")
            assert (db is None) == (want_db is None)
            if db is not None:
                assert_close(db, want_db, tolerance, f"step {step}: gradient of layers[{i}].bias")
        assert trainer.step(X[part], y[part]) == gradients.loss
        assert_close(gradients.loss, other.step(X[part], y[part], optimizer, loss), tolerance, f"step {step}: loss")
        for i, (layer, (W, b)) in enumerate(zip(net.layers, other.weights, strict=True)):
            assert_close(layer.weight, W, tolerance, f"step {step}: layers[{i}].weight")
            if b is not None:
                assert_close(layer.bias, b, tolerance, f"step {step}: layers[{i}].bias")
        if follow:
            other.parameters[:] = net.parameters
    assert trainer.steps == steps


# ---- step by step ----------------------------------------------------------------------------------------------------

# Every optimizer on every small size; the wide ones, which take longer, with one that has two slots and one that has
# one.
STEPS = [
    (size, name)
    for size in SIZES
    for name in OPTIMIZERS
    if "wide" not in size or name in ("nesterov, decay", "adam, decay")
]


@pytest.mark.parametrize(("size", "name"), STEPS)
def test_steps_in_float64(size, name, isa):
    sizes, batch = SIZES[size]
    net = nn.Network(sizes, hidden="tanh", seed=1, dtype="float64")
    lock(net, OPTIMIZERS[name], "mse", batch, 5, 1e-10)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["nesterov, decay", "adam, decay"])
def test_steps_in_float32(size, name, isa):
    sizes, batch = SIZES[size]
    net = nn.Network(sizes, hidden="tanh", seed=1)
    lock(net, OPTIMIZERS[name], "mse", batch, 5, 1e-4, follow=True)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize(("output", "loss"), OUTPUT_AND_LOSS)
def test_every_activation_and_loss(hidden, output, loss):
    net = nn.Network([6, 19, 11, 5], hidden=hidden, output=output, seed=2, dtype="float64")
    lock(net, nn.SGD(0.01, momentum=0.5), loss, 9, 4, 1e-10)
    net = nn.Network([6, 19, 11, 5], hidden=hidden, output=output, seed=2)
    lock(net, nn.SGD(0.01, momentum=0.5), loss, 9, 3, 1e-4, follow=True)


def test_layers_of_every_kind_in_one_network():
    layers = [
        6,
        nn.Dense(9, "leaky_relu", alpha=0.3),
        nn.Dense(70, "gelu", bias=False),
        nn.Dense(3, "silu"),
        nn.Dense(2, bias=False),
    ]
    net = nn.Network(layers, seed=3, dtype="float64")
    lock(net, nn.Adam(0.01, weight_decay=0.1), "mse", 30, 6, 1e-10)


@pytest.mark.parametrize("rows", [1, 2, 23, 24, 25, 100, 300])
def test_batch_sizes_around_the_blocks(rows):
    net = nn.Network([200, 140, 40, 20, 3], seed=4, output="softmax", dtype="float64")
    lock(net, nn.SGD(0.01), "cross_entropy", rows, 2, 1e-10)


# ---- fit: order, batches, epochs -------------------------------------------------------------------------------------


def mix(x):
    """splitmix64's finaliser."""
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


class Orders:
    """The orders of samples that a seed gives, epoch by epoch: Fisher-Yates on splitmix64."""

    def __init__(self, seed):
        self.state = mix(seed)

    def next(self, n):
        order = list(range(n))
        for i in range(n - 1, 0, -1):
            j = mix(self.state) * (i + 1) >> 64
            self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
            order[i], order[j] = order[j], order[i]
        return np.array(order)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("rows", "batch"), [(10, 3), (64, 64), (1, 5), (7, 1), (50, 32)])
@pytest.mark.parametrize("output", ["identity", "softmax", "sigmoid"])
def test_fit_is_the_same_steps(output, rows, batch, shuffle):
    net = nn.Network([4, 11, 3], hidden="tanh", output=output, seed=5, dtype="float64")
    other, optimizer = twin(net), reference.Adam(0.01)
    X, y = data(net, rows)
    trainer = nn.Trainer(net, optimizer=nn.Adam(0.01), batch_size=batch, seed=77)
    trainer.fit(X, y, epochs=2, shuffle=shuffle)
    history = trainer.fit(X, y, epochs=1, shuffle=shuffle)  # goes on where the first call ended
    orders = Orders(77)
    for epoch in range(3):
        order = orders.next(rows) if shuffle else np.arange(rows)
        total = 0.0
        for start in range(0, rows, batch):
            part = order[start : start + batch]
            total += other.step(X[part], y[part], optimizer) * len(part)
        assert history.loss[epoch] == pytest.approx(total / rows, rel=1e-10)
    np.testing.assert_allclose(net.parameters, other.parameters, rtol=1e-10, atol=1e-10)
    assert trainer.steps == 3 * -(-rows // batch)


def test_loss_of_an_epoch_is_a_sum_for_sse():
    net = nn.Network([2, 3, 2], seed=0, dtype="float64")
    other, optimizer = twin(net), reference.SGD(1e-3)
    X, y = data(net, 11)
    loss = nn.Trainer(net, "sse", nn.SGD(1e-3), batch_size=4).fit(X, y, epochs=1, shuffle=False).loss[0]
    assert loss == pytest.approx(
        sum(other.step(X[i : i + 4], y[i : i + 4], optimizer, "sse") for i in (0, 4, 8)), rel=1e-12
    )


def test_settings_may_change_on_the_way():
    net = nn.Network([3, 8, 2], hidden="tanh", seed=6, dtype="float64")
    other, optimizer = twin(net), reference.Adam(0.01)
    trainer = nn.Trainer(net, optimizer=nn.Adam(0.01))
    X, y = data(net, 20)
    for step in range(12):
        if step % 3 == 2:
            trainer.learning_rate = optimizer.learning_rate = 0.01 / (1 + step)
        if step == 5:  # of the moments that there are
            trainer.optimizer = trainer.optimizer.replace(beta2=0.9)
            optimizer.beta2 = 0.9
        rows = 1 + 7 * step % 19  # also larger than any before: the workspace grows, the state stays
        trainer.step(X[:rows], y[:rows])
        other.step(X[:rows], y[:rows], optimizer)
    np.testing.assert_allclose(net.parameters, other.parameters, rtol=1e-10, atol=1e-10)


# ---- against numeric gradients ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize(("output", "loss"), OUTPUT_AND_LOSS)
def test_gradients_are_the_slope_of_the_loss(hidden, output, loss):
    net = nn.Network([3, 4, nn.Dense(3, bias=False), 2], hidden=hidden, output=output, seed=7, dtype="float64")
    for layer in net.layers:  # biases away from zero, and no unit at a corner
        if layer.bias is not None:
            layer.bias = np.linspace(-0.31, 0.47, layer.outputs)
    X, y = data(net, 6, seed=zlib.crc32(f"{hidden} {output} {loss}".encode()))
    before = net.parameters.copy()
    gradients = net.gradients(X, y, loss=loss)
    assert np.array_equal(net.parameters, before)
    assert gradients.loss == pytest.approx(net.evaluate(X, y, loss=loss)["loss"], rel=1e-13)
    numeric = reference.numeric_gradient(lambda: net.evaluate(X, y, loss=loss)["loss"], net.parameters, 1e-5)
    np.testing.assert_allclose(gradients.vector, numeric, rtol=1e-6, atol=1e-8 * max(1, abs(gradients.loss)))


# ---- dropout ---------------------------------------------------------------------------------------------------------


def mask_net(width, rate, seed=0, dtype="float64"):
    """x -> width units, all equal to x, some dropped -> their sum: a step of SGD shows in the weights which were
    kept."""
    layers = [1, nn.Dense(width, "identity", bias=False, init=1.0, dropout=rate), nn.Dense(1, bias=False, init=1.0)]
    return nn.Network(layers, seed=seed, dtype=dtype)


def masks(net, steps, rate, threads=1):
    """The mask of each of `steps` online steps, read from both layers of weights, which must agree."""
    width = net.layers[0].outputs
    trainer = nn.Trainer(net, "sse", nn.SGD(1.0), threads=threads)
    found = []
    for _ in range(steps):
        net.layers[0].weight[:] = 1
        net.layers[1].weight[:] = 1
        # y = sum of the mask, t = 0: d/dW2 = 2 y mask and d/dW1 = 2 y mask x, at x = 1
        loss = trainer.step([[1.0]], [[0.0]])
        total = np.sqrt(loss)
        below = (1 - net.layers[0].weight[0]) / (2 * total) if total else np.zeros(width)
        above = (1 - net.layers[1].weight[:, 0]) / (2 * total) if total else np.zeros(width)
        np.testing.assert_allclose(above, below, rtol=1e-9, atol=1e-12)
        kept = above > 0.5
        np.testing.assert_allclose(above[kept], 1 / (1 - rate), rtol=1e-9)
        np.testing.assert_allclose(above[~kept], 0, atol=1e-9)
        assert total == pytest.approx(kept.sum() / (1 - rate))
        found.append(kept)
    return np.array(found)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_its_part_and_scales_the_rest(rate):
    width, steps = 101, 200
    found = masks(mask_net(width, rate), steps, rate)
    sigma = np.sqrt(rate * (1 - rate) / found.size)
    assert abs((1 - found.mean()) - rate) < 5 * sigma
    by_unit = 1 - found.mean(axis=0)  # no unit is preferred, nor any step
    assert np.abs(by_unit - rate).max() < 6 * np.sqrt(rate * (1 - rate) / steps)
    by_step = 1 - found.mean(axis=1)
    assert np.abs(by_step - rate).max() < 6 * np.sqrt(rate * (1 - rate) / width)
    pairs = np.corrcoef(found[:, :-1].ravel(), found[:, 1:].ravel())[0, 1]  # neighbours share a hash
    assert abs(pairs) < 5 / np.sqrt(found.size)


def test_dropout_belongs_to_the_seed():
    first = masks(mask_net(40, 0.5, seed=3), 6, 0.5)
    assert np.array_equal(first, masks(mask_net(40, 0.5, seed=3), 6, 0.5))
    assert np.array_equal(first, masks(mask_net(40, 0.5, seed=3), 6, 0.5, threads=2))
    assert not np.array_equal(first, masks(mask_net(40, 0.5, seed=4), 6, 0.5))
    for a, b in itertools.combinations(range(6), 2):
        assert not np.array_equal(first[a], first[b])


@pytest.mark.parametrize("batch", [1, 4, 50])
def test_dropout_of_rows_does_not_depend_on_threads(batch, uniform):
    X, y = uniform((100, 5), 1), uniform((100, 2), 2)
    answers = []
    for threads in (1, 2, 3):
        net = nn.Network([5, nn.Dense(37, "tanh", dropout=0.3), nn.Dense(150, "gelu", dropout=0.6), 2], seed=9)
        net.fit(X, y, epochs=2, batch_size=batch, threads=threads)
        answers.append(net.parameters.copy())
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


def test_dropout_is_for_training_only(uniform):
    X, y = uniform((20, 3), 1), uniform((20, 2), 2)
    net = nn.Network([3, nn.Dense(16, "tanh", dropout=0.8), 2], seed=1, dtype="float64")
    plain = nn.Network([3, nn.Dense(16, "tanh"), 2], seed=1, dtype="float64")
    assert np.array_equal(net.parameters, plain.parameters)
    assert np.array_equal(net.predict(X), plain.predict(X))
    assert net.evaluate(X, y) == plain.evaluate(X, y)
    assert np.array_equal(net.gradients(X, y).vector, plain.gradients(X, y).vector)
    assert np.array_equal(net.freeze()(X), plain.predict(X))
    nn.Trainer(net, optimizer=nn.SGD(0.01)).step(X, y)
    nn.Trainer(plain, optimizer=nn.SGD(0.01)).step(X, y)
    assert not np.array_equal(net.parameters, plain.parameters)


def test_dropout_means_nothing_on_average(uniform):
    # a linear network: the expected answer in training is the answer without dropout
    net = nn.Network([4, nn.Dense(64, "identity", dropout=0.4), nn.Dense(1)], seed=2, dtype="float64")
    x = uniform((1, 4), 3)
    plain = float(net.predict(x)[0, 0])
    trainer = nn.Trainer(net, "sse", nn.SGD(1e-300))  # steps that change nothing
    # loss = (y - t)^2 at two targets gives y: ((y - 0)^2 - (y - 1)^2 + 1) / 2 needs one mask; so take large t: y = t -
    # sqrt(loss)
    answers = np.array([100 - np.sqrt(trainer.step(x, [[100.0]])) for _ in range(4000)])
    assert answers.std() > 0.01
    assert abs(answers.mean() - plain) < 5 * answers.std() / np.sqrt(len(answers))
