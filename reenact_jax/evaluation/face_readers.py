"""What is read off a face that was found in a picture, and how readings are compared."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.metrics import landmarks as landmark_metrics
from reenact_jax.metrics.identity import cosine_similarity, embed_faces
from reenact_jax.metrics.motion import AED_VARIANTS, APD_VARIANTS
from reenact_jax.metrics.similarity import Template
from reenact_jax.pretrained.asset_files import sha256
from reenact_jax.pretrained.network_files import Provenance
from reenact_jax.tracking.alignment import AlignmentError, align, five_points
from reenact_jax.tracking.anchors import MEDIAPIPE_68
from reenact_jax.tracking.deng import reconstruct_frames
from reenact_jax.tracking.fit import REFERENCE_SIZE, fit_clip
from reenact_jax.tracking.landmarks import Landmarks
from reenact_jax.tracking.picture_fit import NO_FIT

# Of the model that scripts/convert_ict.py makes of the release.
ICT_FINGERPRINT = "352401c9ad56aec3"

# What is read off a picture, by name; or the reason why it cannot be.
Reading = dict[str, np.ndarray] | str


class Reader(Protocol):
    """Reads something off pictures whose faces were found.

    Attributes:
      comparisons: metric -> how readings are compared.
      features: name of a reading -> its width, of those whose distributions are compared.
    """

    comparisons: dict[str, "Comparison"]
    features: dict[str, int]

    def describe(self) -> dict[str, Any]:
        """As of a scorer, without the metrics."""

    def read(self, pictures: Sequence[np.ndarray], faces: Sequence[Landmarks]) -> list[Reading]:
        """One reading a picture, uint8 (S, S, 3)."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A metric that compares what was read off a result with what was read off a real picture.

    Attributes:
      text: its definition.
      reading: which reading it takes.
      reference: `source`, `driving` or `target`.
      compare: two stacks of readings (N, ...) -> numbers (N,).
    """

    text: str
    reading: str
    reference: str
    compare: Callable[[np.ndarray, np.ndarray], np.ndarray]


def _landmark_comparisons() -> dict[str, Comparison]:
    relative_errors = jax.jit(landmark_metrics.relative_aperture_errors)

    def aperture(columns: list[int]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        return lambda a, b: np.asarray(relative_errors(a, b))[:, columns].mean(axis=1)

    return {
        "normalised_landmark_distance": Comparison(
            "mean distance of MediaPipe's 68 points to those of the true answer, over the latter's "
            "outer eye distance",
            "points68",
            "target",
            jax.jit(landmark_metrics.normalised_landmark_distance),
        ),
        "mouth_error": Comparison(
            "difference of the mouth's opening from the driver's, each over its outer eye distance",
            "points68",
            "driving",
            aperture([2]),
        ),
        "eyes_error": Comparison(
            "difference of the eyes' opening from the driver's, each over its outer eye distance",
            "points68",
            "driving",
            aperture([0, 1]),
        ),
    }


class LandmarkReader:
    """The 68 points themselves."""

    comparisons = _landmark_comparisons()
    features: dict[str, int] = {}

    def describe(self) -> dict[str, Any]:
        return {}

    def read(self, pictures: Sequence[np.ndarray], faces: Sequence[Landmarks]) -> list[Reading]:
        return [{"points68": face.points[MEDIAPIPE_68]} for face in faces]


class EmbeddingReader:
    """An identity embedding of the aligned face."""

    def __init__(
        self,
        metric: str,
        network: str,
        embed: Callable,
        template: Template,
        five: Callable[[np.ndarray], np.ndarray],
        weights: Provenance,
        width: int,
        distance: tuple[str, str] | None = None,
        remark: str = "",
        warnings: Sequence[str] = (),
    ):
        """
        Args:
          metric: name of the similarity to the source, such as `csim`.
          network: name of the embedding, of the readings and of the features.
          embed: aligned pictures in [0, 1] -> vectors, jitted.
          template: alignment of the network.
          five: landmarks (478, 2) -> the template's points (5, 2).
          weights: of the network.
          width: of the embedding.
          distance: name and definition of the Frechet distance of these features, or None.
          remark: what the similarity's definition ends with.
          warnings: what a reader of the numbers must know.
        """
        self._network, self._embed, self._template, self._five = network, embed, template, five
        self._weights, self._distance = weights, distance
        self._warnings = list(warnings)
        self.features = {} if distance is None else {network: width}

        def to(reference: str) -> Comparison:
            return Comparison(
                f"cosine of the {network} embeddings of result and {reference} picture, aligned"
                + remark,
                network,
                reference,
                jax.jit(cosine_similarity),
            )

        # To the driver: in self pairs to the true answer, in cross pairs what leaks of the driver.
        self.comparisons = {metric: to("source"), f"{metric}_to_driving": to("driving")}

    def describe(self) -> dict[str, Any]:
        distances = {} if self._distance is None else {self._network: self._distance}
        return {
            "weights": [dataclasses.asdict(self._weights)],
            "distances": distances,
            "warnings": self._warnings,
        }

    def read(self, pictures: Sequence[np.ndarray], faces: Sequence[Landmarks]) -> list[Reading]:
        points = np.stack([self._five(face.points) for face in faces])
        found = embed_faces(self._embed, np.stack(pictures), points, template=self._template)
        return [
            {self._network: vector} if reason is None else reason
            for vector, reason in zip(found.vectors, found.reasons, strict=True)
        ]


def _motion_comparisons(
    suffix: str, what: str, aed: Sequence[str], apd: Sequence[str]
) -> dict[str, Comparison]:
    """Comparisons with the driver by variants of AED and APD; the first has no variant's name."""

    def named(kind: str, variant: str, first: str) -> str:
        return kind + suffix if variant == first else variant + suffix

    def comparison(variant: str, function: Callable, reading: str) -> Comparison:
        text = f"{variant} of {reading}s {what}; result against driving picture"
        return Comparison(text, reading, "driving", jax.jit(function))

    result = {named("aed", v, aed[0]): comparison(v, AED_VARIANTS[v], "expression") for v in aed}
    return result | {named("apd", v, apd[0]): comparison(v, APD_VARIANTS[v], "pose") for v in apd}


