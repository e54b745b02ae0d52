#!/usr/bin/env python3
"""Makes the small networks beside it, with random weights, as several exporters write them, and what onnxruntime computes.

Needs torch, onnx, onnxscript, onnxruntime, numpy. The input is x[i] = sin(i), i counting in the file's own order.
`keras.onnx` was written by Keras 3.15 (`model.export(..., format="onnx")`); `light_*.onnx` are from the onnx package's backend
tests (Apache-2.0).
"""
import contextlib
import io
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

HERE = pathlib.Path(__file__).parent


class Gate(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.down, self.up = nn.Conv2d(c, 4, 1), nn.Conv2d(4, c, 1)

    def forward(self, x):
        return x * nn.functional.hardsigmoid(self.up(nn.functional.relu(self.down(x.mean((2, 3), keepdim=True)))))


class Shuffle(nn.Module):
    def forward(self, x):
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class LastNorm(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(c), nn.Linear(c, 2 * c), nn.Linear(2 * c, c)

    def forward(self, x):
        y = self.down(nn.functional.gelu(self.up(self.norm(x.permute(0, 2, 3, 1)))))
        return x + y.permute(0, 3, 1, 2)


class Same(nn.Module):
    """TensorFlow's padding, worked out when the network runs."""

    def forward(self, x):
        h, w = x.shape[-2:]
        ph, pw = max((-(h // -2) - 1) * 2 + 3 - h, 0), max((-(w // -2) - 1) * 2 + 3 - w, 0)
        return nn.functional.pad(x, (pw // 2, pw - pw // 2, ph // 2, ph - ph // 2))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1, self.bn1, self.act = nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c), nn.SiLU()
        self.gate, self.shuffle, self.mlp = Gate(c), Shuffle(), LastNorm(c)
        self.conv2 = nn.Conv2d(c, c, 3, padding=1, groups=2)

    def forward(self, x):
        y = self.act(self.bn1(self.conv1(x)))
        y = self.shuffle(self.gate(y))
        return self.mlp(self.act(x + self.conv2(y)))


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.same, self.stem, self.act = Same(), nn.Conv2d(3, 8, 3, stride=2), nn.Hardswish()
        self.layer1 = nn.Sequential(Block(8), Block(8))
        self.norm = nn.GroupNorm(2, 8)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 5)

    def forward(self, x):
        x = self.layer1(self.act(self.stem(self.same(x))))
        return self.fc(self.pool(self.norm(x)).flatten(1)).softmax(1)


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 8, 8)
        self.cls, self.pos = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(1, 5, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 1)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.pos
        return self.head(self.norm(self.block(x))[:, 0]).sigmoid()


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1, self.conv2 = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1)
        self.pool, self.fc = nn.MaxPool2d(2), nn.Linear(8, 3)

    def forward(self, x):
        x = self.pool(nn.functional.relu(self.bn1(self.conv1(x))))
        return self.fc(nn.functional.relu(self.conv2(x)).mean((2, 3))).softmax(1)


def shake(model):
    for name, p in model.named_parameters():
        with torch.no_grad():
            p.normal_(1.0 if "norm" in name and name.endswith("weight") or "bn" in name else 0.0, 0.3)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.1)
            m.running_var.uniform_(0.5, 1.5)
    return model.eval()


def export(model, name, exporter, opset, half=False):
    model, x = (model.half(), torch.zeros(1, 3, 16, 16).half()) if half else (model, torch.zeros(2, 3, 16, 16))
    path = HERE / f"{name}.onnx"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if exporter == "ts":
            torch.onnx.export(model, (x,), str(path), dynamo=False, opset_version=opset, input_names=["input"], output_names=["output"],
                              dynamic_axes=None if half else {"input": {0: "n"}, "output": {0: "n"}})
        else:
            torch.onnx.export(model, (x,), str(path), dynamo=True, opset_version=opset, dynamic_shapes=({0: torch.export.Dim.DYNAMIC},), verbose=False)
            onnx.save(onnx.load(path), path)
            pathlib.Path(str(path) + ".data").unlink(missing_ok=True)
    stripped = onnx.load(path)
    for node in stripped.graph.node:  # stack traces are most of a small file
        kept = [p for p in node.metadata_props if p.key == "pkg.torch.onnx.name_scopes"]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
        node.doc_string = ""
    del stripped.graph.value_info[:]
    onnx.save(stripped, path)


def quantise(source, name):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Data(CalibrationDataReader):
        def __init__(self):
            self.left = iter([{"input": np.random.default_rng(i).normal(size=(1, 3, 16, 16)).astype(np.float32)} for i in range(4)])

        def get_next(self):
            return next(self.left, None)

    quantize_static(HERE / f"{source}.onnx", HERE / f"{name}.onnx", Data(), quant_format=QuantFormat.QDQ, per_channel=True,
                    weight_type=QuantType.QInt8)


def expect():
    """What the files compute."""
    found = {}
    for path in sorted(HERE.glob("*.onnx")):
        session = onnxruntime.InferenceSession(str(path))
        one = session.get_inputs()[0]
        shape = [1] + [d if isinstance(d, int) else 16 for d in one.shape[1:]]
        x = np.sin(np.arange(np.prod(shape))).reshape(shape).astype(np.float16 if "16" in one.type else np.float32)
        found[path.name] = [float(v) for v in session.run(None, {one.name: x})[0].reshape(-1)[:16]]
    (HERE / "expected.json").write_text(json.dumps(found, indent=1) + "\n")


def attend(vit):
    """Attention rollout and gradient-attention (Chefer et al. 2021) of the transformer's score before its sigmoid, in double precision."""
    vit = vit.double()
    attention, layer = vit.block.self_attn, vit.block
    x = (torch.arange(3 * 16 * 16, dtype=torch.float64) * 37 % 256 / 255).reshape(1, 3, 16, 16)
    x = torch.cat([vit.cls, vit.patch(x).flatten(2).transpose(1, 2)], 1) + vit.pos
    q, k, v = nn.functional.linear(layer.norm1(x), attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
    q, k, v = [t.view(1, 5, 2, 4).transpose(1, 2) for t in (q, k, v)]
    weights = (q @ k.transpose(2, 3) / 2).softmax(3)
    weights.retain_grad()
    x = x + attention.out_proj((weights @ v).transpose(1, 2).reshape(1, 5, 8))
    x = x + layer.linear2(nn.functional.gelu(layer.linear1(layer.norm2(x))))
    score = vit.head(vit.norm(x)[:, 0]).sum()
    score.backward()
    one = torch.eye(5, dtype=torch.float64)
    found = {"score": float(score)}
    for name, heads in [("mean", weights.mean(1)), ("max", weights.amax(1)), ("min", weights.amin(1))]:
        step = heads[0] + one
        found[f"rollout-{name}"] = (step / step.sum(1, keepdim=True))[0, 1:].tolist()
    relevance = one + (weights * weights.grad).relu().mean(1)[0] @ one
    found["gradient"] = relevance[0, 1:].tolist()
    (HERE / "attention.json").write_text(json.dumps(found, indent=1) + "\n")


torch.manual_seed(0)
cnn, vit, plain = shake(Convolutional()), shake(Transformer()), shake(Plain())
export(cnn, "cnn_ts11", "ts", 11)
export(cnn, "cnn_ts17", "ts", 17)
export(cnn, "cnn_dynamo18", "dynamo", 18)
export(vit, "vit_ts17", "ts", 17)
export(vit, "vit_dynamo20", "dynamo", 20)
export(plain, "plain", "ts", 17)
quantise("plain", "plain_int8")
(HERE / "plain.onnx").unlink()
attend(vit)
export(cnn, "cnn_half", "ts", 17, half=True)
expect()
