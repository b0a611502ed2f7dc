"""Measures that need a face to be found in the picture: identity, expression, pose, landmarks.

The same detector looks at results and at real pictures. A picture in which it finds no face has no
number and gives the reason; nothing stands in for it.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from reenact_jax.evaluation.face_readers import Comparison, Reader, Reading
from reenact_jax.evaluation.pair_table import FRAME
from reenact_jax.evaluation.pictures import PictureBatch
from reenact_jax.evaluation.scorers import Scores
from reenact_jax.evaluation.summary import UNKNOWN_ANSWER
from reenact_jax.metrics.noise_floor import SHIFTS, shift_images
from reenact_jax.tracking.landmarks import FaceLandmarker, Landmarks
from reenact_jax.tracking.picture_fit import NO_FACE

# A driving picture moved by one or two pixels, compared with itself: the least that a difference
# must exceed to mean anything. Scored like a method.
NOISE_FLOOR = "noise_floor"


class FaceScorer:
    """Finds the face of every picture of a batch once; readers read off it and compare."""

    def __init__(self, readers: Sequence[Reader], landmarker: FaceLandmarker):
        """
        Args:
          readers: what is read and compared.
          landmarker: to find the faces with; stays the caller's to close.
        """
        self._readers, self._landmarker = list(readers), landmarker

    def describe(self) -> dict[str, Any]:
        result: dict[str, Any] = {
            "metrics": {},
            "weights": [dataclasses.asdict(self._landmarker.provenance)],
            "distances": {},
            "warnings": [],
            "readers": [],
        }
        for reader in self._readers:
            own = reader.describe()
            result["metrics"] |= {name: one.text for name, one in reader.comparisons.items()}
            result["weights"] += own.get("weights", [])
            result["distances"] |= own.get("distances", {})
            result["warnings"] += own.get("warnings", [])
            result["readers"].append(own)
        return result

    def score(self, batch: PictureBatch) -> Scores:
        shifted = [
            shift_images(picture, *SHIFTS[row % len(SHIFTS)])
            for row, picture in enumerate(batch.real["driving"])
        ]
        sets = batch.methods | {NOISE_FLOOR: np.stack(shifted)} | batch.real
        # By content: the source is a baseline too, and a driving frame an answer.
        keys = {
            name: [picture.tobytes() for picture in pictures] for name, pictures in sets.items()
        }
        pictures = {
            key: picture
            for name in sets
            for row, (key, picture) in enumerate(zip(keys[name], sets[name], strict=True))
            if batch.valid[row] and (name != "target" or batch.has_target[row])
        }
        faces = {key: self._landmarker.detect(picture) for key, picture in pictures.items()}
        scores, reasons, features = {}, {}, {}
        for reader in self._readers:
            readings = _read(reader, pictures, faces)
            for method in (*batch.methods, NOISE_FLOOR):
                for name, comparison in reader.comparisons.items():
                    reference = "driving" if method == NOISE_FLOOR else comparison.reference
                    column = f"{method}/{FRAME}/{name}"
                    scores[column], reasons[column] = _compared(
                        comparison, readings, keys[method], keys[reference]
                    )
                    if reference == "target":
                        scores[column][~batch.has_target] = np.nan
                        reasons[column][~batch.has_target] = UNKNOWN_ANSWER
            for network, width in reader.features.items():
                for name in (*batch.methods, "source", "driving"):
                    features[f"{name}/{network}"] = _stacked(readings, keys[name], network, width)
        return Scores(scores, reasons, features)


def _read(
    reader: Reader, pictures: dict[bytes, np.ndarray], faces: dict[bytes, Landmarks | None]
) -> dict[bytes, Reading]:
    found = [key for key, face in faces.items() if face is not None]
    readings: dict[bytes, Reading] = dict.fromkeys(faces, NO_FACE)
    if found:
        read = reader.read([pictures[key] for key in found], [faces[key] for key in found])
        readings |= dict(zip(found, read, strict=True))
    return readings


def _compared(
    comparison: Comparison,
    readings: dict[bytes, Reading],
    results: list[bytes],
    references: list[bytes],
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and reasons of a batch, (B,) each."""
    values, reasons = np.full(len(results), np.nan), []
    rows, firsts, seconds = [], [], []
    for row, (result, reference) in enumerate(zip(results, references, strict=True)):
        first, second = readings.get(result, NO_FACE), readings.get(reference, NO_FACE)
        if isinstance(first, str) or isinstance(second, str):
            reasons.append(f"result: {first}" if isinstance(first, str) else f"real: {second}")
            continue
        reasons.append("")
        rows.append(row)
        firsts.append(first[comparison.reading])
        seconds.append(second[comparison.reading])
    if rows:  # all at once: a call of JAX for each pair would cost more than the readings
        values[rows] = comparison.compare(*_filled_up(firsts, seconds, len(results)))[: len(rows)]
    return values, np.array(reasons, dtype="U200")


def _filled_up(firsts: list, seconds: list, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Both stacked, the last one repeated up to `count` rows: one shape, so one program."""
    missing = count - len(firsts)
    return tuple(np.stack([*part, *[part[-1]] * missing]) for part in (firsts, seconds))


def _stacked(
    readings: dict[bytes, Reading], keys: list[bytes], network: str, width: int
) -> np.ndarray:
    """Features (B, D); rows of NaN where there are none."""
    empty = {network: np.full(width, np.nan, np.float32)}
    rows = [readings.get(key, NO_FACE) for key in keys]
    return np.stack([(empty if isinstance(row, str) else row)[network] for row in rows])
