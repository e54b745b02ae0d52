"""Writes small files as seeds of fuzzing: seeds.py FOLDER puts ONNX files, one or two for each operator that gradlens
reads, in FOLDER/importer, and checkpoints of every kind in FOLDER/checkpoint. Needs the packages onnx, torch, safetensors."""

import sys
from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

rng = np.random.default_rng(0)
out = Path(sys.argv[1]) / "importer"
out.mkdir(parents=True, exist_ok=True)


def save(name, nodes, weights=(), shape=(1, 3, 8, 8), result=None, opset=17, element=TensorProto.FLOAT):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", element, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, result)],
        [numpy_helper.from_array(np.asarray(array), key) for key, array in dict(weights).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    (out / f"{name}.onnx").write_bytes(model.SerializeToString())


def one(name, op, weights=(), inputs=None, rest=(), shape=(1, 3, 8, 8), opset=17, outputs=("y",), **attributes):
    weights = dict(weights)
    nodes = [helper.make_node(op, inputs or ["x", *weights], list(outputs), **attributes), *rest]
    save(name, nodes, weights, shape, None, opset)


def f(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def i(*values):
    return np.array(values, dtype=np.int64)


for op in """Abs Ceil Cos Erf Exp Floor Identity Log Neg Reciprocal Relu Round Sigmoid Sign Sin Softplus Softsign Sqrt Tanh Mish
HardSwish GlobalAveragePool GlobalMaxPool Flatten Softmax LogSoftmax Elu Celu Selu HardSigmoid LeakyRelu ThresholdedRelu
LpNormalization Not Size Shape NonZero""".split():
    one(op, op, opset=18)
for op in "Add Sub Mul Div Pow Max Min Mean Sum Mod PRelu".split():
    one(op, op, {"w": f(3, 1, 1)}, **({"fmod": 1} if op == "Mod" else {}))
for op in "Equal Greater GreaterOrEqual Less LessOrEqual".split():
    nodes = [helper.make_node(op, ["x", "w"], ["c"]), helper.make_node("Where", ["c", "x", "w"], ["y"])]
    save(op, nodes, {"w": f(3, 1, 1)})
    also = [helper.make_node(op, ["x", "w"], ["c"]), helper.make_node("Xor", ["c", "c"], ["d"])]
    save(op + "Cast", also + [helper.make_node("Cast", ["d"], ["y"], to=1)], {"w": f(3, 1, 1)})
for op in "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSumSquare".split():
    one(op, op, axes=[2, 3], keepdims=1)
    one(op + "18", op, {"axes": i(2, 3)}, opset=18, keepdims=0)
one("ReduceSum", "ReduceSum", {"axes": i(-1)})
one("Conv", "Conv", {"w": f(4, 3, 3, 3), "b": f(4)}, pads=[1, 1, 1, 1], strides=[2, 2])
one("ConvGroup", "Conv", {"w": f(3, 1, 3, 3)}, group=3, dilations=[2, 2], auto_pad="SAME_UPPER")
one("ConvTranspose", "ConvTranspose", {"w": f(3, 4, 3, 3)}, strides=[2, 2], output_padding=[1, 1], pads=[1, 1, 1, 1])
one("MaxPool", "MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1)
one("AveragePool", "AveragePool", kernel_shape=[2, 2], strides=[2, 2], count_include_pad=1, auto_pad="SAME_LOWER")
bn = {"s": f(3), "b": f(3), "m": f(3), "v": np.abs(f(3)) + 1}
one("BatchNormalization", "BatchNormalization", bn, epsilon=1e-3)
one("InstanceNormalization", "InstanceNormalization", {"s": f(3), "b": f(3)})
one("GroupNormalization", "GroupNormalization", {"s": f(3), "b": f(3)}, opset=21, num_groups=3)
one("LayerNormalization", "LayerNormalization", {"s": f(8), "b": f(8)}, axis=-1)
one("RMSNormalization", "RMSNormalization", {"s": f(8)}, opset=23, axis=-1)
one("LRN", "LRN", size=3, alpha=1e-4, beta=0.75, bias=1.0)
one("Clip", "Clip", {"a": np.float32(0), "b": np.float32(6)})
one("Clip6", "Clip", opset=6, min=0.0, max=6.0)
one("Dropout", "Dropout", {"r": np.float32(0.5)})
one("Gelu", "Gelu", opset=20, approximate="tanh")
one("Swish", "Swish", opset=24, alpha=1.0)
one("Concat", "Concat", inputs=["x", "x"], axis=1)
one("Transpose", "Transpose", perm=[0, 2, 3, 1])
one("DepthToSpace", "DepthToSpace", shape=(1, 8, 4, 4), blocksize=2, mode="CRD")
one("SpaceToDepth", "SpaceToDepth", blocksize=2)
one("Reshape", "Reshape", {"s": i(0, -1)})
one("Squeeze", "Squeeze", {"a": i(0)})
one("Unsqueeze", "Unsqueeze", {"a": i(1)})
one("Expand", "Expand", {"s": i(1, 3, 8, 8)})
one("Tile", "Tile", {"r": i(1, 2, 1, 1)})
one("Gather", "Gather", {"g": i(2, 0)}, axis=1)
one("GatherND", "GatherND", {"g": i(0, 1).reshape(1, 2)})
one("Slice", "Slice", {"a": i(1), "b": i(7), "c": i(2), "d": i(2)})
one("SliceBack", "Slice", {"a": i(-1), "b": i(-(2**62)), "c": i(3), "d": i(-1)})
one("Slice9", "Slice", opset=9, starts=[1], ends=[9], axes=[3])
one("Pad", "Pad", {"p": i(0, 0, 1, 1, 0, 0, 1, 1)}, mode="reflect")
one("Split", "Split", {"s": i(1, 2)}, axis=1, outputs=("y", "z"))
one("Resize", "Resize", {"r": f(0), "s": np.array([1, 1, 2, 2], np.float32)}, inputs=["x", "", "s"], mode="linear")
one("ResizeCubic", "Resize", {"n": i(1, 3, 5, 5)}, inputs=["x", "", "", "n"], mode="cubic",
    coordinate_transformation_mode="align_corners")
one("Upsample", "Upsample", {"s": np.array([1, 1, 2, 2], np.float32)}, opset=9, mode="nearest")
one("CumSum", "CumSum", {"a": np.array(3)})
one("MatMul", "MatMul", {"w": f(8, 5)})
one("Einsum", "Einsum", {"w": f(3, 5)}, equation="bchw,cd->bdhw")
one("ScatterND", "ScatterND", {"g": i(0).reshape(1, 1), "u": f(1, 3, 8, 8)})
one("Attention", "Attention", inputs=["x", "x", "x"], shape=(1, 2, 4, 8), opset=23)
one("QuantizeLinear", "QuantizeLinear", {"s": np.float32(0.1), "z": np.uint8(3)}, outputs=("q",),
    rest=[helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"])])
gemm = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w", "b"], ["y"], transB=1, alpha=0.5)]
save("Gemm", gemm, {"w": f(4, 192), "b": f(4)})
chain = [
    helper.make_node("Shape", ["x"], ["s"]),
    helper.make_node("Gather", ["s", "zero"], ["n"]),
    helper.make_node("Unsqueeze", ["n", "axis"], ["m"]),
    helper.make_node("Concat", ["m", "minus"], ["t"], axis=0),
    helper.make_node("Reshape", ["x", "t"], ["y"]),
]
save("Chain", chain, {"zero": np.array(0), "axis": i(0), "minus": i(-1)})
filled = [
    helper.make_node("ConstantOfShape", ["s"], ["c"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [2.0])),
    helper.make_node("Range", ["a", "b", "d"], ["r"]),
    helper.make_node("Mul", ["c", "r"], ["m"]),
    helper.make_node("Add", ["x", "m"], ["y"]),
]
save("Filled", filled, {"s": i(8), "a": np.float32(0), "b": np.float32(8), "d": np.float32(1)})
last = [
    helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
    helper.make_node("Conv", ["t", "w"], ["c"]),
    helper.make_node("Transpose", ["c"], ["u"], perm=[0, 2, 3, 1]),
    helper.make_node("ReduceMean", ["u"], ["p"], axes=[1, 2], keepdims=0),
    helper.make_node("Softmax", ["p"], ["y"]),
]
save("ChannelsLast", last, {"w": f(4, 3, 3, 3)}, shape=(1, 8, 8, 3), opset=13)
heads = [
    helper.make_node("Reshape", ["x", "s"], ["t"]),
    helper.make_node("MatMul", ["t", "w"], ["q"]),
    helper.make_node("Transpose", ["q"], ["k"], perm=[0, 2, 1]),
    helper.make_node("MatMul", ["q", "k"], ["a"]),
    helper.make_node("Softmax", ["a"], ["p"], axis=-1),
    helper.make_node("MatMul", ["p", "q"], ["y"]),
]
save("Heads", heads, {"s": i(1, 64, 3), "w": f(3, 4)})

out = Path(sys.argv[1]) / "checkpoint"
out.mkdir(parents=True, exist_ok=True)
layer = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2))
state = {key: value.clone() for key, value in layer.state_dict().items()}
halves = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
nested = {"state_dict": {f"module.{key}": value for key, value in state.items()}, "arch": "resnet18", "epoch": 3}
averaged = {"state_dict": state, "state_dict_ema": state, "args": {"model": "resnet18", "lr": 0.1}}
kinds = {"plain": state, "halves": halves, "nested": nested, "averaged": averaged, "module": layer, "one": torch.arange(4.0)}
shared = torch.arange(12.0).reshape(3, 4)
kinds["views"] = {"a": shared, "b": shared.t(), "c": shared[1:, ::2], "d": shared.to(torch.bfloat16), "e": shared > 2}
for name, what in kinds.items():
    torch.save(what, out / f"{name}.pth")
    torch.save(what, out / f"{name}_legacy.pth", _use_new_zipfile_serialization=False)
save_file(state, out / "plain.safetensors", metadata={"format": "pt", "architecture": "resnet18"})
save_file(halves, out / "halves.safetensors")
np.savez(out / "plain.npz", **{key: value.numpy() for key, value in state.items()})
np.savez(out / "order.npz", a=np.asfortranarray(shared.numpy()), b=np.float16(1), c=np.zeros((0, 3)), d=np.arange(3))
