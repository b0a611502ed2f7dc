"""Face models by name."""

import dataclasses
import importlib
from pathlib import Path

from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import MorphableModel


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the code and the file of a model are.

    Attributes:
      function: `module:function` that returns a `MorphableModel`; imported when it is needed.
      argument: what the function is called with; None for the user's path.
      origin: for a model that is a file, what the file is and where it comes from.
    """

    function: str
    argument: str | None = None
    origin: str = ""


MODELS = {
    "procedural-light": Source("reenact_jax.face_model.procedural:procedural_head", "light"),
    "procedural-full": Source("reenact_jax.face_model.procedural:procedural_head", "full"),
    "ict": Source(
        "reenact_jax.face_model.ict:load_ict_facekit",
        origin="ict_facekit.npz is made from the ICT-FaceKit release (MIT licence; "
        "github.com/ICT-VGL/ICT-FaceKit) by scripts/convert_ict.py",
    ),
    "bfm2009": Source(
        "reenact_jax.face_model.bfm:load_bfm",
        origin="BFM_model_front.mat is made from the Basel Face Model 2009, for which each user "
        "needs a licence, by Deep3DFaceRecon's recipe; a folder with the files that it is made "
        "of will do as well; configs/demo.py runs without it",
    ),
}


def load_face_model(name: str, path: str = "") -> MorphableModel:
    """Loads or builds a face model.

    Args:
      name: a key of `MODELS`.
      path: the file (or folder) of a model that is not built by code.

    Raises:
      UserError: for an unknown name or a missing or damaged file.
    """
    if name not in MODELS:
        raise UserError(f"expected a face model among {', '.join(MODELS)}, found {name!r}")
    source = MODELS[name]
    if source.argument is None and not (path and Path(path).exists()):
        raise UserError(
            f"face_model.path: {path or '(empty)'} is not there: the face model {name} is a file; "
            f"{source.origin}. `python -m reenact_jax.assets` lists what is needed and what is here"
        )
    module, _, function = source.function.partition(":")
    return getattr(importlib.import_module(module), function)(
        path if source.argument is None else source.argument
    )
