#!/usr/bin/env python3
"""One SqueezeNet 1.1 of 10 classes in every container that checkpoints come in, with numbers that compress well, gzipped.

    make.py            writes beside itself; needs torch, torchvision, numpy and safetensors
"""
import collections
import gzip
import json
import math
import pathlib

import numpy as np
import torch
import torchvision
from safetensors.torch import save_file

out = pathlib.Path(__file__).parent


def numbers(k, shape):
    """61 numbers of a formula, over and over."""
    x = np.sin(np.arange(61) * 12.9898 + k * 78.233) * 43758.5453
    u = np.resize(2 * (x - np.floor(x)) - 1, math.prod(shape)).reshape(shape)
    return torch.from_numpy((u * (math.sqrt(6 / math.prod(shape[1:])) if len(shape) > 1 else 0.2)).astype(np.float32))


model = torchvision.models.squeezenet1_1(weights=None, num_classes=10).eval()
state = collections.OrderedDict((name, numbers(k, tuple(v.shape))) for k, (name, v) in enumerate(model.state_dict().items()))
model.load_state_dict(state)
state = model.state_dict()
other = collections.OrderedDict((name, 0.5 * v) for name, v in state.items())
prefixed = lambda prefix: collections.OrderedDict((prefix + name, v) for name, v in state.items())
last = lambda v: v.contiguous(memory_format=torch.channels_last) if v.dim() == 4 else v


def pack(name):
    path = out / name
    (out / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    path.unlink()


def save(what, name, **how):
    torch.save(what, out / name, **how)
    pack(name)


save(state, "plain.pth")
save(state, "legacy.pth", _use_new_zipfile_serialization=False)
save(state, "protocol4.pth", pickle_protocol=4)
save({name: v.half() for name, v in state.items()}, "half.pth")
save({name: last(v) for name, v in state.items()}, "channels_last.pth")
save({"epoch": 3, "arch": "squeezenet1_1", "state_dict": prefixed("module."), "optimizer": {"state": {}}}, "parallel.pth.tar")
save({"epoch": 3, "state_dict": other, "state_dict_ema": state, "metric": 71.3}, "averaged.pth.tar")
save({"state_dict": prefixed("model."), "hyper_parameters": {"lr": 1e-3}, "callbacks": {}}, "lightning.ckpt")
save({"model": prefixed("_orig_mod."), "scaler": None}, "compiled.pt")
save(model, "module.pth")
torch.jit.script(model).save(str(out / "scripted.pt"))
pack("scripted.pt")
torch.export.save(torch.export.export(model, (torch.rand(1, 3, 64, 64),)), out / "exported.pt2")
pack("exported.pt2")
save_file({name: v.contiguous() for name, v in state.items()}, out / "model.safetensors")
pack("model.safetensors")
np.savez(out / "arrays.npz", **{name: v.numpy() for name, v in state.items()})
pack("arrays.npz")
x = torch.from_numpy(np.sin(np.arange(3 * 64 * 64)).astype(np.float32)).reshape(1, 3, 64, 64)
with torch.no_grad():
    logits = model.double()(x.double())[0].tolist()
(out / "expected.json").write_text(json.dumps([float(f"{v:.9g}") for v in logits]) + "\n")
