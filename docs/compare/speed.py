"""Times gradlens beside PyTorch, turn by turn on the same cores, and prints docs/performance.md's first table.

    python3 -m venv venv && venv/bin/pip install torch torchvision timm
    cargo build --release && venv/bin/python docs/compare/speed.py target/release/gradlens [--threads 2] [--rounds 5]

Both do a forward pass and the gradient of the input with frozen weights in float32. PyTorch runs channels-last, its
fastest way here, with batch norms folded into the convolutions. Its weights are random: the time does not depend on them.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import timm
import torch
import torchvision
from torch.nn.utils.fusion import fuse_conv_bn_eval


def lite0():
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    pairs = {
        "DepthwiseSeparableConv": [("conv_dw", "bn1"), ("conv_pw", "bn2")],
        "InvertedResidual": [("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")],
        "EfficientNet": [("conv_stem", "bn1"), ("conv_head", "bn2")],
    }
    for module in net.modules():
        for conv, norm in pairs.get(type(module).__name__, []):
            behind = getattr(module, norm)
            setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), behind))
            setattr(module, norm, behind.act)
    return net


def vgg(stop=21):
    return torchvision.models.vgg16(weights=None).features[:stop]


CASES = {
    "gradient-224": (lite0, 224, "logit"),
    "squeezenet-gradient-224": (lambda: torchvision.models.squeezenet1_1(weights=None), 224, "logit"),
    "vgg-gradient-256": (vgg, 256, "squares"),
    "vgg-gradient-512": (vgg, 512, "squares"),
}


def stepper(name):
    make, size, goal = CASES[name]
    model = make().eval().requires_grad_(False).to(memory_format=torch.channels_last)
    x = torch.rand(1, 3, size, size).contiguous(memory_format=torch.channels_last).requires_grad_()

    def step():
        x.grad = None
        y = model(x)
        (y[0, 1] if goal == "logit" else y.square().mean()).backward()

    return step


def style_memory(size):
    """Peak memory of a style-transfer step: four Gram losses, a content loss, and the gradient, in megabytes."""
    model = vgg(19).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    taps, content = {1, 6, 11, 18}, 13
    x = torch.rand(1, 3, size, size).contiguous(memory_format=torch.channels_last).requires_grad_()

    def losses(x, targets):
        found, y = [], x
        for i, layer in enumerate(model):
            y = torch.relu(y) if isinstance(layer, torch.nn.ReLU) else layer(y)
            if i in taps:
                f = y.flatten(2)[0]
                found.append(f @ f.T / f.numel())
            if i == content:
                found.append(y)
        if targets is None:
            return [f.detach() for f in found]
        return sum(((f - t) ** 2).mean() for f, t in zip(found, targets))

    targets = losses(torch.rand_like(x), None)
    adam = torch.optim.Adam([x], lr=0.03)
    for _ in range(3):
        adam.zero_grad()
        losses(x, targets).backward()
        adam.step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(program, name, threads):
    command = [program, "bench", name, "--json", "--threads", str(threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)[name]["median_ms"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--style-memory", type=int, metavar="SIZE")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.style_memory:
        print(f"{style_memory(options.style_memory):.0f} MB")
        return
    print("| benchmark | gradlens | PyTorch | times as fast |")
    print("|---|---|---|---|")
    for name in CASES:
        step = stepper(name)
        mine, theirs = [], []
        for _ in range(options.rounds):
            for _ in range(2):
                step()
            times = []
            for _ in range(10):
                start = time.perf_counter()
                step()
                times.append((time.perf_counter() - start) * 1e3)
            theirs.append(statistics.median(times))
            mine.append(ours(options.program, name, options.threads))
        a, b = statistics.median(mine), statistics.median(theirs)
        print(f"| `{name}` | {a:.1f} ms | {b:.1f} ms | {b / a:.2f} |")
        sys.stdout.flush()


main()
