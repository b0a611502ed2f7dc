"""What the procedural head is frozen by: a few numbers for each of its arrays.

`python -m tests.helpers.head_summary` writes them to tests/fixtures/procedural_head.json. That is
done once for each version of the head: see docs/procedural_head.md.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from reenact_jax.face_model import procedural
from reenact_jax.face_model.morphable import MorphableModel

PATH = Path(__file__).parents[1] / "fixtures" / "procedural_head.json"
# Mean absolute differences (decimetres, albedo) up to this size are the platform's rounding.
TOLERANCE = 1e-5


def summary(model: MorphableModel) -> dict:
    """Sizes, a hash of everything whole-numbered, and two moments of every mode.

    The moments of an offset d are mean |d| and mean (w . d) with fixed weights w in [-0.5, 0.5]
    that differ from vertex to vertex: any change that is larger than rounding shows in them.
    """
    digest = hashlib.sha256()
    for array in (
        model.triangles,
        model.region_triangles,
        model.landmarks68,
        model.mirror_vertex,
        model.eyeballs.vertices,
    ):
        digest.update(np.ascontiguousarray(array, "<i4").tobytes())
    weights = (np.arange(3 * model.num_vertices) * 0.6180339887498949) % 1.0 - 0.5

    def moments(values: np.ndarray) -> list[float]:
        flat = np.asarray(values, np.float64).reshape(-1)
        return [round(float(np.abs(flat).mean()), 7), round(float((flat * weights).mean()), 7)]

    names = {
        "identity": (procedural.identity_names(), model.identity_basis),
        "expression": (model.expression_names, model.expression_basis),
        "colour": (procedural.colour_names(), model.texture_basis),
    }
    modes = {
        kind: {name: moments(mode) for name, mode in zip(known, basis, strict=True)}
        for kind, (known, basis) in names.items()
    }
    return {
        "num_vertices": model.num_vertices,
        "num_triangles": len(model.triangles),
        "integers": digest.hexdigest()[:16],
        "gaze": [round(float(x), 6) for x in np.abs(model.eyeballs.turn).max(axis=(0, 1))],
        "mean": {"shape": moments(model.mean), "colour": moments(model.texture_mean)},
        **modes,
    }


if __name__ == "__main__":
    heads = {size: summary(procedural.procedural_head(size)) for size in ("light", "full")}
    PATH.write_text(json.dumps({"version": procedural.VERSION, **heads}, indent=1) + "\n")
    print(PATH)
