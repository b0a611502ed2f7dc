"""Speed of a training step by part, beside the same networks and loss in PyTorch, in one run.

    python benchmarks/bm_training.py [--torch-python PYTHON]        128 px, half width, batch 2
    python benchmarks/bm_training.py --paper [--batch 2]            256 px, the paper's width
    python benchmarks/bm_training.py --gpu-report                   what a GPU is asked for

PyTorch (benchmarks/torch_reference.py) runs in a process of its own, of the interpreter
--torch-python, because it need not be installed beside JAX; without it only our half is printed.
Both sides get the same weights, the same batch and the same number of threads. Before anything is
timed, their numbers of parameters must be equal, and their pictures, losses and gradients close.
Then single steps are timed in turns, so that other work on the machine slows both alike; the ratio
is the median over the turns. On the CPU PyTorch runs eagerly, with channels_last memory; on a GPU
with torch.compile and, for --dtype bfloat16, autocast.

Guidance is no part of the comparison. The parts are programs of their own: one program for all of
them does less than their sum.
"""

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# PyTorch's process needs room on the same GPU.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
import jax.numpy as jnp
import numpy as np
import optax

sys.path.insert(0, str(Path(__file__).parents[1]))
from configs import vox
from reenact_jax import method
from reenact_jax.config import Config, from_config_dict
from reenact_jax.face_model.load import load_face_model
from reenact_jax.losses.total import num_scales, reconstruction_loss
from reenact_jax.nn.completion import CompletionNetwork
from reenact_jax.nn.initialise import initial_parameters
from reenact_jax.nn.reenactment import ReenactmentNetwork
from reenact_jax.pretrained.vgg19 import random_vgg19, vgg19_features
from reenact_jax.training import parallel
from reenact_jax.training.optimizer import make_optimizer
from reenact_jax.training.state import TrainState
from reenact_jax.training.step import Constants, make_train_step

REFERENCE = Path(__file__).with_name("torch_reference.py")
# Threads that have worked wait busily for more; the other side's turn comes when they sleep.
PAUSE = 0.1
PARTS = ("completion", "reenactment", "losses")
# Dense bfloat16 peaks in TFLOP/s of the makers' data sheets, by a part of the device's name.
BF16_PEAKS = {"H200": 989, "H100": 989, "A100": 312, "L4": 121, "4090": 165, "V100": 125}

# Half the width of the paper's networks.
HALF = {
    "completion.base_channels": 16,
    "completion.max_channels": 128,
    "completion.descriptor_hidden": 128,
    "completion.adain_hidden": 64,
    "reenactment.base_channels": 32,
    "reenactment.max_channels": 128,
    "reenactment.spade_hidden": 64,
}


def make_config(options: argparse.Namespace) -> Config:
    values = vox.get_config()
    changes = {
        "image_size": options.size,
        "face_model.name": "procedural-full" if options.paper else "procedural-light",
        "face_model.path": "",
        "loss.vgg_weights": "random",
        "network.dtype": options.dtype,
        "train.batch_size": options.batch,
    }
    if not options.paper:
        changes |= {f"network.{key}": value for key, value in HALF.items()}
    values.update_from_flattened_dict(changes)
    return from_config_dict(values)


