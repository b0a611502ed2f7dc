"""Does anything of the driver's person reach the picture?

Two people perform one motion and drive the same source. With exact parameters only the motion is
handed over, and the pictures are equal; with a fit, the driver's face can leak into its expression
and pose.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from reenact_jax.data.frames import PairDataset
from reenact_jax.data.images import resize_area
from reenact_jax.data.talking_heads.clips import clip_numbers, make_clip
from reenact_jax.data.talking_heads.guidance_conditions import fitted, project_landmarks
from reenact_jax.data.talking_heads.spec import WorldSpec
from reenact_jax.data.truth_masks import TruthMasks
from reenact_jax.errors import UserError
from reenact_jax.evaluation.pictures import as_saved
from reenact_jax.face_model.parameters import FaceParameters
from reenact_jax.face_model.procedural import procedural_head
from reenact_jax.inference.run import TrainedRun
from reenact_jax.tracking.anchors import MEDIAPIPE_68, NUM_DENSE
from reenact_jax.tracking.fit import fit_clip
from reenact_jax.visual import from_uint8

FITS = ("exact", "fitted", "tracked")
_BATCH = 8


@dataclasses.dataclass(frozen=True)
class TwoDrivers:
    """One source and one motion, performed by two people.

    Attributes:
      pair: of the dataset; its driving frame is what the first performs.
      drivers: fit -> parameters of the two performances in that frame, leaves (K,).
    """

    pair: dict
    drivers: dict[str, tuple[FaceParameters, FaceParameters]]


def two_drivers(spec: WorldSpec, pairs: PairDataset, count: int) -> list[TwoDrivers]:
    """`count` cross pairs of a world, spread over the list, each with a second driver.

    Raises:
      UserError: if the pairs are of another world.
    """
    if pairs.info.specification != spec.condition_hash("exact"):
        raise UserError(
            f"expected the exact parameters of the world {spec.hash()}, found a dataset of "
            f"{pairs.info.specification}"
        )
    cross = [pair for pair in pairs if pair["kind"] == "cross"]
    chosen = [cross[i] for i in np.linspace(0, len(cross) - 1, count).astype(int)]
    performances: dict[tuple, dict[str, FaceParameters]] = {}
    found = []
    for pair in chosen:
        clip_id, frame = pair["driving_clip_id"], pair["driving_frame_index"]
        first = clip_numbers(clip_id)[0]
        second = _another(spec, first, clip_numbers(pair["source_clip_id"])[0])
        both = []
        for person in (first, second):
            if (clip_id, person) not in performances:
                performances[clip_id, person] = _performance(spec, clip_id, person)
            both.append(performances[clip_id, person])
        drivers = {fit: tuple(one[fit][frame] for one in both) for fit in FITS}
        found.append(TwoDrivers(pair, drivers))
    return found


def _another(spec: WorldSpec, first: int, source: int) -> int:
    """The next test person who is neither the driver nor the source."""
    people = spec.num_test_people
    for step in range(1, people):
        person = spec.num_train_people + (first - spec.num_train_people + step) % people
        if person != source:
            return person
    raise ValueError(f"expected at least three test people, found {people}")


def _performance(spec: WorldSpec, clip_id: str, person: int) -> dict[str, FaceParameters]:
    """The motion of a clip, performed by a person: fit -> leaves (T, K)."""
    motion = make_clip(spec, *clip_numbers(clip_id)).shots.face
    performer = make_clip(spec, person, 0)
    own = performer.shots.face
    exact = motion.replace(identity=own.identity, texture=own.texture, lighting=own.lighting)
    model = procedural_head(spec.head)
    at = np.asarray(model.landmarks68)
    offset = performer.stage.person.mean[at] - np.asarray(model.mean)[at]
    points = np.zeros((len(exact.rotation), NUM_DENSE, 2), np.float32)
    points[:, MEDIAPIPE_68] = project_landmarks(spec.head, exact, offset)
    rng = np.random.default_rng([*clip_numbers(clip_id), person])
    return {
        "exact": exact,
        "fitted": fitted(rng, spec.head, exact),
        "tracked": jax.tree.map(np.asarray, fit_clip(model, points, image_size=1.0)),
    }


def leakage(
    run: TrainedRun, cases: Sequence[TwoDrivers], truth: TruthMasks
) -> dict[str, np.ndarray]:
    """What a run makes of the two drivers, (N,) each, in [0, 1].

    Returns:
      `FIT/REGION/apart`: mean absolute difference of the two pictures; `FIT/REGION/error`: of the
      first from the true answer; `REGION/moved`: of the source frame from the true answer. Regions
      are `frame` and `face`.
    """
    columns: dict[str, list[float]] = {}
    for batch in _batches(cases):
        sources, targets = (
            np.stack([resize_area(c.pair[f"{n}_image"], run.config.image_size) for c in batch])
            for n in ("source", "target")
        )
        face = truth.masks([case.pair["pair_id"] for case in batch], run.config.image_size)["face"]
        regions = {"frame": np.ones_like(face), "face": face}
        source = _stacked([case.pair["source"] for case in batch])

        def add(name: str, first: np.ndarray, second: np.ndarray, regions=regions) -> None:
            apart = np.abs(first.astype(np.float64) - second).mean(axis=-1) / 255.0
            for region, mask in regions.items():
                values = (apart * mask).sum(axis=(1, 2)) / np.maximum(mask.sum(axis=(1, 2)), 1)
                key = name.replace("REGION", region)
                columns.setdefault(key, []).extend(np.where(mask.any(axis=(1, 2)), values, np.nan))

        add("REGION/moved", sources, targets)
        for fit in FITS:
            first, second = (
                np.asarray(as_saved(run.reenact(from_uint8(sources), source, driver)[0]))
                for driver in (_stacked([c.drivers[fit][k] for c in batch]) for k in (0, 1))
            )
            add(f"{fit}/REGION/apart", first, second)
            add(f"{fit}/REGION/error", first, targets)
    return {name: np.array(values)[: len(cases)] for name, values in columns.items()}


def _batches(cases: Sequence[TwoDrivers]) -> Iterator[list[TwoDrivers]]:
    """Full batches; the last is filled up with its last case, so that one program serves all."""
    for start in range(0, len(cases), _BATCH):
        part = list(cases[start : start + _BATCH])
        yield part + [part[-1]] * (_BATCH - len(part))


def _stacked(faces: Sequence[FaceParameters]) -> FaceParameters:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *faces)
