"""Pictures that people look at: flow as colour, grids of samples, curves."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from reenact_jax.files import write_bytes

_LABEL_HEIGHT = 14
_GAP = 2


def to_uint8(signed: np.ndarray) -> np.ndarray:
    """[-1, 1] float images -> uint8."""
    return np.clip(np.round((np.asarray(signed, np.float32) + 1.0) * 127.5), 0, 255).astype(
        np.uint8
    )


def from_uint8(pixels: np.ndarray) -> np.ndarray:
    """uint8 images -> float32 in [-1, 1]."""
    return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1.0)


def flow_to_colour(flow: np.ndarray, scale: float) -> np.ndarray:
    """Flow (H, W, 2) -> uint8 (H, W, 3): direction is the hue, length the saturation.

    Args:
      flow: normalised flow.
      scale: length that is drawn fully saturated; longer ones are not distinguished.
    """
    angle = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1.0
    length = np.clip(np.linalg.norm(flow, axis=-1) / max(scale, 1e-6), 0.0, 1.0)
    hsv = np.stack([angle, length, np.ones_like(angle)], axis=-1)
    pixels = np.round(hsv * 255).astype(np.uint8)
    return np.asarray(Image.fromarray(pixels, "HSV").convert("RGB"))


def grey(unit: np.ndarray) -> np.ndarray:
    """A map (H, W, 1) in [0, 1] -> uint8 (H, W, 3)."""
    return np.repeat(np.round(np.clip(unit, 0, 1) * 255).astype(np.uint8), 3, axis=-1)


def grid(columns: Mapping[str, Sequence[np.ndarray]], *, min_side: int = 96) -> np.ndarray:
    """Lays pictures out in labelled columns, one row per example.

    Args:
      columns: name -> uint8 pictures (S, S, 3), the same number in every column.
      min_side: smaller pictures are enlarged by a whole factor to at least this side.

    Returns:
      uint8 (H, W, 3).
    """
    side = next(iter(columns.values()))[0].shape[0]
    factor = max(1, -(-min_side // side))
    cell = side * factor
    num_rows = len(next(iter(columns.values())))
    height = _LABEL_HEIGHT + num_rows * (cell + _GAP)
    canvas = Image.new("RGB", (len(columns) * (cell + _GAP), height), "white")
    draw = ImageDraw.Draw(canvas)
    for j, (name, pictures) in enumerate(columns.items()):
        left = j * (cell + _GAP)
        draw.text((left + 2, 1), name, fill="black")
        for i, picture in enumerate(pictures):
            tile = Image.fromarray(picture).resize((cell, cell), Image.Resampling.NEAREST)
            canvas.paste(tile, (left, _LABEL_HEIGHT + i * (cell + _GAP)))
    return np.asarray(canvas)


def sample_grid(
    *,
    source: np.ndarray,
    driving: np.ndarray,
    flow: np.ndarray,
    occlusion: np.ndarray,
    rendering: np.ndarray,
    result: np.ndarray,
    truth: np.ndarray,
) -> np.ndarray:
    """What goes in, what guides and what comes out, one row per example.

    Args:
      source, driving, rendering, result, truth: (B, S, S, 3) in [-1, 1].
      flow: (B, S, S, 2) normalised; all rows share one colour scale.
      occlusion: (B, S, S, 1), 1 = visible.

    Returns:
      uint8 (H, W, 3).
    """
    flow = np.asarray(flow)
    scale = float(np.percentile(np.linalg.norm(flow, axis=-1), 99.5))
    columns = {
        "source": to_uint8(source),
        "driving": to_uint8(driving),
        "flow": [flow_to_colour(one, scale) for one in flow],
        "occlusion": grey(np.asarray(occlusion)),
        "rendering": to_uint8(rendering),
        "result": to_uint8(result),
        "truth": to_uint8(truth),
    }
    return grid(columns)


def plot_curves(
    records: Sequence[Mapping[str, float]],
    path: Path,
    *,
    prefix: str = "loss",
    title: str = "training loss",
) -> None:
    """Draws every logged number of a kind over the steps.

    Args:
      records: one mapping per logged step with `step` and numbers.
      path: PNG file to write.
      prefix: how the names of the numbers to draw begin; losses are drawn logarithmically.
      title: of the picture.

    Raises:
      ImportError: without matplotlib (the extra `plots`).
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [name for name in records[0] if name.startswith(prefix)] if records else []
    figure, axes = pyplot.subplots(figsize=(7, 4), constrained_layout=True)
    for name in names:
        axes.plot([r["step"] for r in records], [r[name] for r in records], label=name)
    scale = "log" if prefix == "loss" else "linear"
    axes.set(xlabel="step", ylabel=prefix, yscale=scale, title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    pyplot.close(figure)
    write_bytes(path, buffer.getvalue())
