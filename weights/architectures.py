#!/usr/bin/env python3
"""Writes architectures.zoo: the graphs of torchvision's and timm's classifiers, without a single weight.

    architectures.py OUT [NAME ...]             all, or these; what OUT holds already stays
    architectures.py OUT --figures [NAME ...]   computes figures of these, which OUT holds, anew

What a checkpoint lacks is the order in which its tensors are used. Each architecture is built here with random weights,
exported to ONNX without them, and packed: an index (names and shapes of tensors, usual preprocessing, figures to check
an implementation against), then the graphs. Figures are float64, with weights and picture from a formula that
src/model/formula.rs shares; where its numbers make a network so steep that float32 goes astray, kernels are smaller by a
factor, `gain`.

The file: b"GLZOO1\n\0", u64 bytes of the index, the index (deflated JSON), the graphs (each deflated); offsets count
from behind the index.
"""
import contextlib
import copy
import io
import json
import logging
import math
import os
import struct
import sys
import tempfile
import time
import warnings
import zlib

import numpy as np
import onnx
import timm
import torch
import torchvision

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
torch.set_num_threads(int(os.environ.get("THREADS", "2")))
OPSET, CLASSES, PERIOD = 17, 10, 8191

TORCHVISION = """alexnet convnext_base convnext_large convnext_small convnext_tiny densenet121 densenet161 densenet169 densenet201
    efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_v2_l
    efficientnet_v2_m efficientnet_v2_s googlenet inception_v3 mnasnet0_5 mnasnet0_75 mnasnet1_0 mnasnet1_3 mobilenet_v2
    mobilenet_v3_large mobilenet_v3_small regnet_x_16gf regnet_x_1_6gf regnet_x_32gf regnet_x_3_2gf regnet_x_400mf
    regnet_x_800mf regnet_x_8gf regnet_y_16gf regnet_y_1_6gf regnet_y_32gf regnet_y_3_2gf regnet_y_400mf regnet_y_800mf
    regnet_y_8gf resnet101 resnet152 resnet18 resnet34 resnet50 resnext101_32x8d resnext101_64x4d resnext50_32x4d
    shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0 squeezenet1_0 squeezenet1_1 swin_s swin_t
    vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn vit_b_16 vit_b_32 wide_resnet101_2 wide_resnet50_2""".split()
