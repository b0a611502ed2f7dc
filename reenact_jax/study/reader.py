"""Reads face parameters off a picture: how the study measures motion and identity of predictions.

A small network, trained on true frames of the world's training people with their true parameters,
and on no prediction. It is a measuring instrument, equal for all variants; how far its readings are
off on true frames of unseen people is measured by `reading_errors`. Because it minimises squared
errors, what cannot be seen at this size is read as the mean, and adds nothing to a distance.
"""

import dataclasses
import functools
import hashlib
import io
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.stats import spearmanr
from tqdm import tqdm

from reenact_jax.data.frames import FrameDataset
from reenact_jax.data.images import resize_area
from reenact_jax.data.talking_heads.guidance_conditions import (
    REFERENCE_SIZE,
    project_landmarks,
    rotation_matrices,
)
from reenact_jax.errors import UserError
from reenact_jax.evaluation.pictures import PictureBatch
from reenact_jax.evaluation.scorers import Scores
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.files import write_bytes

# What is read, and how it weighs in training: the weight is spread over a group's numbers.
GROUPS = ("landmarks", "rotation", "expression", "identity")
_WIDTHS = (24, 48, 96, 128)
_HIDDEN = 256


class ReaderNetwork(nn.Module):
    """uint8 pictures (B, S, S, 3) -> `num_outputs` standardised numbers (B, N)."""

    num_outputs: int

    @nn.compact
    def __call__(self, pictures: jax.Array) -> jax.Array:
        x = pictures / 127.5 - 1.0
        for width in _WIDTHS:
            x = nn.Conv(width, (3, 3), strides=2)(x)
            x = nn.gelu(nn.GroupNorm(num_groups=8)(x))
        x = nn.gelu(nn.Dense(_HIDDEN)(x.reshape(x.shape[0], -1)))
        return nn.Dense(self.num_outputs)(x)


