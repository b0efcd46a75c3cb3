"""PyTorch, eager: nn.Sequential, fused Adam, minibatches by indexing with a permutation."""

import torch
from torch import nn

from ..workloads import LEARNING_RATE

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


def versions():
    return {"torch": torch.__version__}


def model(problem, with_softmax=False):
    w, layers = problem.workload, []
    for i, (W, b) in enumerate(problem.weights):
        layer = nn.Linear(*W.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(W.T.copy()))
            layer.bias.copy_(torch.from_numpy(b))
        layers += [layer] if i == len(problem.weights) - 1 else [layer, ACTIVATIONS[w.hidden]()]
    if with_softmax and w.output == "softmax":
        layers.append(nn.Softmax(1))
    return nn.Sequential(*layers)


class Training:
    compiled = False

    def __init__(self, problem, threads):
        torch.set_num_threads(threads)
        self.problem = problem
        self.X, self.y = torch.from_numpy(problem.X), torch.from_numpy(problem.y)
        self.loss = nn.CrossEntropyLoss() if problem.workload.output == "softmax" else nn.MSELoss()
        self.model = model(problem)
        self.forward = self.objective
        if self.compiled:
            self.forward = torch.compile(self.objective)
        self.reset()

    def objective(self, x, y):
        return self.loss(self.model(x), y)

    def reset(self):
        fresh = model(self.problem).state_dict()
        self.model.load_state_dict(fresh)
        self.adam = torch.optim.Adam(self.model.parameters(), LEARNING_RATE, fused=True)

    def steps(self, order):
        self.epoch(torch.as_tensor(order))

    def epoch(self, order):
        X, y, forward, adam = self.X, self.y, self.forward, self.adam
        for part in order.split(self.problem.workload.batch):
            loss = forward(X[part], y[part])
            adam.zero_grad()
            loss.backward()
            adam.step()

    def run(self, epochs):
        for _ in range(epochs):
            self.epoch(torch.randperm(len(self.X)))

    def weights(self):
        return [(m.weight.detach().numpy().T, m.bias.detach().numpy()) for m in self.model if isinstance(m, nn.Linear)]


def training(problem, threads):
    return Training(problem, threads)


def answering(problem, X, threads):
    torch.set_num_threads(threads)
    net = model(problem, with_softmax=True).eval()
    inference = torch.inference_mode()
    inference.__enter__()  # for the life of this process, so that entering and leaving costs the calls nothing
    x = torch.from_numpy(X)
    return "predict(x)", {"predict": net, "x": x, "keep": inference, "answer": lambda: net(x).numpy()}


def predicting(problem, threads):
    return answering(problem, problem.X, threads)


def single(problem, threads):
    return answering(problem, problem.X[:1], threads)