TIMM = """resnet18 resnet18d resnet26 resnet26d resnet26t resnet34 resnet34d resnet50 resnet50d resnet50t resnet101 resnet101d
    resnet152 resnet152d resnet50_gn resnext50_32x4d resnext50d_32x4d resnext101_32x4d resnext101_32x8d wide_resnet50_2
    seresnet18 seresnet34 seresnet50 seresnet101 seresnext26d_32x4d seresnext50_32x4d ecaresnet26t ecaresnet50d ecaresnet50t
    skresnet18 skresnet34 skresnext50_32x4d resnetblur50 resnetaa50 resnetrs50 resnetv2_50 resnetv2_50x1_bit
    resnest14d resnest26d resnest50d res2net50_26w_4s res2net50_14w_8s res2next50 senet154 legacy_seresnet50
    regnetx_002 regnetx_004 regnetx_006 regnetx_008 regnetx_016 regnetx_032 regnetx_064 regnetx_080 regnety_002 regnety_004
    regnety_006 regnety_008 regnety_016 regnety_032 regnety_040 regnety_064 regnety_080 regnetz_b16
    densenet121 densenet161 densenet169 densenet201 densenetblur121d
    efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_lite0 efficientnet_es
    efficientnet_em tf_efficientnet_b0 tf_efficientnet_b1 tf_efficientnet_b2 tf_efficientnet_b3 tf_efficientnet_b4
    tf_efficientnet_lite0 tf_efficientnet_lite1 tf_efficientnet_lite2 tf_efficientnet_lite3 tf_efficientnet_lite4
    tf_efficientnet_es tf_efficientnet_em tf_efficientnetv2_s tf_efficientnetv2_m tf_efficientnetv2_b0 tf_efficientnetv2_b1
    tf_efficientnetv2_b2 tf_efficientnetv2_b3 efficientnetv2_rw_t efficientnetv2_rw_s gc_efficientnetv2_rw_t
    mobilenetv2_050 mobilenetv2_100 mobilenetv2_110d mobilenetv2_120d mobilenetv2_140 mobilenetv3_large_100
    mobilenetv3_small_050 mobilenetv3_small_075 mobilenetv3_small_100 mobilenetv3_rw tf_mobilenetv3_large_075
    tf_mobilenetv3_large_100 tf_mobilenetv3_large_minimal_100 tf_mobilenetv3_small_100 mobilenetv4_conv_small
    mobilenetv4_conv_medium mobilenetv4_conv_large mobilenetv4_conv_aa_large mobilenetv4_hybrid_medium
    mnasnet_100 semnasnet_075 semnasnet_100 fbnetc_100 fbnetv3_b spnasnet_100 mixnet_s mixnet_m mixnet_l tf_mixnet_s tf_mixnet_m
    hardcorenas_a lcnet_050 lcnet_075 lcnet_100 tinynet_a tinynet_b tinynet_c tinynet_d tinynet_e rexnet_100 rexnet_130
    rexnet_150 rexnet_200 convnext_atto convnext_femto convnext_pico convnext_nano convnext_tiny convnext_small convnext_base
    convnextv2_atto convnextv2_femto convnextv2_pico convnextv2_nano convnextv2_tiny convnextv2_base
    nfnet_l0 eca_nfnet_l0 eca_nfnet_l1 dm_nfnet_f0 nf_resnet50 nf_regnet_b1 repvgg_a0 repvgg_a1 repvgg_a2 repvgg_b0 repvgg_b1
    repvgg_b2 vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn dpn48b dpn68 dpn68b dpn92 dpn98 inception_v3
    inception_v4 inception_resnet_v2 xception41 xception65 legacy_xception ghostnet_100 ghostnetv2_100 ghostnetv2_130
    hrnet_w18_small hrnet_w18_small_v2 hrnet_w18 hrnet_w30 hrnet_w32 darknet53 darknetaa53 cspdarknet53 cspresnet50 cspresnext50
    cs3darknet_m cs3darknet_l selecsls42b selecsls60 dla34 dla46_c dla60 dla102 dla60x ese_vovnet19b_dw ese_vovnet39b
    hardcorenas_c gernet_s gernet_m gernet_l mobileone_s0 mobileone_s1 fastvit_t8 starnet_s1 edgenext_xx_small
    repghostnet_100 poolformer_s12 poolformerv2_s12 mixer_s16_224 resmlp_12_224
    vit_tiny_patch16_224 vit_small_patch16_224 vit_small_patch32_224 vit_base_patch16_224 vit_base_patch32_224
    deit_tiny_patch16_224 deit_small_patch16_224 deit_base_patch16_224 deit3_small_patch16_224
    swin_tiny_patch4_window7_224 swin_small_patch4_window7_224""".split()


def weights_of(name):
    """torchvision's own preprocessing, from its newest weights, as timm's `pretrained_cfg` words it."""
    preset = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    crop, resize = preset.crop_size[0], preset.resize_size[0]
    return dict(size=[crop, crop], mean=list(preset.mean), std=list(preset.std), crop_pct=round(crop / resize, 4),
                interpolation=preset.interpolation.value, crop_mode="center")


def build(library, name, classes):
    if library == "timm":
        model = timm.create_model(name, num_classes=classes)
        cfg = model.pretrained_cfg
        pre = dict(size=list(cfg["input_size"][1:]), mean=list(cfg["mean"]), std=list(cfg["std"]), crop_pct=cfg["crop_pct"],
                   interpolation=cfg["interpolation"], crop_mode=cfg.get("crop_mode", "center"))
    else:
        more = dict(init_weights=False, aux_logits=True) if name in ("googlenet", "inception_v3") else {}
        model, pre = torchvision.models.get_model(name, weights=None, num_classes=classes, **more), weights_of(name)
    for m in model.modules():
        if hasattr(m, "inplace"):
            m.inplace = False
        if hasattr(m, "fused_attn"):
            m.fused_attn = False
    return model.eval(), pre


def uniform(count, k):
    i = np.arange(min(count, PERIOD), dtype=np.float64)
    x = np.sin(i * 12.9898 + k * 78.233) * 43758.5453
    return np.resize(x - np.floor(x), count)


