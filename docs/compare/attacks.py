"""Compares gradlens' attacks with torchattacks' on the sample photos, with the same settings and weights.

    python3 -m venv venv && venv/bin/pip install torch torchattacks timm safetensors numpy pillow
    cargo build --release && venv/bin/python docs/compare/attacks.py target/release/gradlens

Both get the same 224×224 PNGs. torchattacks' result counts as it comes out, in floating point, and once more after
rounding to 8 bits; gradlens' result is the 8-bit picture it saves.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import timm
import torch
import torchattacks
from PIL import Image
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]


class Classifier(torch.nn.Module):
    """Pixels in [0, 1] to logits; of some classes only, if they are given."""

    def __init__(self, net, classes=None):
        super().__init__()
        self.net, self.classes = net, classes

    def forward(self, x):
        z = self.net((255 * x - 127) / 128)
        return z if self.classes is None else z[:, self.classes]


def network():
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    weights = load_file(ROOT / "weights/tf_efficientnet_lite0.safetensors")
    net.load_state_dict({name: value.float() for name, value in weights.items()}, strict=True)
    return net.eval()


def crops(folder):
    for path in sorted((ROOT / "samples/photos").glob("*.jpg")):
        image = Image.open(path).convert("RGB")
        scale = 224 / min(image.size)
        image = image.resize([round(side * scale) for side in image.size], Image.BICUBIC)
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        image.crop((left, top, left + 224, top + 224)).save(folder / f"{path.stem}.png")


def theirs(attack, model, pixels, source, target):
    labels = torch.tensor([source])
    if target is not None:
        attack.set_mode_targeted_by_label(quiet=True)
        labels = torch.tensor([target])
    torch.manual_seed(0)
    made = attack(pixels, labels).detach()
    rounded = (made * 255).round() / 255

    def fools(x):
        top = model(x).argmax(1).item()
        return top == target if target is not None else top != source

    return fools(made), fools(rounded), (made - pixels).norm().item(), (rounded - pixels).norm().item()


def ours(program, photo, technique, settings, target, out):
    arguments = [program, "run", technique, str(photo), "--json", "--out", str(out)]
    for setting in settings:
        arguments += ["--set", setting]
    if target is not None:
        arguments += ["--target", str(target)]
    run = json.loads(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)
    return run["success"], run["norms"]["l2"]


def main():
    program = sys.argv[1]
    net = network()
    e = 1 / 255
    cases = [
        ("fgsm", "ε 8/255", ["epsilon=8/255"], lambda m: torchattacks.FGSM(m, eps=8 * e)),
        ("fgsm", "ε 1/255", ["epsilon=1/255"], lambda m: torchattacks.FGSM(m, eps=e)),
        ("bim", "ε 8/255, α 2/255, 10", [], lambda m: torchattacks.BIM(m, eps=8 * e, alpha=2 * e, steps=10)),
        ("pgd", "ε 8/255, α 2/255, 10", [], lambda m: torchattacks.PGD(m, eps=8 * e, alpha=2 * e, steps=10)),
        ("pgd", "ε 1/255, α 1/1020, 10", ["epsilon=1/255", "step_size=1/1020"], lambda m: torchattacks.PGD(m, eps=e, alpha=e / 4, steps=10)),
        ("pgd", "L2, ε 1, α 0.2, 10", ["norm=l2"], lambda m: torchattacks.PGDL2(m, eps=1.0, alpha=0.2, steps=10)),
        ("mi-fgsm", "ε 8/255, α 2/255, 10", [], lambda m: torchattacks.MIFGSM(m, eps=8 * e, alpha=2 * e, steps=10)),
        ("deepfool", "50 steps, overshoot 0.02", [], lambda m: torchattacks.DeepFool(m, steps=50, overshoot=0.02)),
        ("cw", "c 1, κ 0, 50 steps, 0.01", [], lambda m: torchattacks.CW(m, c=1, kappa=0, steps=50, lr=0.01)),
        ("auto", "ε 1/255", ["epsilon=1/255"], lambda m: torchattacks.APGD(m, norm="Linf", eps=e, steps=100, n_restarts=1)),
    ]
    targeted = [
        ("pgd", "→ hard disc, ε 4/255, α 1/255, 20", ["epsilon=4/255", "step_size=1/255", "steps=20"], lambda m: torchattacks.PGD(m, eps=4 * e, alpha=e, steps=20)),
        ("cw", "→ hard disc, c 1, κ 0, 50 steps", [], lambda m: torchattacks.CW(m, c=1, kappa=0, steps=50, lr=0.01)),
    ]
    print("| attack | settings | torchattacks | rounded to 8 bits | gradlens, 8 bits | L2 torchattacks | rounded | L2 gradlens |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        crops(scratch)
        photos = sorted(scratch.glob("*.png"))
        for target, list_ in [(None, cases), (592, targeted)]:
            for technique, words, settings, make in list_:
                rows, mine = [], []
                for photo in photos:
                    pixels = torch.tensor(np.asarray(Image.open(photo), dtype=np.float32) / 255).permute(2, 0, 1)[None].contiguous()
                    full = Classifier(net).eval()
                    order = full(pixels)[0].argsort(descending=True)
                    mine.append(ours(program, photo, technique, settings, target, scratch / "out"))
                    if technique == "deepfool":
                        # The ten likeliest classes, as gradlens and the authors' own code try them.
                        model = Classifier(net, order[:10]).eval()
                        rows.append(theirs(make(model), model, pixels, 0, None))
                    else:
                        rows.append(theirs(make(full), full, pixels, order[0].item(), target))
                count = len(photos)
                share = lambda hits: f"{sum(hits)}/{count}"
                mean = lambda values: f"{np.mean(values):.3f}" if values else "—"
                left = [share(r[i] for r in rows) for i in (0, 1)]
                lengths = [mean([r[i] for r in rows if r[0]]) for i in (2, 3)]
                own = mean([l2 for success, l2 in mine if success])
                print(f"| {technique} | {words} | {left[0]} | {left[1]} | {share(s for s, _ in mine)} | {lengths[0]} | {lengths[1]} | {own} |", flush=True)


main()
