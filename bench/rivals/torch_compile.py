"""PyTorch with the objective under torch.compile (forward and backward fused by inductor), fused Adam outside of it."""

from . import torch as eager

versions = eager.versions


class Training(eager.Training):
    compiled = True


def training(problem, threads):
    return Training(problem, threads)
