"""Scores a trained run on the fixed pairs of a dataset, beside three baselines."""

import dataclasses
import platform
from collections import Counter, defaultdict
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from reenact_jax import __version__, image_ops
from reenact_jax.data.frames import PairDataset
from reenact_jax.data.info import check_face_model
from reenact_jax.data.pipeline import pair_batches
from reenact_jax.guidance import Guidance
from reenact_jax.inference.run import TrainedRun
from reenact_jax.metrics import image as image_metrics

KINDS = ("self", "cross")
MODEL = "model"
BASELINES = {
    "copy_source": "the source image as it is",
    "warp": "the source image warped by F_c",
    "warp_and_paste": "I_r pasted over the source image warped by F_c",
}
_PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "numpy")


def baseline_images(source_images: jax.Array, guidance: Guidance) -> dict[str, jax.Array]:
    """The three baselines, (B, S, S, 3) in [-1, 1] each; see `BASELINES`."""
    warped = jax.vmap(image_ops.warp)(source_images, guidance.flow)
    pasted = jnp.where(guidance.mask > 0, guidance.rendering, warped)
    return {"copy_source": source_images, "warp": warped, "warp_and_paste": pasted}


def score(images: jax.Array, target: jax.Array, mask: jax.Array) -> dict[str, jax.Array]:
    """Metrics per pair, (B,) each, of images in [-1, 1] as they would be saved in 8 bits."""
    return _compare(_as_saved(images), _as_saved(target), mask)


@jax.jit
def _as_saved(images: jax.Array) -> jax.Array:
    return jnp.round(jnp.clip(image_ops.to_unit(images), 0.0, 1.0) * 255.0) / 255.0


# A program of its own: fused with the rounding, equal pictures would differ in the last bit and
# score 155 dB.
@jax.jit
def _compare(unit: jax.Array, target: jax.Array, mask: jax.Array) -> dict[str, jax.Array]:
    return {
        "psnr": image_metrics.psnr(unit, target),
        "psnr_face": image_metrics.psnr(unit, target, mask),
        "ssim": image_metrics.ssim(unit, target),
        "l1": image_metrics.l1(unit, target),
    }


def evaluate(run: TrainedRun, pairs: PairDataset) -> dict[str, Any]:
    """Scores every pair whose true answer is known.

    Returns:
      The content of metrics.json; `metrics/metrics.schema.json` is its schema.

    Raises:
      UserError: if the pairs belong to another face model.
    """
    check_face_model(pairs.info, run.face_model)
    config = run.config
    # kind -> method -> metric -> values of all pairs
    values = {kind: defaultdict(lambda: defaultdict(list)) for kind in KINDS}
    counts = Counter({f"{kind}/pairs": 0 for kind in KINDS})
    batches = pair_batches(
        pairs, batch_size=config.evaluate.batch_size, image_size=config.image_size
    )
    with tqdm(total=len(pairs), desc="evaluate", unit="pair") as progress:
        for batch in batches:
            scores = _score_batch(run, batch)
            for row in np.flatnonzero(batch["valid"]):
                kind = batch["kind"][row]
                counts[f"{kind}/pairs"] += 1
                if not batch["has_target"][row]:
                    counts[f"{kind}/without_answer"] += 1
                    continue
                for name, metrics in scores.items():
                    for metric, numbers in metrics.items():
                        values[kind][name][metric].append(float(numbers[row]))
            progress.update(int(batch["valid"].sum()))
    means = {name: {} for name in (MODEL, *BASELINES)}
    for kind, methods in values.items():
        for name, metrics in methods.items():
            for metric, numbers in metrics.items():
                finite = [number for number in numbers if np.isfinite(number)]
                if len(finite) < len(numbers):
                    counts[f"{kind}/{name}/without_{metric}"] = len(numbers) - len(finite)
                if finite:
                    means[name][f"{kind}/{metric}"] = float(np.mean(finite))
    return _report(run, pairs, means, dict(counts))


def _score_batch(run: TrainedRun, batch: dict) -> dict[str, dict[str, np.ndarray]]:
    images, guidance = run.reenact(batch["source_image"], batch["source"], batch["driving"])
    candidates = {MODEL: images} | baseline_images(batch["source_image"], guidance)
    return jax.device_get(
        {
            name: score(candidate, batch["target_image"], guidance.mask)
            for name, candidate in candidates.items()
        }
    )


def _report(
    run: TrainedRun, pairs: PairDataset, means: dict[str, dict[str, float]], counts: dict[str, int]
) -> dict[str, Any]:
    config = run.config
    return {
        "protocol": {
            "task": "self: driving frame of the source's own clip; cross: of another person",
            "prefixes": "self/ and cross/",
            "metrics": {
                "psnr": "dB, mean over pairs",
                "psnr_face": "dB inside the face mask of the target's parameters, mean over pairs",
                "ssim": "Gaussian window 11, sigma 1.5, biased variances, RGB mean",
                "l1": "mean absolute difference in [0, 1]",
            },
            "baselines": BASELINES,
            "image_size": config.image_size,
            "prediction": "rounded to 8 bits, not compressed",
            "pairs": pairs.list_hash,
            "run": config.name,
            "step": run.step,
            "vgg_weights": config.loss.vgg_weights,
            "guidance": dataclasses.asdict(config.guidance),
        },
        "metrics": means[MODEL],
        "baselines": {name: means[name] for name in BASELINES},
        "counts": counts,
        "versions": {"reenact-jax": __version__}
        | {name: version(name) for name in _PACKAGES}
        | {"python": platform.python_version()},
        "dataset": pairs.info.to_dict(),
    }


def table(report: dict[str, Any]) -> str:
    """The numbers of a report as a Markdown table, one row per method."""
    names = list(report["metrics"])
    rows = {MODEL: report["metrics"]} | report["baselines"]
    lines = [
        "| | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for method_name, numbers in rows.items():
        cells = (f"{numbers[n]:.3f}" if n in numbers else "-" for n in names)
        lines.append(f"| {method_name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