class FitReader:
    """Expression and pose by the open tracker, each picture fitted by itself."""

    comparisons = _motion_comparisons(
        "_open", "fitted to MediaPipe's landmarks", ["aed_l2"], ["apd_l2", "apd_mean_abs_degrees"]
    )
    features: dict[str, int] = {}

    def __init__(self, model: MorphableModel, path: Path):
        """
        Args:
          model: that is fitted.
          path: its file.
        """
        self._model = model
        # The file is converted on every machine from one release; what it holds is what counts.
        self._weights = {
            "network": f"{model.name}, the face model of the open fit",
            "file": path.name,
            "sha256": sha256(path),
            "fingerprint": model.fingerprint(),
            "known": model.fingerprint() == ICT_FINGERPRINT,
        }

    def describe(self) -> dict[str, Any]:
        return {"weights": [self._weights]}

    def read(self, pictures: Sequence[np.ndarray], faces: Sequence[Landmarks]) -> list[Reading]:
        return [self._one(*item) for item in zip(pictures, faces, strict=True)]

    def _one(self, picture: np.ndarray, face: Landmarks) -> Reading:
        points = face.points * np.float32(REFERENCE_SIZE / picture.shape[0])
        try:
            fitted = fit_clip(self._model, points[None], [face.scores])
        except UserError:
            return NO_FIT
        return {"expression": fitted.expression[0], "pose": fitted.rotation[0]}


class DengReader:
    """Expression and pose by Deng's regressor: the paper's AED and APD."""

    comparisons = _motion_comparisons("", "by Deng's R-Net", list(AED_VARIANTS), list(APD_VARIANTS))
    features: dict[str, int] = {}

    def __init__(self, params: dict, weights: list[dict[str, Any]]):
        self._params, self._weights = params, weights

    def describe(self) -> dict[str, Any]:
        return {"weights": self._weights}

    def read(self, pictures: Sequence[np.ndarray], faces: Sequence[Landmarks]) -> list[Reading]:
        readings: list[Reading] = [""] * len(faces)
        rows = []
        for row, (picture, face) in enumerate(zip(pictures, faces, strict=True)):
            try:
                align(five_points(face.points), *picture.shape[:2])
                rows.append(row)
            except AlignmentError as error:
                readings[row] = f"no alignment: {error}"
        if rows:
            points = np.stack([faces[row].points for row in rows])
            frames = reconstruct_frames([pictures[row] for row in rows], points, self._params)
            found = frames.parameters()
            poses = np.concatenate([found.rotation, found.translation], axis=-1)
            for row, expression, pose in zip(rows, found.expression, poses, strict=True):
                readings[row] = {"expression": np.asarray(expression), "pose": pose}
        return readings
