"""The two kinds of work that a world is made of: drawing a clip, and answering pairs.

Each takes plain values, so that it can be sent to another process, and writes whole folders.
"""

import contextlib
import dataclasses
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from reenact_jax.data import images, prepared
from reenact_jax.data.prepared import PreparedClip, PreparedPair
from reenact_jax.data.storage import NewFolder, storage_errors
from reenact_jax.data.talking_heads.clips import (
    answer_shot,
    clip_numbers,
    make_clip,
    make_shots,
    pose_difference,
)
from reenact_jax.data.talking_heads.guidance_conditions import (
    fitted,
    landmark_distance,
    project_landmarks,
)
from reenact_jax.data.talking_heads.rendering_alone import guidance_rendering, masked_psnr
from reenact_jax.data.talking_heads.spec import CONDITIONS, NAME, WorldSpec
from reenact_jax.data.talking_heads.studio import Studio
from reenact_jax.data.talking_heads.truth import FaceTruth, face_truth
from reenact_jax.face_model.parameters import recombine

# First entropy word of the noise of fitted parameters; see `clips` for the others.
_FIT = 4


def condition_root(root: Path, condition: str) -> Path:
    """The prepared folder of a condition: exact parameters lie in the world's folder itself."""
    return root if condition == "exact" else root / condition


def has_clip(root: Path, clip_id: str) -> bool:
    """Whether a clip is complete in every condition."""
    return all(prepared.has_clip(condition_root(root, name), clip_id) for name in CONDITIONS)


def missing_pairs(root: Path, pairs: Sequence[PreparedPair]) -> list[PreparedPair]:
    """The pairs that are not complete in every condition."""

    def has(pair: PreparedPair, condition: str) -> bool:
        return (condition_root(root, condition) / "pairs" / pair.pair_id / "pair.json").exists()

    return [pair for pair in pairs if not all(has(pair, name) for name in CONDITIONS)]


def write_clip(spec: WorldSpec, root: Path, person: int, number: int) -> None:
    """Renders a clip and writes it in every condition."""
    clip = make_clip(spec, person, number)
    if prepared.has_clip(root, clip.clip_id):
        frames = prepared.read_clip(root, clip.clip_id).frames
    else:
        pictures = Studio(spec.head, spec.image_size).pictures(clip.stage, clip.shots)
        frames = [images.encode_image(picture) for picture in pictures]
    guidance = {
        "exact": clip.shots.face,
        "fitted": fitted(spec.rng(_FIT, person, number), spec.head, clip.shots.face),
    }
    for condition in CONDITIONS:
        folder = condition_root(root, condition)
        prepared.write_clip(
            folder,
            PreparedClip(
                clip_id=clip.clip_id,
                person_id=clip.person_id,
                split=clip.split,
                fps=spec.fps,
                frames=frames,
                parameters=guidance[condition],
                origin=f"{NAME} {spec.condition_hash(condition)}",
            ),
        )
        if condition != "exact":
            _share_frames(root / "clips" / clip.clip_id, folder / "clips" / clip.clip_id)


def _share_frames(original: Path, copy: Path) -> None:
    """Replaces the frames of a copied clip by links to the same bytes."""
    for path in (original / "frames").iterdir():
        link = copy / f".{path.name}"
        with contextlib.suppress(OSError):  # a file system without links keeps the copy
            link.unlink(missing_ok=True)
            os.link(path, link)
            os.replace(link, copy / "frames" / path.name)


def write_pairs(spec: WorldSpec, root: Path, source_id: str, pairs: Sequence[PreparedPair]) -> None:
    """Renders the answers of pairs with one source clip, and writes what is true about them."""
    pairs = missing_pairs(root, pairs)
    studio = Studio(spec.head, spec.image_size)
    clip = make_clip(spec, *clip_numbers(source_id))
    sources = [clip.shots[pair.source[1]] for pair in pairs]
    targets = []
    for pair, source in zip(pairs, sources, strict=True):
        driving = make_shots(spec, *clip_numbers(pair.driving[0]))[pair.driving[1]]
        targets.append(answer_shot(source.face, driving))
    pictures = studio.pictures(clip.stage, _stacked(targets))
    points = studio.positions(clip.stage, _stacked(targets + sources))
    for i, pair in enumerate(pairs):
        truth = face_truth(
            spec.head,
            clip.stage.person.accessories,
            points[i],
            points[len(pairs) + i],
            targets[i].face.camera,
            spec.image_size,
        )
        facts = {
            "pair_id": pair.pair_id,
            "kind": pair.kind,
            "pose_difference": float(
                pose_difference(sources[i].face.rotation, targets[i].face.rotation)
            ),
            "visible_share": _share(truth.visible, truth.face),
            **_rendering_alone(spec, root, studio, pair, pictures[i], truth),
        }
        place = root / "truth" / pair.pair_id
        with storage_errors(place), NewFolder(place) as folder:
            for name in ("face", "visible"):
                (folder / f"{name}.png").write_bytes(_mask_png(getattr(truth, name)))
            (folder / "truth.json").write_text(json.dumps(facts, indent=2) + "\n")
        for condition in CONDITIONS:
            prepared.write_pair(
                condition_root(root, condition), dataclasses.replace(pair, target=pictures[i])
            )


def _stacked(trees: list):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def _rendering_alone(
    spec: WorldSpec,
    root: Path,
    studio: Studio,
    pair: PreparedPair,
    picture: np.ndarray,
    truth: FaceTruth,
) -> dict:
    """How far I_r alone is from the answer in every condition, and how much of it is covered."""
    renderings, masks, landmarks = {}, {}, {}
    for condition in CONDITIONS:
        folder = condition_root(root, condition)
        source, driving = (
            prepared.read_frame(folder, *at)[1] for at in (pair.source, pair.driving)
        )
        target = recombine(source, driving)
        renderings[condition], masks[condition] = guidance_rendering(
            spec.head, studio.model, target, spec.image_size
        )
        landmarks[condition] = project_landmarks(spec.head, target[None])
    both = np.logical_and(*masks.values())
    return {
        "covered_share": _share(masks["exact"] & ~truth.face, masks["exact"]),
        "landmark_error": landmark_distance(landmarks["exact"], landmarks["fitted"]),
        "rendering_psnr_face": {
            condition: masked_psnr(renderings[condition], picture, both) for condition in CONDITIONS
        },
        "rendering_psnr_uncovered": {
            condition: masked_psnr(renderings[condition], picture, both & truth.face)
            for condition in CONDITIONS
        },
    }


def _share(part: np.ndarray, whole: np.ndarray) -> float:
    return float(part.sum() / max(whole.sum(), 1))


def _mask_png(mask: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG")
    return buffer.getvalue()