def make_batch(config: Config, face_model) -> dict[str, Any]:
    """Pairs of random people in random poses; the pictures are smooth noise."""
    rng = np.random.default_rng(0)
    count, size = config.train.batch_size, config.image_size

    def pictures() -> np.ndarray:
        coarse = rng.uniform(-1, 1, (count, size // 8, size // 8, 3)).astype(np.float32)
        return np.asarray(jax.image.resize(coarse, (count, size, size, 3), "bilinear"))

    def parameters(identity: np.ndarray):
        angles = rng.uniform(-0.4, 0.4, (count, 3)) * [1, 1, 0.3]
        expression = rng.uniform(0, 0.5, (count, face_model.widths["expression"]))
        return face_model.zeros((count,)).replace(
            identity=identity,
            expression=expression.astype(np.float32),
            rotation=angles.astype(np.float32),
        )

    identity = rng.normal(0, 0.5, (count, face_model.widths["identity"])).astype(np.float32)
    return {
        "source_image": pictures(),
        "driving_image": pictures(),
        "source": parameters(identity),
        "driving": parameters(identity),
    }


class Ours:
    """Our side: functions without arguments to time, and what XLA says about them."""

    def __init__(self, config: Config):
        self.config = config
        self.face_model = load_face_model(config.face_model.name, config.face_model.path)
        self.network = method.make_network(config, self.face_model)
        self.vgg = random_vgg19(0)
        self.batch = make_batch(config, self.face_model)
        self.optimizer = make_optimizer(config.train)
        self.params = moved(initial_parameters(self.network.config, jax.random.key(0)))
        self.opt_state = self.optimizer.init(self.params)
        guide = functools.partial(method.guide, config=config.guidance)
        self.guide = jax.jit(lambda model, image, source, driving: guide(
            model, source_images=image, source=source, driving=driving))  # fmt: skip
        batch = jax.device_put(self.batch)
        self.guide_inputs = (
            jax.device_put(self.face_model), batch["source_image"], batch["source"],
            batch["driving"],
        )  # fmt: skip
        self.inputs = (
            jax.device_put(self.vgg), batch["source_image"], batch["driving_image"],
            *self.guide(*self.guide_inputs),
        )  # fmt: skip
        self.gradients = jax.jit(jax.value_and_grad(self.loss_of(self.network), has_aux=True))

    def loss_of(self, network) -> Callable:
        """(parameters, *self.inputs) -> loss and pictures."""
        dtype, weights = jnp.dtype(network.config.dtype), self.config.loss.weights

        def loss(params, vgg, source_images, truth, guidance, descriptor):
            images, _ = method.generate(network, params, source_images, guidance, descriptor)
            features = functools.partial(vgg19_features, vgg, dtype=dtype)
            total, _ = reconstruction_loss(images, truth, features, weights)
            return total.mean(), images

        return loss

    def update(self, params, opt_state, gradients):
        updates, opt_state = self.optimizer.update(gradients, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    def networks_step(self, params, opt_state, *inputs):
        """What PyTorch is compared with: forward, loss, backward, update; no guidance."""
        (loss, _), gradients = self.gradients(params, *inputs)
        return *self.update(params, opt_state, gradients), loss

    def parts(self) -> dict[str, Callable[[], Any]]:
        """Name -> a compiled call on fixed inputs."""
        model, (vgg, source_images, truth, guidance, descriptor) = self.network.config, self.inputs
        dtype = jnp.dtype(model.dtype)
        completion = CompletionNetwork(model.completion, dtype)
        reenactment = ReenactmentNetwork(model.reenactment, dtype)

        def losses(vgg, image, truth):
            features = functools.partial(vgg19_features, vgg, dtype=dtype)
            return reconstruction_loss(image, truth, features, self.config.loss.weights)[0].mean()

        compiled = {
            "guidance": (self.guide, self.guide_inputs),
            "completion": (
                jax.jit(lambda p, *x: completion.apply({"params": p}, *x)),
                (self.params["completion"], source_images, descriptor),
            ),
            "reenactment": (
                jax.jit(lambda p, *x: reenactment.apply({"params": p}, *x)[0]),
                (self.params["reenactment"], source_images, guidance.flow, guidance.occlusion,
                 guidance.rendering),
            ),
            "losses": (jax.jit(losses), (vgg, source_images, truth)),
            "forward and backward": (self.gradients, (self.params, *self.inputs)),
            "optimiser": (jax.jit(self.update), (self.params, self.opt_state, self.params)),
        }  # fmt: skip
        return {
            name: functools.partial(function, *arguments)
            for name, (function, arguments) in compiled.items()
        }

    def check(self) -> dict[str, Any]:
        """Output, loss and gradients, in full float32 whatever is timed."""
        gradients = self.gradients
        if on_gpu() or self.network.config.dtype != "float32":
            exact = dataclasses.replace(self.network.config, dtype="float32")
            network = self.network.clone(config=exact)
            gradients = jax.jit(jax.value_and_grad(self.loss_of(network), has_aux=True))
        with jax.default_matmul_precision("highest"):
            (loss, images), gradient = gradients(self.params, *self.inputs)
        return {"loss": float(loss), "image": np.asarray(images), "gradients": flat(gradient)}


class Step:
    """A compiled step that keeps its own state, donated from call to call."""

    def __init__(self, function: Callable, state: tuple, inputs: tuple):
        self.state, self.inputs = jax.tree.map(jnp.copy, state), inputs
        lowered = jax.jit(function, donate_argnums=range(len(state))).lower(*state, *inputs)
        start = time.perf_counter()
        self.program = lowered.compile()
        self.compile_seconds = time.perf_counter() - start
        # On GPUs only the compiled program is counted.
        self.flops = (lowered.cost_analysis() or self.program.cost_analysis())["flops"]

    def __call__(self):
        *self.state, loss = self.program(*self.state, *self.inputs)
        return loss

    @property
    def bytes_held(self) -> int:
        """Arguments, results and temporaries of the program, as XLA plans them."""
        memory = self.program.memory_analysis()
        return (
            memory.argument_size_in_bytes + memory.output_size_in_bytes
            + memory.temp_size_in_bytes - memory.alias_size_in_bytes
        )  # fmt: skip


class WholeStep:
    """The step of training itself, guidance and all, on one device."""

    def __init__(self, ours: Ours):
        constants = Constants(face_model=ours.face_model, vgg=ours.vgg)
        # One device, whatever is there: a leading axis of one, as `parallel` makes it.
        self.constants = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], constants)
        state = jax.tree.map(np.asarray, TrainState.create(ours.params, ours.optimizer))
        self.state = jax.tree.map(lambda leaf: jnp.array(leaf)[None], state)
        self.batch = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], ours.batch)
        step = make_train_step(ours.config, ours.network, ours.optimizer)
        self.program = parallel.parallelise(step)

    def __call__(self):
        self.state, metrics = self.program(self.state, self.batch, self.constants)
        return metrics


