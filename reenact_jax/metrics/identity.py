"""CSIM: how similar the identity of two pictures is, by an embedding of aligned faces.

The embedding is any function; with ArcFace's iresnet50 and ArcFace's alignment the number is called
`csim`, with dlib's network `csim_dlib`.
"""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from reenact_jax.metrics.scores import Scores, merge_reasons
from reenact_jax.metrics.similarity import ARCFACE, Template, align_faces

NO_FACE = "no face found"


@dataclasses.dataclass(frozen=True)
class Embeddings:
    """Embeddings of N pictures.

    Attributes:
      vectors: float32 (N, D), rows of NaN where there is none.
      reasons: N texts, None where there is a vector.
    """

    vectors: np.ndarray
    reasons: tuple[str | None, ...]

    @property
    def found(self) -> np.ndarray:
        """bool (N,)."""
        return np.asarray([reason is None for reason in self.reasons], bool)

    def __getitem__(self, rows: np.ndarray) -> "Embeddings":
        """Those of some pictures: indices or a mask (N,)."""
        chosen = np.arange(len(self.reasons))[rows]
        return Embeddings(self.vectors[chosen], tuple(self.reasons[k] for k in chosen))


def cosine_similarity(first: jax.Array, second: jax.Array) -> jax.Array:
    """Cosine of the angle between vectors (..., D), (...,) in [-1, 1]; 1 is the same direction."""
    first, second = jnp.asarray(first), jnp.asarray(second)
    if first.shape != second.shape:
        raise ValueError(f"expected vectors of one shape, found {first.shape} and {second.shape}")
    norms = jnp.linalg.norm(first, axis=-1) * jnp.linalg.norm(second, axis=-1)
    return (first * second).sum(axis=-1) / norms


def embed_faces(
    embed: Callable[[jax.Array], jax.Array],
    images: np.ndarray,
    points: np.ndarray,
    *,
    template: Template = ARCFACE,
    batch_size: int = 32,
    reasons: Sequence[str | None] | None = None,
) -> Embeddings:
    """Aligns faces and embeds them, in batches of one size, so that one program is compiled.

    Args:
      embed: aligned faces (B, size, size, 3) in [0, 1] -> (B, D).
      images: (N, H, W, 3), uint8, or float in [0, 1], N >= 1.
      points: (N, 5, 2) in pixels of `images`, edge coordinates, in the template's order; rows with
        NaN are pictures in which no face was found, which are not embedded.
      template: of the alignment that the network was trained with.
      batch_size: how many pictures at a time.
      reasons: why a picture has no points, where more is known than `NO_FACE`.

    Raises:
      ValueError: for other shapes, or points that are missing though there is no reason given.
    """
    points = np.asarray(points, np.float32)
    if images.ndim != 4 or points.shape != (len(images), len(template.points), 2):
        raise ValueError(
            f"expected images (N, H, W, 3) and points (N, {len(template.points)}, 2), found "
            f"{images.shape} and {points.shape}"
        )
    given = [None] * len(images) if reasons is None else list(reasons)
    seen = np.isfinite(points).all(axis=(1, 2))
    full = [
        reason if reason is not None else (None if there else NO_FACE)
        for reason, there in zip(given, seen, strict=True)
    ]
    rows = np.flatnonzero([reason is None for reason in full])
    parts = []
    for start in range(0, len(rows), batch_size):
        chosen = rows[start : start + batch_size]
        filled = np.resize(chosen, batch_size)
        aligned = align_faces(_to_unit(images[filled]), points[filled], template=template)
        parts.append(np.asarray(embed(aligned))[: len(chosen)])
    width = parts[0].shape[1] if parts else 0
    vectors = np.full((len(images), width), np.nan, np.float32)
    if parts:
        vectors[rows] = np.concatenate(parts)
    return Embeddings(vectors, tuple(full))


def csim(
    generated: Embeddings,
    reference: Embeddings,
    names: tuple[str, str] = ("generated", "reference"),
) -> Scores:
    """Cosine similarity of N pairs, in [-1, 1], higher is better; a picture without a face fails.

    Args:
      generated, reference: of N pictures each.
      names: of the two sides in the reasons of failures.
    """
    reasons = merge_reasons(generated.reasons, reference.reasons, names)
    rows = np.flatnonzero([reason is None for reason in reasons])
    values = np.full(len(reasons), np.nan)
    if len(rows):
        values[rows] = cosine_similarity(generated.vectors[rows], reference.vectors[rows])
    return Scores.of(values, reasons)


def _to_unit(images: np.ndarray) -> np.ndarray:
    return np.float32(images) / 255 if images.dtype == np.uint8 else np.float32(images)
