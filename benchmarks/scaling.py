"""What many GPUs bring: bytes all-reduced per step, and the efficiency that link speeds allow.

  python benchmarks/scaling.py
  python benchmarks/scaling.py --step_ms 120 --pairs_per_gpu 2

Only a calculation: the parameters are counted in the networks of configs/vox.py, the time of a step
on one GPU is given (measure it: benchmarks/bm_training.py) or assumed, the links are given. Prints
the tables of docs/scaling.md.
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from absl import app, flags

from configs import vox
from reenact_jax.config import from_config_dict
from reenact_jax.nn.initialise import parameter_shapes

_STEP_MS = flags.DEFINE_float(
    "step_ms", None, "Time of a step on one GPU with its share of the batch; default: assumed."
)
_PAIRS = flags.DEFINE_integer("pairs_per_gpu", 2, "Pairs per GPU and step: 8 on 4 GPUs are 2.")
_GPUS_PER_NODE = flags.DEFINE_integer("gpus_per_node", 8, "GPUs of a node.")
_NODE_GBS = flags.DEFINE_float(
    "node_gbs", 450.0, "GB/s a GPU sends within a node; NVLink of an H100: 450."
)
_NETWORK_GBS = flags.DEFINE_float(
    "network_gbs", 50.0, "GB/s a GPU sends between nodes; one 400 Gb/s InfiniBand port: 50."
)
_LATENCY_US = flags.DEFINE_float("latency_us", 10.0, "Microseconds for one hop of a ring.")

# Assumed without --step_ms: multiply-accumulates of an example, 256 x 256. The networks' forward
# pass has 93 G, the backward pass twice that. VGG-19 to relu5_1 on four scales has 32 G: forward
# for picture and truth, and backward to the picture alone.
_TRAIN_GMAC = 3 * 93 + 3 * 32
_ASSUMED_TFLOPS = 0.4 * 989  # 40 % of an H100's dense bfloat16 peak

BYTES_PER_NUMBER = 4  # gradients are float32


def num_parameters() -> int:
    """Numbers in the gradient of the paper's two networks."""
    import jax

    shapes = parameter_shapes(from_config_dict(vox.get_config()).network)
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def ring_seconds(num_bytes: float, members: int, bytes_per_second: float, hop: float) -> float:
    """Time of a ring all-reduce: each member sends 2 (n - 1) / n of the bytes in 2 (n - 1) hops."""
    return 2 * (members - 1) * (num_bytes / members / bytes_per_second + hop)


def all_reduce_seconds(
    num_bytes: float, num_gpus: int, per_node: int, node: float, network: float, hop: float
) -> float:
    """Time to average gradients over all GPUs.

    Within each node first (every GPU ends with its share of the sum), then each share between the
    nodes, every GPU over a port of its own, then back within the node.
    """
    local = min(num_gpus, per_node)
    seconds = ring_seconds(num_bytes, local, node, hop)
    nodes = -(-num_gpus // per_node)
    return seconds + ring_seconds(num_bytes / local, nodes, network, hop)


def efficiency(step_seconds: float, reduce_seconds: float, *, hidden: bool) -> float:
    """Share of ideal speed: with all of the all-reduce waited for, or hidden as far as possible.

    It can hide behind the backward pass, which is taken as two thirds of the step.
    """
    if hidden:
        visible = max(0.0, reduce_seconds - 2 / 3 * step_seconds)
    else:
        visible = reduce_seconds
    return step_seconds / (step_seconds + visible)


def main(argv: list[str]) -> None:
    del argv
    count = num_parameters()
    num_bytes = BYTES_PER_NUMBER * count
    pairs = _PAIRS.value
    if _STEP_MS.value is None:
        step = pairs * _TRAIN_GMAC * 2e9 / (_ASSUMED_TFLOPS * 1e12)
        origin = f"assumed: {_TRAIN_GMAC} GMAC a pair at {_ASSUMED_TFLOPS:.0f} TFLOP/s"
    else:
        step, origin = _STEP_MS.value / 1e3, "given"
    print(f"parameters: {count:,}; all-reduced per step: {num_bytes / 1e6:.1f} MB (float32)")
    print(f"step on one GPU, {pairs} pairs: {1e3 * step:.2f} ms ({origin})")
    print(
        f"links: {_NODE_GBS.value:g} GB/s within a node of {_GPUS_PER_NODE.value}, "
        f"{_NETWORK_GBS.value:g} GB/s per GPU between nodes, {_LATENCY_US.value:g} us a hop"
    )
    print(
        "| GPUs | global batch | MB sent per GPU | all-reduce | efficiency | if hidden | pairs/s |"
    )
    print("|---|---|---|---|---|---|---|")
    for gpus in (4, 32, 256):
        seconds = all_reduce_seconds(
            num_bytes,
            gpus,
            _GPUS_PER_NODE.value,
            1e9 * _NODE_GBS.value,
            1e9 * _NETWORK_GBS.value,
            1e-6 * _LATENCY_US.value,
        )
        exposed = efficiency(step, seconds, hidden=False)
        hidden = efficiency(step, seconds, hidden=True)
        sent = 2 * (gpus - 1) / gpus * num_bytes / 1e6
        print(
            f"| {gpus} | {gpus * pairs} | {sent:.0f} | {1e3 * seconds:.2f} ms | {exposed:.0%} | "
            f"{hidden:.0%} | {gpus * pairs / step * exposed:,.0f} |"
        )


if __name__ == "__main__":
    app.run(main)
