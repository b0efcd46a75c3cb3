"""onnxruntime: Gemm and activations, all optimisations, inputs and outputs bound once (IOBinding)."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def versions():
    return {"onnxruntime": onnxruntime.__version__}


def model(problem, rows):
    """The network as ONNX, serialized."""
    w, nodes, tensors, x = problem.workload, [], [], "x"
    last = len(problem.weights) - 1
    for i, (W, b) in enumerate(problem.weights):
        tensors += [numpy_helper.from_array(W, f"W{i}"), numpy_helper.from_array(b, f"b{i}")]
        nodes.append(helper.make_node("Gemm", [x, f"W{i}", f"b{i}"], [f"z{i}"]))
        x = f"z{i}"
        kind = {"relu": "Relu", "tanh": "Tanh"}[w.hidden] if i < last else "Softmax" if w.output == "softmax" else None
        if kind:
            nodes.append(helper.make_node(kind, [x], [f"y{i}"]))
            x = f"y{i}"
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, columns])
        for name, columns in (("x", w.sizes[0]), (x, w.sizes[-1]))
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def answering(problem, X, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model(problem, len(X)), options, providers=["CPUExecutionProvider"])
    x = onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(X))
    out = onnxruntime.OrtValue.ortvalue_from_numpy(np.empty((len(X), problem.workload.sizes[-1]), np.float32))
    binding = session.io_binding()
    binding.bind_ortvalue_input(session.get_inputs()[0].name, x)
    binding.bind_ortvalue_output(session.get_outputs()[0].name, out)
    return "run(binding)", {
        "run": session.run_with_iobinding,
        "binding": binding,
        "keep": (x, session),
        "answer": out.numpy,
    }


def predicting(problem, threads):
    return answering(problem, problem.X, threads)


def single(problem, threads):
    return answering(problem, problem.X[:1], threads)