def formula(name, shape, k, gain=1.0):
    """Tensor k of the signature: kernels by their fan-in, variances and one-dimensional weights around 1, the rest small."""
    u = uniform(math.prod(shape), k)
    if len([d for d in shape if d > 1]) > 1:
        u = (2 * u - 1) * (gain * math.sqrt(6 / math.prod(shape[1:])))
    elif name.endswith("running_var") or name.endswith(".weight"):
        u = 0.5 + u
    else:
        u = 0.2 * (2 * u - 1)
    return u.reshape(shape).astype(np.float32)


@torch.no_grad()
def fill(model, signature, gain=1.0):
    """The formula's numbers in a model's tensors."""
    state = model.state_dict()
    for k, (name, shape) in enumerate(signature):
        state[name].copy_(torch.from_numpy(formula(name, shape, k, gain)))


def exported(model, size, dynamic):
    """The graph as TorchScript's exporter makes it, without weights."""
    x = torch.rand(1, 3, *size)
    axes = {"input": {2: "height", 3: "width"}} if dynamic else None
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            torch.onnx.export(model, (x,), file.name, dynamo=False, opset_version=OPSET, export_params=False,
                              training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False, input_names=["input"],
                              output_names=["output"], dynamic_axes=axes)
        return onnx.load(file.name)


def stripped(proto, tensors, buffers):
    """Only what computes: weights are named and not there, what is no weight is there. Returns the weights that are read."""
    graph = proto.graph
    read = {name for node in graph.node for name in node.input}
    used = [i.name for i in graph.input if i.name in tensors and i.name in read]
    for i in graph.input:
        if i.name in read and i.name not in tensors and i.name != "input":
            graph.initializer.append(onnx.numpy_helper.from_array(buffers[i.name].numpy(), i.name))
    kept = [i for i in graph.input if i.name == "input"]
    del graph.input[:]
    graph.input.extend(kept)
    graph.input[0].type.tensor_type.shape.dim[1].Clear()
    del graph.value_info[:]
    proto.doc_string = graph.doc_string = ""
    proto.producer_name, proto.producer_version = "", ""
    for node in graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    return used


def computed(model, x):
    """A few logits and the norm of a logit's gradient."""
    x = x.clone().requires_grad_()
    z = model(x)
    z = (z[0] if isinstance(z, tuple) else z)[0]
    z[3].backward()
    return z[:5].detach().double(), x.grad.double().norm().item()


def figures(model, signature, size):
    """A few logits and the norm of a logit's gradient, in float64, with kernels as large as float32 follows them."""
    x = (2 * uniform(3 * size[0] * size[1], 100_000) - 1).astype(np.float32).reshape(1, 3, *size)
    x = torch.from_numpy(x)
    for gain in (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12):
        single, double = copy.deepcopy(model), copy.deepcopy(model).double()
        for one in single, double:
            fill(one, signature, gain)
        (near, slope), (logits, gradient) = computed(single, x), computed(double, x.double())
        if (near - logits).abs().max() < 2e-5 * logits.abs().max() and abs(slope - gradient) < 1e-3 * gradient:
            break
    else:
        raise ValueError("float32 does not follow it, however small its kernels are")
    gain = {} if gain == 1.0 else dict(gain=gain)
    return dict(size=size, **gain, logits=[float(f"{v:.9g}") for v in logits.tolist()], gradient=float(f"{gradient:.9g}"))


def entry(library, name):
    model, pre = build(library, name, CLASSES)
    state = {k: v for k, v in model.state_dict().items() if v.is_floating_point()}
    try:
        with torch.device("meta"):
            other, _ = build(library, name, CLASSES + 1)
    except NotImplementedError:  # it computes with its fresh weights
        other, _ = build(library, name, CLASSES + 1)
    head = [k for k, v in other.state_dict().items() if k in state and v.shape != state[k].shape]
    first = next((k for k, v in state.items() if v.dim() == 4 and v.shape[1] == 3), None)
    tokens = any(part in name for part in ("vit_", "deit", "swin", "mixer", "resmlp", "hybrid"))
    # The exporter takes tensors of the same numbers for one, and fresh batch-norms all have the same.
    fill(model, [(k, v.shape) for k, v in state.items()])
    try:
        proto = exported(model, pre["size"], not tokens)
    except torch.onnx.errors.SymbolicValueError:  # adaptive pooling to several places wants to know how many there are
        tokens = True
        proto = exported(model, pre["size"], False)
    used = stripped(proto, state, dict(model.named_buffers()))
    signature = [[k, list(v.shape)] for k, v in state.items() if k in set(used)]
    # timm's VGGs have a kernel of 7×7 behind their maps, and pool smaller ones to that size: a branch that no trace takes.
    small = pre["size"] if tokens or name.startswith("vgg") else [96, 96]
    return dict(name=name, library=library, input=pre, head=head, first=first, tensors=signature,
                figures=figures(model, signature, small)), proto.SerializeToString()


