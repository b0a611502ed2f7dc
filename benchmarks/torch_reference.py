"""The same two networks, loss and optimiser in PyTorch, for benchmarks/bm_training.py alone.

Not for use: the project's networks are those of reenact_jax/nn. This file imports torch and numpy
only, so that it runs in another environment than JAX. Names follow the Flax parameter tree, so that
weights are moved by their paths.

    python benchmarks/torch_reference.py FOLDER

answers commands on stdin, one a line, with one line of JSON each. FOLDER holds `options.json` and
`arrays.npz` (weights under params/, VGG-19's under vgg/, a batch under batch/, all in Flax's
layout). `check` writes outputs and gradients to FOLDER/torch.npz; `time NAME COUNT` answers with
COUNT times in seconds; `flops` and `memory` answer with numbers.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

DECODER_SLOPE = 0.2


def leaky_relu(x: torch.Tensor, slope: float = 0.1) -> torch.Tensor:
    return functional.leaky_relu(x, slope, inplace=False)


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, (size - 1) // 2)


def layer_norm(channels: int) -> nn.Module:
    """Over channels, height and width together, affine per channel."""
    return nn.GroupNorm(1, channels)


class AdaIN(nn.Module):
    def __init__(self, channels: int, code: int, hidden: int):
        super().__init__()
        self.hidden = nn.Linear(code, hidden)
        self.gamma_beta = nn.Linear(hidden, 2 * channels)

    def forward(self, x, code):
        style = self.gamma_beta(functional.relu(self.hidden(code)))[..., None, None]
        gamma, beta = style.chunk(2, dim=1)
        return functional.instance_norm(x) * (1 + gamma) + beta


class Spade(nn.Module):
    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.shared = conv(3, hidden)
        self.gamma_beta = conv(hidden, 2 * channels)

    def forward(self, x, guidance):
        guidance = functional.interpolate(guidance, x.shape[2:], mode="nearest")
        gamma, beta = self.gamma_beta(functional.relu(self.shared(guidance))).chunk(2, dim=1)
        return functional.instance_norm(x) * (1 + gamma) + beta


class EncoderBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, code: int, hidden: int):
        super().__init__()
        self.norm0 = AdaIN(inputs, code, hidden)
        self.conv0 = conv(inputs, outputs, 4, stride=2)
        self.norm1 = AdaIN(outputs, code, hidden)
        self.conv1 = conv(outputs, outputs)

    def forward(self, x, code):
        x = self.conv0(leaky_relu(self.norm0(x, code)))
        return self.conv1(leaky_relu(self.norm1(x, code)))


def transposed_conv(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)


class DecoderBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, code: int, hidden: int):
        super().__init__()
        self.norm0 = AdaIN(inputs, code, hidden)
        self.conv0 = conv(inputs, outputs)
        self.norm1 = AdaIN(outputs, code, hidden)
        self.conv1 = transposed_conv(outputs, outputs)
        self.norm_shortcut = AdaIN(inputs, code, hidden)
        self.conv_shortcut = transposed_conv(inputs, outputs)

    def forward(self, x, code):
        main = self.conv0(leaky_relu(self.norm0(x, code)))
        main = self.conv1(leaky_relu(self.norm1(main, code)))
        return main + self.conv_shortcut(leaky_relu(self.norm_shortcut(x, code)))


class Completion(nn.Module):
    """Source image and motion descriptor -> flow, occlusion and two fusion weights."""

    def __init__(self, config: dict):
        super().__init__()
        self.config = config
        code, adain = config["descriptor_hidden"], config["adain_hidden"]

        def width(level: int) -> int:
            return min(config["base_channels"] * 2**level, config["max_channels"])

        self.descriptor = nn.ModuleDict(
            {f"linear{i}": nn.Linear(code if i else config["descriptor_dim"], code)
             for i in range(3)}
        )  # fmt: skip
        self.input = conv(3, width(0), 7)
        depth = config["num_down"]
        for i in range(depth):
            self.add_module(f"encoder{i}", EncoderBlock(width(i), width(i + 1), code, adain))
        channels = width(depth)
        self.decoded = range(depth - config["num_up"], depth)
        for i in reversed(self.decoded):
            self.add_module(f"decoder{i}", DecoderBlock(channels, width(i), code, adain))
            channels = 2 * width(i)
        self.head_norm = nn.ModuleDict({"affine": layer_norm(channels)})
        self.head = conv(channels, 5, 7)

    def forward(self, image, descriptor):
        code = descriptor
        for i in range(3):
            code = self.descriptor[f"linear{i}"](leaky_relu(code) if i else code)
        x = self.input(image)
        levels = [x]
        for i in range(self.config["num_down"]):
            x = getattr(self, f"encoder{i}")(x, code)
            levels.append(x)
        for i in reversed(self.decoded):
            x = torch.cat([getattr(self, f"decoder{i}")(x, code), levels[i]], dim=1)
        x = self.head(leaky_relu(self.head_norm["affine"](x))).float()
        unit = torch.sigmoid(x[:, 2:])
        scale = torch.tensor([2 / x.shape[3], 2 / x.shape[2]], device=x.device)
        return {
            "F_p": x[:, :2] * scale[:, None, None],
            "O_p": unit[:, 0:1],
            "M_f": unit[:, 1:2],
            "M_o": unit[:, 2:3],
        }


class ConvBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, size: int = 3):
        super().__init__()
        self.conv = conv(inputs, outputs, size)
        self.norm = nn.ModuleDict({"affine": layer_norm(outputs)})

    def forward(self, x):
        return leaky_relu(self.norm["affine"](self.conv(x)))


class Scaled(nn.Module):
    """A ConvBlock before a 2x2 mean, or after a nearest doubling."""

    def __init__(self, inputs: int, outputs: int, *, up: bool):
        super().__init__()
        self.block, self.up = ConvBlock(inputs, outputs), up

    def forward(self, x):
        if self.up:
            return self.block(functional.interpolate(x, scale_factor=2, mode="nearest"))
        return functional.avg_pool2d(self.block(x), 2)


class ResidualBlock(nn.Module):
    def __init__(self, channels: int, spade_hidden: int):
        super().__init__()
        for i in range(2):
            self.add_module(f"norm{i}", Spade(channels, spade_hidden))
            self.add_module(f"conv{i}", conv(channels, channels))

    def forward(self, x, guidance):
        y = x
        for i in range(2):
            y = leaky_relu(getattr(self, f"norm{i}")(y, guidance), DECODER_SLOPE)
            y = getattr(self, f"conv{i}")(y)
        return x + y


class Reenactment(nn.Module):
    """Encoder, warped and masked skips, SPADE decoder."""

    def __init__(self, config: dict):
        super().__init__()
        self.depth, self.num_blocks = config["num_down"], config["num_residual_blocks"]

        def width(level: int) -> int:
            return min(config["base_channels"] * 2**level, config["max_channels"])

        self.encoder_input = ConvBlock(3, width(0), 7)
        for i in range(self.depth):
            self.add_module(f"down{i}", Scaled(width(i), width(i + 1), up=False))
        for i in range(self.depth):
            for j in range(self.num_blocks):
                block = ResidualBlock(width(i + 1), config["spade_hidden"])
                self.add_module(f"residual{i}_{j}", block)
            self.add_module(f"up{i}", Scaled(width(i + 1), width(i), up=True))
            self.add_module(f"jump{i}", ConvBlock(width(i), width(i)))
        self.output = conv(width(0), 3, 7)

    def forward(self, image, flow, occlusion, rendering):
        x = self.encoder_input(image)
        levels = [x]
        for i in range(self.depth):
            x = getattr(self, f"down{i}")(x)
            levels.append(x)
        levels = [warp_and_mask(level, flow, occlusion) for level in levels]
        x = levels[-1]
        for i in reversed(range(self.depth)):
            for j in range(self.num_blocks):
                x = getattr(self, f"residual{i}_{j}")(x, rendering)
            x = getattr(self, f"up{i}")(x) + getattr(self, f"jump{i}")(levels[i])
        return torch.tanh(self.output(x).float())


def resize(x: torch.Tensor, size) -> torch.Tensor:
    if x.shape[2:] == size:
        return x
    return functional.interpolate(x, size, mode="bilinear", align_corners=False)


def warp_and_mask(features, flow, occlusion):
    size = features.shape[2:]
    x = (2 * torch.arange(size[1], device=flow.device) + 1) / size[1] - 1
    y = (2 * torch.arange(size[0], device=flow.device) + 1) / size[0] - 1
    own = torch.stack([x.expand(size), y[:, None].expand(size)], dim=-1)
    grid = own + resize(flow, size).permute(0, 2, 3, 1)
    warped = functional.grid_sample(features, grid.to(features.dtype), align_corners=False)
    return warped * resize(occlusion, size).to(features.dtype)


class Generator(nn.Module):
    """Both networks and the fusion at full resolution (Eqs. 6, 7)."""

    def __init__(self, config: dict):
        super().__init__()
        self.completion = Completion(config["completion"])
        self.reenactment = Reenactment(config["reenactment"])

    def fuse(self, maps, batch):
        size, mask = batch["flow"].shape[2:], batch["mask"]
        maps = {name: resize(value, size) for name, value in maps.items()}
        flow_weight = 1 - mask * (1 - maps["M_f"])
        occlusion_weight = 1 - mask * (1 - maps["M_o"])
        flow = flow_weight * maps["F_p"] + (1 - flow_weight) * batch["flow"]
        occlusion = occlusion_weight * maps["O_p"] + (1 - occlusion_weight) * batch["occlusion"]
        return flow, occlusion

    def forward(self, batch):
        maps = self.completion(batch["source_image"], batch["descriptor"])
        flow, occlusion = self.fuse(maps, batch)
        return self.reenactment(batch["source_image"], flow, occlusion, batch["rendering"])


VGG_BLOCKS = ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28,))
VGG_WIDTHS = (64, 128, 256, 512, 512)


class VGG19(nn.Module):
    """relu1_1 ... relu5_1."""

    def __init__(self):
        super().__init__()
        inputs = 3
        self.features = nn.ModuleDict()
        for block, outputs in zip(VGG_BLOCKS, VGG_WIDTHS, strict=True):
            for number in block:
                self.features[str(number)] = conv(inputs, outputs)
                inputs = outputs
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(self, images):
        x = ((images + 1) / 2 - self.mean) / self.std
        found = []
        for block in VGG_BLOCKS:
            if found:
                x = functional.max_pool2d(x, 2)
            for index, number in enumerate(block):
                x = functional.relu(self.features[str(number)](x))
                if index == 0:
                    found.append(x)
        return found


def gram(x):
    # Summed over up to 65,536 pixels: in float32, as ours is.
    x = x.flatten(2)
    with torch.autocast(x.device.type, enabled=False):
        x = x.float()
        return x @ x.transpose(1, 2) / (x.shape[1] * x.shape[2])


def distance(a, b):
    return sum((x.float() - y.float()).abs().mean() for x, y in zip(a, b, strict=True))


class Loss(nn.Module):
    """L_c + 250 L_s (Eqs. 8-10), L_c over a pyramid of 2x2 means."""

    def __init__(self, options: dict):
        super().__init__()
        self.vgg = VGG19().requires_grad_(False)
        self.scales, self.weights = options["num_scales"], options["loss"]

    def forward(self, image, truth):
        total = 0.0
        for scale in range(self.scales):
            if scale:
                image, truth = functional.avg_pool2d(image, 2), functional.avg_pool2d(truth, 2)
            with torch.no_grad():
                wanted = self.vgg(truth)
            found = self.vgg(image)
            total = total + self.weights["perceptual"] * distance(found, wanted)
            if scale == 0:
                style = distance(map(gram, found), map(gram, wanted))
                total = total + self.weights["style"] * style
        return total


def load(module: nn.Module, arrays: dict[str, np.ndarray], prefix: str) -> None:
    """Moves Flax arrays in by their paths; every array and every parameter must be met."""
    state, renamed = module.state_dict(), {"kernel": "weight", "scale": "weight", "bias": "bias"}
    given = {}
    for path, array in arrays.items():
        if not path.startswith(prefix):
            continue
        *parents, leaf = path[len(prefix) :].split("/")
        given[".".join([*parents, renamed[leaf]])] = to_torch(path, array)
    missing = state.keys() - given.keys() - {"mean", "std"}
    if missing or given.keys() - state.keys():
        raise ValueError(
            f"missing {sorted(missing)}, unknown {sorted(given.keys() - state.keys())}"
        )
    module.load_state_dict({name: torch.from_numpy(a) for name, a in given.items()}, strict=False)


def is_transposed(path: str) -> bool:
    return "/decoder" in path and ("/conv1/" in path or "/conv_shortcut/" in path)


def to_torch(path: str, array: np.ndarray) -> np.ndarray:
    if array.ndim == 2:
        return np.ascontiguousarray(array.T)
    if array.ndim == 4 and is_transposed(path):
        return np.ascontiguousarray(array[::-1, ::-1].transpose(2, 3, 0, 1))
    return np.ascontiguousarray(array.transpose(3, 2, 0, 1)) if array.ndim == 4 else array


def to_flax(path: str, array: np.ndarray) -> np.ndarray:
    if array.ndim == 2:
        return array.T
    if array.ndim == 4 and is_transposed(path):
        return array[:, :, ::-1, ::-1].transpose(2, 3, 0, 1)
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


class Reference:
    def __init__(self, folder: Path):
        self.folder = folder
        self.options = options = json.loads((folder / "options.json").read_text())
        self.device = torch.device(options["device"])
        torch.set_num_threads(options["threads"])
        torch.backends.cudnn.benchmark = True
        arrays = dict(np.load(folder / "arrays.npz"))
        self.paths = [name for name in arrays if name.startswith("params/")]
        self.generator, self.loss = Generator(options["network"]), Loss(options)
        load(self.generator, arrays, "params/")
        load(self.loss.vgg, arrays, "vgg/")
        layout = torch.channels_last if options["channels_last"] else torch.contiguous_format
        for module in (self.generator, self.loss):
            module.to(self.device).to(memory_format=layout)
        self.batch = {}
        for name, array in arrays.items():
            if name.startswith("batch/"):
                tensor = torch.from_numpy(array).to(self.device)
                if tensor.ndim == 4:  # NHWC seen as NCHW is channels_last already
                    tensor = tensor.permute(0, 3, 1, 2).contiguous(memory_format=layout)
                self.batch[name.removeprefix("batch/")] = tensor
        self.optimizer = torch.optim.Adam(
            self.generator.parameters(),
            lr=options["learning_rate"],
            betas=(0.5, 0.999),
            fused=True,
        )
        self.step = torch.compile(self.total) if options["compile"] else self.total

    def autocast(self):
        wanted = self.options["dtype"] == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=wanted)

    def total(self):
        with self.autocast():
            image = self.generator(self.batch)
            return self.loss(image, self.batch["driving_image"]), image

    def train(self):
        self.optimizer.zero_grad(set_to_none=True)
        self.step()[0].backward()
        self.optimizer.step()

    def backward(self):
        self.optimizer.zero_grad(set_to_none=True)
        self.step()[0].backward()

    def parts(self) -> dict:
        batch = self.batch

        def completion():
            return self.generator.completion(batch["source_image"], batch["descriptor"])

        def reenactment():
            return self.generator.reenactment(
                batch["source_image"], batch["flow"], batch["occlusion"], batch["rendering"]
            )

        def losses():
            return self.loss(batch["source_image"], batch["driving_image"])

        def forward_only(function):
            function = torch.compile(function) if self.options["compile"] else function

            def run():
                with torch.no_grad(), self.autocast():
                    function()

            return run

        return {
            "completion": forward_only(completion),
            "reenactment": forward_only(reenactment),
            "losses": forward_only(losses),
            "forward and backward": self.backward,
            "optimiser": lambda: self.optimizer.step(),
            "step": self.train,
        }

    def time(self, function, count: int) -> list[float]:
        seconds = []
        for _ in range(count):
            self.wait()
            start = time.perf_counter()
            function()
            self.wait()
            seconds.append(time.perf_counter() - start)
        return seconds

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def check(self) -> dict:
        """Output, loss and gradients before any update, in full float32 whatever is timed."""
        self.optimizer.zero_grad(set_to_none=True)
        torch.backends.cudnn.allow_tf32 = False
        image = self.generator(self.batch)
        loss = self.loss(image, self.batch["driving_image"])
        loss.backward()
        torch.backends.cudnn.allow_tf32 = True
        found = {"image": image.detach().float().cpu().numpy().transpose(0, 2, 3, 1)}
        for path in self.paths:
            *parents, leaf = path.removeprefix("params/").split("/")
            name = ".".join([*parents, "bias" if leaf == "bias" else "weight"])
            gradient = self.generator.get_parameter(name).grad.float().cpu().numpy()
            found[path] = to_flax(path, gradient)
        np.savez(self.folder / "torch.npz", **found)
        return {
            "loss": loss.item(),
            "parameters": sum(p.numel() for p in self.generator.parameters()),
            "version": torch.__version__,
        }

    def flops(self) -> int:
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            self.total()[0].backward()
        return counter.get_total_flops()

    def memory(self) -> int:
        """Bytes at the peak: the allocator's on a GPU, the process's on the CPU."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def set_priority(policy: str) -> None:
    """For `bm_training.py --realtime`: every thread of this process."""
    for thread in os.listdir("/proc/self/task"):
        number = os.SCHED_FIFO if policy == "realtime" else os.SCHED_OTHER
        os.sched_setscheduler(int(thread), number, os.sched_param(int(policy == "realtime")))


def main() -> None:
    reference = Reference(Path(sys.argv[1]))
    parts = None
    for line in sys.stdin:
        command, *arguments = line.strip().split("\t")
        if command == "check":
            answer = reference.check()
        elif command == "time":
            parts = parts or reference.parts()
            answer = reference.time(parts[arguments[0]], int(arguments[1]))
        elif command == "priority":
            answer = set_priority(arguments[0])
        else:
            answer = {"flops": reference.flops, "memory": reference.memory}[command]()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
