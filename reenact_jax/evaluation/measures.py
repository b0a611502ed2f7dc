"""Which measures can be made here: those whose files and packages are at hand, and why not others.

Files are looked for by their names in the registry (`python -m reenact_jax.assets`).
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reenact_jax.errors import UserError
from reenact_jax.evaluation.face_readers import (
    DengReader,
    EmbeddingReader,
    FitReader,
    LandmarkReader,
    Reader,
)
from reenact_jax.evaluation.face_scorer import FaceScorer
from reenact_jax.evaluation.networks import InceptionFeatures, LpipsScorer
from reenact_jax.evaluation.scorers import ImageScorer, Scorer
from reenact_jax.face_model.load import load_face_model
from reenact_jax.metrics.similarity import ARCFACE, DLIB, dlib_points
from reenact_jax.pretrained import arcface, dlib_face, inception, registry
from reenact_jax.pretrained.lpips import load_lpips
from reenact_jax.pretrained.network_files import provenance
from reenact_jax.pretrained.rnet import load_rnet
from reenact_jax.tracking.alignment import five_points
from reenact_jax.tracking.anchors import MEDIAPIPE_68
from reenact_jax.tracking.landmarks import FaceLandmarker

PIXELS = "pixels"


@dataclasses.dataclass(frozen=True)
class Measures:
    """What will be measured.

    Attributes:
      scorers: for `score_pairs`.
      absent: name of a measure -> why it is not among them.
    """

    scorers: tuple[Scorer, ...]
    absent: dict[str, str]


@contextlib.contextmanager
def open_measures(
    wanted: Sequence[str] | None = None, *, drawn_faces: bool = False
) -> Iterator[Measures]:
    """Makes scorers of all measures that can be made, and frees them at the end.

    Args:
      wanted: names out of `NAMES`; None for all.
      drawn_faces: the pictures are of a synthetic world. Measures made for real faces are then left
        out unless they are named.

    Raises:
      UserError: for an unknown name, or a measure that was named and cannot be made.
    """
    for name in wanted or ():
        if name not in NAMES:
            raise UserError(f"expected measures among {', '.join(NAMES)}, found {name!r}")
    absent, scorers, readers = {}, [], []

    def attempt(name: str, make: Callable[[], Any], into: list, drawn_too: bool) -> None:
        if wanted is not None and name not in wanted:
            absent[name] = "not asked for"
        elif wanted is None and drawn_faces and not drawn_too:
            absent[name] = f"made for real faces, these are drawn; --measures {name} makes it"
        else:
            try:
                into.append(make())
            except UserError as error:
                if wanted is not None:
                    raise
                absent[name] = str(error)

    attempt(PIXELS, ImageScorer, scorers, True)
    for name, make in _WHOLE.items():
        attempt(name, make, scorers, name != "fid")
    with contextlib.ExitStack() as stack:
        detector: list[FaceLandmarker] = []
        asked = [name for name in _OF_FACES if wanted is None or name in wanted]
        if asked and (wanted is not None or not drawn_faces):
            try:
                detector.append(stack.enter_context(FaceLandmarker()))
            except UserError as error:
                if wanted is not None:
                    raise
                absent |= dict.fromkeys(asked, str(error))
        for name, make in _OF_FACES.items():
            if name not in absent:
                attempt(name, make, readers, False)
        if readers:
            scorers.append(FaceScorer(readers, detector[0]))
        yield Measures(tuple(scorers), absent)


def _first(*names: str) -> Path:
    """Path of the first of these files that is at hand.

    Raises:
      UserError: names the files.
    """
    found = next((path for path in map(registry.find, names) if path is not None), None)
    if found is None:
        raise UserError(
            f"expected {' or '.join(names)} in ${registry.FOLDER_VARIABLE} or ./"
            f"{registry.DEFAULT_FOLDER}, found none: `python -m reenact_jax.assets` says where to "
            "get it"
        )
    return found


def _lpips(network: str, trunk: str) -> Callable[[], LpipsScorer]:
    def make() -> LpipsScorer:
        files = [_first(f"{name}.safetensors", f"{name}.pth") for name in (trunk, network)]
        return LpipsScorer(*load_lpips(network, *files))

    return make


def _fid() -> InceptionFeatures:
    name = "pt_inception-2015-12-05-6726825d"
    return InceptionFeatures(
        *inception.load_inception(_first(f"{name}.safetensors", f"{name}.pth"))
    )


def _csim() -> Reader:
    path = _first("arcface.safetensors", "backbone.pth", "w600k_r50.onnx")
    params, weights = arcface.load_arcface(path)
    return EmbeddingReader(
        "csim",
        "arcface",
        functools.partial(jax.jit(arcface.arcface_embedding), params),
        ARCFACE,
        lambda points: np.asarray(five_points(points), np.float32),
        weights,
        arcface.NUM_FEATURES,
        warnings=[]
        if weights.official == arcface.MS1MV3
        else [
            f"csim is by {weights.file}, not by {arcface.MS1MV3} (MS1MV3): cosines of different "
            "weights cannot be compared, nor with the paper's"
        ],
    )


def _csim_dlib() -> Reader:
    params, weights = dlib_face.load_dlib_face()
    return EmbeddingReader(
        "csim_dlib",
        "dlib",
        functools.partial(jax.jit(dlib_face.dlib_embedding), params),
        DLIB,
        lambda points: dlib_points(points[MEDIAPIPE_68]),
        weights,
        dlib_face.NUM_FEATURES,
        ("fd_dlib", "Frechet distance of dlib's 128 embedding features, float64; not an FID"),
        remark="; values crowd near 1: of real clips 0.98 is the same person a moment later and "
        "0.85 somebody else (distributions and AUC in docs/metrics.md)",
    )


def _motion() -> Reader:
    path = _first("rnet.safetensors", "epoch_20.pth")
    weights = provenance("Deng's R-Net", ("epoch_20.pth",), path)
    return DengReader(load_rnet(path), [dataclasses.asdict(weights)])


def _open_motion() -> Reader:
    path = _first("ict_facekit.npz")
    return FitReader(load_face_model("ict", str(path)), path)


# Name of a measure -> what makes it: of whole pictures, and of faces that have to be found.
_WHOLE: dict[str, Callable[[], Scorer]] = {
    "lpips_alex": _lpips("alex", "alexnet-owt-7be5be79"),
    "lpips_vgg": _lpips("vgg", "vgg16-397923af"),
    "fid": _fid,
}
_OF_FACES: dict[str, Callable[[], Reader]] = {
    "csim": _csim,
    "motion": _motion,
    "csim_dlib": _csim_dlib,
    "open_motion": _open_motion,
    "landmarks": LandmarkReader,
}
NAMES = (PIXELS, *_WHOLE, *_OF_FACES)
