"""Face models by name."""

from pathlib import Path

from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import MorphableModel

NAMES = ("procedural-light", "procedural-full", "ict", "bfm2009")


def load_face_model(name: str, path: str = "") -> MorphableModel:
    """Loads or builds a face model.

    Args:
      name: `procedural-light` or `procedural-full` (built by code), `ict` (ICT-FaceKit as .npz) or
        `bfm2009` (`BFM_model_front.mat`).
      path: the file of a model that is a file.

    Raises:
      UserError: for an unknown name or a missing or damaged file.
    """
    if name not in NAMES:
        raise UserError(f"expected a face model among {', '.join(NAMES)}, found {name!r}")
    if name.startswith("procedural-"):
        from reenact_jax.face_model.procedural import procedural_head

        return procedural_head(name.removeprefix("procedural-"))
    if not Path(path).is_file():
        raise UserError(
            f"face_model.path: {path or '(empty)'} is not there: the face model {name} is a file; "
            f"{_ORIGINS[name]}"
        )
    if name == "ict":
        from reenact_jax.face_model.ict import load_ict_facekit

        return load_ict_facekit(Path(path))
    from reenact_jax.face_model.bfm import load_bfm_front

    return load_bfm_front(Path(path))


_ORIGINS = {
    "ict": "ict_facekit.npz is made from the ICT-FaceKit release (MIT licence; "
    "github.com/ICT-VGL/ICT-FaceKit), in the layout of reenact_jax/face_model/ict.py",
    "bfm2009": "BFM_model_front.mat is made from the Basel Face Model 2009, for which each user "
    "needs a licence, by Deep3DFaceRecon's recipe; configs/demo.py runs without it",
}