@dataclasses.dataclass(frozen=True)
class Reader:
    """A trained reader.

    Attributes:
      params: of the network.
      mean, scale: (N,) of the numbers in training: reading = mean + scale * output.
      widths: how many of them belong to each of `GROUPS`.
    """

    params: dict
    mean: np.ndarray
    scale: np.ndarray
    widths: tuple[int, ...]

    def read(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Readings of uint8 pictures (B, S, S, 3), S as in training; (B, K) of each group.

        Landmarks are 68 x (x, y) in pixels of 256, angles radians (pitch, yaw, roll), expressions
        weights, identity and colours in standard deviations.
        """
        outputs = _apply(ReaderNetwork(len(self.mean)), self.params, jnp.asarray(pictures))
        return self._split(self.mean + self.scale * np.asarray(outputs))

    def _split(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        parts = np.split(numbers, np.cumsum(self.widths)[:-1], axis=-1)
        return dict(zip(GROUPS, parts, strict=True))

    def sha256(self) -> str:
        """64 hex digits, those of its file."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """An .npz file, which `load_reader` reads."""
        leaves = {
            jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
            for path, leaf in jax.tree_util.tree_flatten_with_path(self.params)[0]
        }
        buffer = io.BytesIO()
        np.savez(buffer, mean=self.mean, scale=self.scale, widths=self.widths, **leaves)
        return buffer.getvalue()


@functools.partial(jax.jit, static_argnums=0)
def _apply(network: ReaderNetwork, params: dict, pictures: jax.Array) -> jax.Array:
    return network.apply({"params": params}, pictures.astype(jnp.float32))


def load_reader(path: Path) -> Reader:
    """Reads the file that `Reader.to_bytes` makes.

    Raises:
      UserError: if it is not there.
    """
    if not path.is_file():
        raise UserError(
            f"{path}: expected the reader of motion and identity, found none: "
            "`scripts/study.py --only reader` trains it"
        )
    with np.load(path, allow_pickle=False) as file:
        params: dict = {}
        for name in file.files:
            *folders, leaf = name.split("/")
            if folders:
                functools.reduce(lambda d, key: d.setdefault(key, {}), folders, params)[leaf] = (
                    file[name]
                )
        widths = tuple(int(width) for width in file["widths"])
        return Reader(params, file["mean"], file["scale"], widths)


def distances(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """How far readings lie apart, (B,) each.

    Returns:
      landmarks: mean distance of the 68, pixels of 256. pose: angle between the heads' rotations,
      degrees. expression: L2 over the weights. identity: L2 over identity and colour coefficients.
    """
    points = first["landmarks"] - second["landmarks"]
    turns = [rotation_matrices(one["rotation"]) for one in (first, second)]
    trace = np.einsum("bij,bij->b", *turns)
    return {
        "landmarks": np.linalg.norm(points.reshape(len(points), -1, 2), axis=-1).mean(axis=-1),
        "pose": np.degrees(np.arccos(np.clip(0.5 * (trace - 1.0), -1.0, 1.0))),
        "expression": np.linalg.norm(first["expression"] - second["expression"], axis=-1),
        "identity": np.linalg.norm(first["identity"] - second["identity"], axis=-1),
    }


class ReaderScorer:
    """Motion and identity of predictions: a scorer of `evaluation.score_pairs`."""

    def __init__(self, reader: Reader):
        self._reader = reader

    def describe(self) -> dict[str, Any]:
        read = "read off result and true answer by the reader of docs/study.md"
        return {
            "metrics": {
                "landmarks": f"mean distance of 68 landmarks, pixels of {REFERENCE_SIZE}; {read}",
                "pose": f"angle between the rotations of the head, degrees; {read}",
                "expression": f"L2 over the expression weights; {read}",
                "identity": f"L2 over identity and colour coefficients, deviations; {read}",
            },
            # Whoever trains a reader gets another one; its numbers compare among themselves alone.
            "weights": [
                {
                    "network": "the study's reader",
                    "file": "reader.npz",
                    "sha256": self._reader.sha256(),
                    "known": False,
                }
            ],
        }

    def score(self, batch: PictureBatch) -> Scores:
        truth = self._reader.read(batch.real["target"])
        columns = {}
        for method, pictures in batch.methods.items():
            for name, values in distances(self._reader.read(pictures), truth).items():
                columns[f"{method}/frame/{name}"] = np.where(batch.has_target, values, np.nan)
        return Scores(columns)


def true_numbers(head: str, faces: FaceParameters) -> dict[str, np.ndarray]:
    """What a perfect reader would read, (B, K) of each group; `faces` has leaves (B, K)."""
    landmarks = project_landmarks(head, faces) * REFERENCE_SIZE
    return {
        "landmarks": landmarks.reshape(len(landmarks), -1),
        "rotation": np.asarray(faces.rotation),
        "expression": np.asarray(faces.expression),
        "identity": np.concatenate([faces.identity, faces.texture], axis=-1),
    }


def load_frames(
    frames: FrameDataset, image_size: int
) -> tuple[np.ndarray, FaceParameters, np.ndarray]:
    """All pictures (N, S, S, 3) uint8, parameters with leaves (N, K), and persons (N,)."""
    examples = [frames[i] for i in tqdm(range(len(frames)), desc="reading", unit="frame")]
    pictures = np.stack([resize_area(example["image"], image_size) for example in examples])
    faces = jax.tree.map(lambda *rows: np.stack(rows), *[e["parameters"] for e in examples])
    return pictures, faces, np.array([example["person_id"] for example in examples])


def train_reader(
    pictures: np.ndarray,
    faces: FaceParameters,
    head: str,
    *,
    num_steps: int = 4000,
    batch_size: int = 64,
    seed: int = 0,
) -> Reader:
    """Trains a reader on true frames.

    Args:
      pictures: uint8 (N, S, S, 3).
      faces: their true parameters, leaves (N, K).
      head: size of the procedural head that they belong to.
      num_steps, batch_size: length of training.
      seed: of initial values, batches and the changes made to pictures.
    """
    truth = true_numbers(head, faces)
    widths = tuple(truth[name].shape[1] for name in GROUPS)
    numbers = np.concatenate([truth[name] for name in GROUPS], axis=-1).astype(np.float32)
    mean, scale = numbers.mean(axis=0), numbers.std(axis=0) + 1e-6
    weights = np.concatenate([np.full(width, 1.0 / width) for width in widths]).astype(np.float32)
    network = ReaderNetwork(len(mean))
    key = jax.random.key(seed)
    params = jax.jit(network.init)(key, jnp.zeros((1, *pictures.shape[1:])))["params"]
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-3, num_steps))

    @jax.jit
    def step(params, opt_state, rng, pictures, numbers):
        changed = _changed(rng, pictures.astype(jnp.float32))

        def loss_fn(params):
            outputs = network.apply({"params": params}, changed)
            error = outputs - (numbers - mean[None]) / scale[None]
            return (jnp.square(error) * weights[None]).sum(axis=-1).mean()

        loss, gradients = jax.value_and_grad(loss_fn)(params)
        updates, opt_state = optimizer.update(gradients, opt_state)
        return optax.apply_updates(params, updates), opt_state, loss

    opt_state = optimizer.init(params)
    rng = np.random.default_rng(seed)
    with tqdm(range(num_steps), desc="reader", unit="step") as progress:
        for number in progress:
            rows = rng.integers(len(pictures), size=batch_size)
            params, opt_state, loss = step(
                params, opt_state, jax.random.fold_in(key, number), pictures[rows], numbers[rows]
            )
            if number % 100 == 0:
                progress.set_postfix(loss=f"{float(loss):.3f}")
    return Reader(jax.tree.map(np.asarray, params), mean, scale, widths)


def _changed(rng: jax.Array, pictures: jax.Array) -> jax.Array:
    """Pictures (B, S, S, 3) in [0, 255], some of them blurred, noisy, brighter or darker.

    Predictions are softer than true frames; a reader that has seen sharp ones alone would measure
    that.
    """
    count = len(pictures)
    keys = jax.random.split(rng, 4)

    def uniform(key, low, high):
        return jax.random.uniform(key, (count, 1, 1, 1), minval=low, maxval=high)

    padded = jnp.pad(pictures, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    rows = sum(w * padded[:, k : k + pictures.shape[1]] for k, w in enumerate(_BLUR))
    blurred = sum(w * rows[:, :, k : k + pictures.shape[2]] for k, w in enumerate(_BLUR))
    softness = jnp.maximum(uniform(keys[0], -0.5, 1.0), 0.0)
    mixed = pictures + softness * (blurred - pictures)
    noise = uniform(keys[1], 0.0, 6.0) * jax.random.normal(keys[2], pictures.shape)
    return jnp.clip(mixed * uniform(keys[3], 0.85, 1.15) + noise, 0.0, 255.0)


# Binomial, a deviation of one pixel.
_BLUR = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def reading_errors(
    reader: Reader, pictures: np.ndarray, faces: FaceParameters, people: np.ndarray, head: str
) -> dict[str, float]:
    """How well a reader reads true frames of people it has not seen.

    Returns:
      Means of `distances` to the truth, those of a reader that always says the mean
      (`mean_...`); `same_person_auc`: how often two frames of one person (of different
      clips or times) are read closer in identity than two of different people; and `rank_...`:
      Spearman's correlation of the distances read between two frames with the true ones, of any
      two frames.
    """
    parts = [reader.read(pictures[k : k + 64]) for k in range(0, len(pictures), 64)]
    read = {name: np.concatenate([part[name] for part in parts]) for name in GROUPS}
    truth = true_numbers(head, faces)
    constant = reader._split(np.tile(reader.mean, (len(pictures), 1)))
    errors = {name: float(v.mean()) for name, v in distances(read, truth).items()}
    errors |= {f"mean_{name}": float(v.mean()) for name, v in distances(constant, truth).items()}
    rng = np.random.default_rng(0)
    first, second = rng.integers(len(pictures), size=(2, 20_000))
    apart = np.linalg.norm(read["identity"][first] - read["identity"][second], axis=-1)
    same = (people[first] == people[second]) & (first != second)
    other = people[first] != people[second]
    ranks = np.searchsorted(np.sort(apart[other]), apart[same])
    errors["same_person_auc"] = float(1.0 - ranks.mean() / other.sum())
    by_reader, by_truth = (
        distances(*({name: v[rows] for name, v in numbers.items()} for rows in (first, second)))
        for numbers in (read, truth)
    )
    for name in by_truth:
        errors[f"rank_{name}"] = float(spearmanr(by_reader[name], by_truth[name]).statistic)
    return errors


def save_reader(path: Path, reader: Reader) -> None:
    """Writes the file, whole or not at all."""
    write_bytes(path, reader.to_bytes())