class Torch:
    """The reference, driven line by line."""

    def __init__(self, ours: Ours, options: argparse.Namespace, folder: Path):
        config = ours.config
        self.folder = folder
        given = {
            "network": dataclasses.asdict(ours.network.config),
            "loss": dataclasses.asdict(config.loss.weights),
            "num_scales": num_scales(config.image_size),
            "dtype": options.dtype,
            "device": "cuda" if on_gpu() else "cpu",
            "compile": on_gpu(),
            "channels_last": options.torch_layout == "channels_last",
            "threads": num_threads(),
            "learning_rate": config.train.learning_rate,
        }
        (folder / "options.json").write_text(json.dumps(given))
        vgg, source_images, truth, guidance, descriptor = jax.device_get(ours.inputs)
        batch = vars(guidance) | {
            "source_image": source_images, "driving_image": truth, "descriptor": descriptor,
        }  # fmt: skip
        arrays = {f"params/{name}": array for name, array in flat(ours.params).items()}
        arrays |= {
            f"vgg/{name.replace('.', '/')}/{leaf}": array
            for name, layer in vgg.items()
            for leaf, array in layer.items()
        }
        arrays |= {f"batch/{name}": array for name, array in batch.items()}
        np.savez(folder / "arrays.npz", **arrays)
        self.process = subprocess.Popen(
            [options.torch_python, str(REFERENCE), str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, *command: str) -> Any:
        self.process.stdin.write("\t".join(command) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("the PyTorch process ended: its message is above")
        return json.loads(answer)

    def time(self, part: str) -> float:
        return self.ask("time", part, "1")[0]


def moved(params: dict) -> dict:
    """Initial parameters plus a little noise: of zero biases and head kernels no check is one."""
    rng = np.random.default_rng(1)
    return jax.tree.map(
        lambda leaf: leaf + np.float32(0.003) * rng.standard_normal(leaf.shape, np.float32), params
    )


def flat(tree: dict) -> dict[str, np.ndarray]:
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in leaves
    }


def on_gpu() -> bool:
    return jax.default_backend() == "gpu"


def num_threads() -> int:
    return len(os.sched_getaffinity(0))


def check_same(ours: Ours, reference: Torch) -> None:
    """Ends the run unless both sides compute the same."""
    found, mine = reference.ask("check"), ours.check()
    arrays = np.load(reference.folder / "torch.npz")
    count = sum(leaf.size for leaf in jax.tree.leaves(ours.params))
    squares = np.zeros(2)
    for name, gradient in mine["gradients"].items():
        theirs = arrays[f"params/{name}"].astype(np.float64)
        squares += [np.sum((gradient - theirs) ** 2), np.sum(theirs**2)]
    differences = {
        "picture": float(np.abs(mine["image"] - arrays["image"]).max()),
        "loss": abs(mine["loss"] / found["loss"] - 1),
        "gradient": float(np.sqrt(squares[0] / squares[1])),
    }
    # Measured: 6e-6, 5e-7, 1e-4. A layer that differs moves them by more than these limits.
    limits = {"picture": 1e-3, "loss": 1e-3, "gradient": 1e-2}
    print(
        f"PyTorch {found['version']}; parameters of both: {count:,}; in float32, largest "
        f"difference of the picture {differences['picture']:.1e}, relative one of the loss "
        f"{differences['loss']:.1e}, of the gradient {differences['gradient']:.1e}\n"
    )
    if found["parameters"] != count:
        sys.exit(f"not the same networks: {count} and {found['parameters']} parameters")
    for name, limit in limits.items():
        if not differences[name] < limit:
            sys.exit(f"not the same networks: the {name} differs by {differences[name]:.3g}")


def seconds_of(function: Callable) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


@contextlib.contextmanager
def foreground(reference: Torch | None, realtime: bool) -> Iterator[None]:
    """Keeps other programs away from all threads of both processes for a moment (as root)."""
    if not realtime:
        yield
        return

    def become(policy: str) -> None:
        priority = os.sched_param(int(policy == "realtime"))
        number = os.SCHED_FIFO if policy == "realtime" else os.SCHED_OTHER
        for thread in os.listdir("/proc/self/task"):
            os.sched_setscheduler(int(thread), number, priority)
        if reference:
            reference.ask("priority", policy)

    become("realtime")
    try:
        yield
    finally:
        become("other")


def in_turns(
    ours: Callable, reference: Torch | None, part: str, rounds: int, realtime: bool
) -> tuple[float, float | None, float | None]:
    """Median seconds of ours and of PyTorch, and the median of ours-to-PyTorch speed ratios."""
    seconds_of(ours)
    if reference:
        reference.time(part)
    mine, theirs = [], []
    for _ in range(rounds):
        with foreground(reference, realtime):
            time.sleep(PAUSE)
            mine.append(seconds_of(ours))
            time.sleep(PAUSE)
            if reference:
                theirs.append(reference.time(part))
    if not reference:
        return float(np.median(mine)), None, None
    ratio = np.median(np.divide(theirs, mine))
    return float(np.median(mine)), float(np.median(theirs)), float(ratio)


def peak_flops(dtype: str) -> tuple[float, str]:
    """FLOP/s that utilisation is a share of, and what that number is."""
    name = jax.devices()[0].device_kind
    for part, peak in BF16_PEAKS.items():
        if on_gpu() and dtype == "bfloat16" and part in name:
            return peak * 1e12, f"{peak} TFLOP/s, dense bfloat16, of the maker's data sheet"
    side = 8192 if on_gpu() else 2048
    matrix = jax.random.normal(jax.random.key(0), (side, side), dtype)
    product = jax.jit(jnp.matmul)
    seconds_of(lambda: product(matrix, matrix))
    best = min(seconds_of(lambda: product(matrix, matrix)) for _ in range(20))
    rate = 2 * side**3 / best
    return rate, f"{rate / 1e12:.2f} TFLOP/s: a {side} x {side} {dtype} matrix product in this run"


def report(options: argparse.Namespace) -> None:
    config = make_config(options)
    device = jax.devices()[0]
    width = "the paper's width" if options.paper else "half the paper's width"
    size, count = config.image_size, config.train.batch_size
    print(f"## {size} px, {width}, batch {count}, {options.dtype}\n")
    print(
        f"{device.platform} {device.device_kind}, {num_threads()} threads, jax {jax.__version__}, "
        f"{platform.platform()}, load {os.getloadavg()[0]:.1f} before the run"
    )
    for name in ("XLA_FLAGS", "GLIBC_TUNABLES"):
        print(f"{name}={os.environ.get(name, '')}")
    print(flush=True)
    ours = Ours(config)
    with tempfile.TemporaryDirectory() as folder:
        reference = Torch(ours, options, Path(folder)) if options.torch_python else None
        if reference:
            check_same(ours, reference)
        measure(ours, reference, options)
        if reference:
            reference.process.stdin.close()
            reference.process.wait()


def measure(ours: Ours, reference: Torch | None, options: argparse.Namespace) -> None:
    batch_size, rounds, realtime = options.batch, options.rounds, options.realtime
    step = Step(ours.networks_step, (ours.params, ours.opt_state), ours.inputs)
    mine, theirs, ratio = in_turns(step, reference, "step", rounds, realtime)
    theirs_memory = reference.ask("memory") if reference else None
    theirs_flops = reference.ask("flops") if reference and not on_gpu() else None

    def row(name: str, mine: float, theirs: float | None, ratio: float | None) -> None:
        cells = [f"{1e3 * mine:.1f} ms"]
        cells += [f"{1e3 * theirs:.1f} ms", f"{ratio:.2f}"] if ratio else ["-", "-"]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)

    print("| part | ours | PyTorch | our speed / PyTorch's |\n|---|---|---|---|")
    forward = np.zeros(2)
    for name, part in ours.parts().items():
        other = None if name == "guidance" else reference
        *seconds, ratio_of_part = in_turns(part, other, name, rounds, realtime)
        if name in PARTS:
            forward += [second or 0.0 for second in seconds]
            name += ", forward"
        row(name, *seconds, ratio_of_part)
        if name == "forward and backward":
            backward = [second or 0.0 for second in seconds] - forward
            row("backward: that less the three", *backward, other and backward[1] / backward[0])
    row("**step without guidance**, one program", mine, theirs, ratio)
    whole = in_turns(WholeStep(ours), None, "", rounds, realtime)
    row("step of training, guidance included", *whole)

    peak, origin = peak_flops(options.dtype)
    print("\n| | ours | PyTorch |\n|---|---|---|")

    def line(name, mine, theirs):
        print(f"| {name} | {mine} | {theirs if reference else '-'} |", flush=True)

    line("images per second, without guidance", f"{batch_size / mine:.2f}",
         f"{batch_size / theirs:.2f}" if theirs else "-")  # fmt: skip
    line("images per second, guidance included", f"{batch_size / whole[0]:.2f}", "-")
    line("model FLOPs of a step", f"{step.flops / 1e9:.1f} G (XLA's count)",
         f"{theirs_flops / 1e9:.1f} G (its counter)" if theirs_flops else "-")  # fmt: skip
    line("model FLOP utilisation, without guidance", f"{100 * step.flops / mine / peak:.0f} %",
         f"{100 * step.flops / theirs / peak:.0f} %" if theirs else "-")  # fmt: skip
    held = f"{step.bytes_held / 1e9:.2f} GB by XLA's plan"
    if on_gpu():
        held += f", {device_peak() / 1e9:.2f} GB allocated at most"
    what = "allocated at most" if on_gpu() else "of the whole process"
    line("peak memory", held, f"{theirs_memory / 1e9:.2f} GB {what}" if theirs_memory else "-")
    if not on_gpu():
        process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        line("peak memory of our process, compiler included", f"{process / 1e9:.2f} GB", "-")
    cached = " (perhaps out of the cache)" if jax.config.jax_compilation_cache_dir else ""
    line("compile time of the step", f"{step.compile_seconds:.1f} s{cached}", "-")
    print(f"\nPeak: {origin}.\n")


