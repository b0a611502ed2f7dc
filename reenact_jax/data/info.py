"""What holds for a whole dataset, prepared or packed, and the check that a model fits it."""

import dataclasses

from reenact_jax.errors import UserError
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import FIELDS, NUM_LIGHTING


@dataclasses.dataclass(frozen=True)
class FaceModelInfo:
    """Which face model the parameters belong to.

    Attributes:
      name, fingerprint: of the `MorphableModel`.
      identity, expression, texture: its numbers of coefficients.
    """

    name: str
    fingerprint: str
    identity: int
    expression: int
    texture: int

    @classmethod
    def of(cls, model: MorphableModel) -> "FaceModelInfo":
        return cls(name=model.name, fingerprint=model.fingerprint(), **model.widths)

    @property
    def field_widths(self) -> dict[str, int]:
        """Width of every leaf of FaceParameters."""
        fixed = {"lighting": NUM_LIGHTING, "rotation": 3, "translation": 3, "camera": 4}
        widths = {
            "identity": self.identity,
            "expression": self.expression,
            "texture": self.texture,
        } | fixed
        return {name: widths[name] for name in FIELDS}


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What holds for a whole dataset, prepared or packed.

    Attributes:
      name: the dataset's name.
      image_size: side of the square frames in pixels.
      face_model: the model that the parameters belong to.
      specification: what made the data: the hash of a synthetic world, the settings of a script;
        or empty.
    """

    name: str
    image_size: int
    face_model: FaceModelInfo
    specification: str = ""

    @property
    def drawn_faces(self) -> bool:
        """Whether this is a synthetic world: only those are made with the procedural head."""
        return self.face_model.name.startswith("procedural-")

    def to_dict(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "DatasetInfo":
        face_model = FaceModelInfo(**values["face_model"])
        return cls(**(values | {"face_model": face_model}))


def check_face_model(info: DatasetInfo, model: MorphableModel) -> None:
    """Refuses parameters of another face model.

    Raises:
      UserError: if name or fingerprint differ.
    """
    expected = FaceModelInfo.of(model)
    if info.face_model != expected:
        raise UserError(
            f"dataset {info.name}: expected parameters of face model {expected.name} "
            f"({expected.fingerprint}), found those of {info.face_model.name} "
            f"({info.face_model.fingerprint}): use that model, or prepare the clips again with "
            f"{expected.name}"
        )
