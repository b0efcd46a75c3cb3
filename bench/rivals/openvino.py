"""OpenVINO: latency hint, float32 arithmetic, tensors bound once."""

import numpy as np
import openvino

from .onnxruntime import model


def versions():
    return {"openvino": openvino.__version__.split("-")[0]}


def answering(problem, X, threads):
    core = openvino.Core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }
    compiled = core.compile_model(core.read_model(model(problem, len(X))), "CPU", settings)
    request = compiled.create_infer_request()
    x = openvino.Tensor(np.ascontiguousarray(X), shared_memory=True)
    request.set_input_tensor(x)
    return "infer()", {
        "infer": request.infer,
        "keep": (x, compiled),
        "answer": lambda: request.get_output_tensor().data,
    }


def predicting(problem, threads):
    return answering(problem, problem.X, threads)


def single(problem, threads):
    return answering(problem, problem.X[:1], threads)