def device_peak() -> int:
    return jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]


def torch_is_there(python: str) -> bool:
    return subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--torch-python", default=sys.executable, help="interpreter with PyTorch")
    parser.add_argument("--paper", action="store_true", help="the paper's size and width")
    parser.add_argument("--size", type=int, help="side of the images; 128, or 256 with --paper")
    parser.add_argument("--batch", type=int, help="pairs a step; 2, or 8 with --paper")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--rounds", type=int, default=5, help="timed steps of each side")
    parser.add_argument(
        "--torch-layout", default="channels_last", choices=["channels_last", "contiguous"]
    )
    parser.add_argument(
        "--realtime", action="store_true", help="first in the processors' queue while timing; root"
    )
    parser.add_argument(
        "--gpu-report", action="store_true", help="--paper in bfloat16, batches of 8 and 32"
    )
    options = parser.parse_args()
    if not torch_is_there(options.torch_python):
        print(f"{options.torch_python} has no torch: only our half follows\n")
        options.torch_python = None
    if options.gpu_report:
        options.paper, options.dtype, options.rounds = True, "bfloat16", 20
    options.size = options.size or (256 if options.paper else 128)
    batches = [8, 32] if options.gpu_report else [options.batch or (8 if options.paper else 2)]
    for options.batch in batches:
        report(options)


if __name__ == "__main__":
    main()