def deflated(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    return packer.compress(data) + packer.flush()


def same(a, b):
    """Whether two are one network under two names."""
    near = lambda x, y: math.isclose(x, y, rel_tol=1e-6)
    return (a["tensors"] == b["tensors"] and a["figures"]["size"] == b["figures"]["size"]
            and a["figures"].get("gain") == b["figures"].get("gain")
            and near(a["figures"]["gradient"], b["figures"]["gradient"])
            and all(map(near, a["figures"]["logits"], b["figures"]["logits"])))


def held(path):
    """The entries of a file and their graphs; none if it is not there."""
    if not os.path.exists(path):
        return [], []
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[8:16])[0]
    entries = json.loads(zlib.decompress(data[16:16 + size], -15))["architectures"]
    start = 16 + size
    return entries, [data[start + e["offset"]:start + e["offset"] + e["length"]] for e in entries]


def write(out, entries, graphs):
    index = dict(opset=OPSET, torch=torch.__version__.split("+")[0], torchvision=torchvision.__version__.split("+")[0],
                 timm=timm.__version__, architectures=entries)
    packed = deflated(json.dumps(index, separators=(",", ":")).encode())
    with open(out, "wb") as file:
        file.write(b"GLZOO1\n\0" + struct.pack("<Q", len(packed)) + packed + b"".join(graphs))
    print(f"{len(entries)} architectures, {os.path.getsize(out) / 1e6:.2f} MB, index {len(packed) / 1e6:.2f} MB")


def figures_anew(out, wanted):
    entries, graphs = held(out)
    unknown = wanted - {own["name"] for own in entries}
    if unknown or not wanted:
        sys.exit(f"give names of entries of {out}; it has none called {', '.join(sorted(unknown))}")
    for own in entries:
        if own["name"] in wanted:
            torch.manual_seed(0)
            model, _ = build(own["library"], own["name"], CLASSES)
            own["figures"] = figures(model, own["tensors"], own["figures"]["size"])
            print(own["library"], own["name"], own["figures"], flush=True)
    write(out, entries, graphs)


def main():
    out, wanted = sys.argv[1], set(sys.argv[2:])
    if "--figures" in wanted:
        return figures_anew(out, wanted - {"--figures"})
    entries, graphs, failed = *held(out), []
    start = time.time()
    for library, names in (("timm", TIMM), ("torchvision", TORCHVISION)):
        for name in dict.fromkeys(names):
            known = any(e["library"] == library and e["name"] == name for e in entries)
            if known or wanted and name not in wanted:
                continue
            try:
                torch.manual_seed(0)
                found, graph = entry(library, name)
            except Exception as error:
                failed.append(name)
                print(f"{library} {name}: {str(error).splitlines()[:1]}", flush=True)
                continue
            twin = next((e for e in entries if same(e, found)), None)
            if twin:
                if found["name"] != twin["name"]:
                    twin.setdefault("aliases", []).append(found["name"])
                print(f"{library} {name}: the same as {twin['library']} {twin['name']}", flush=True)
                continue
            packed = deflated(graph)
            found |= dict(offset=sum(map(len, graphs)), length=len(packed), unpacked=len(graph))
            entries.append(found)
            graphs.append(packed)
            print(f"{library} {name}: {len(graph) // 1000} kB, {len(packed) // 1000} kB packed, logits "
                  f"{found['figures']['logits'][:2]}, {time.time() - start:.0f} s", flush=True)
    write(out, entries, graphs)
    print(f"failed: {failed}")


if __name__ == "__main__":
    main()
