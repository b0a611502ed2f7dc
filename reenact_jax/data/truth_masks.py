"""The true masks of a world's pairs, kept in one file beside its packed dataset.

Only a world that draws its pictures knows where an answer shows the face and what of it the source
had shown. Its folder has `truth/PAIR/{face,visible}.png` and truth.json; packing collects them into
`data/NAME/truth.npz`, for every condition of guidance alike: what is true does not depend on what a
fit believes.
"""

import dataclasses
import io
import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from reenact_jax.data import prepared
from reenact_jax.data.evaluation_pairs import pairs_hash
from reenact_jax.data.images import resize_area
from reenact_jax.errors import UserError
from reenact_jax.files import write_bytes

FILE = "truth.npz"
_MASKS = ("face", "visible")


@dataclasses.dataclass(frozen=True)
class TruthMasks:
    """What is true about N pairs.

    Attributes:
      rows: pair id -> row of the arrays.
      face: (N, S, S) bool: the answer's pixel centre shows the face, not what covers it.
      visible: (N, S, S) bool: and that point of the surface is seen in the source picture.
      pose_difference: (N,) degrees between the true head poses, see `pose_difference`.
      list_hash: of the list of pairs, as in `PairDataset`.
    """

    rows: dict[str, int]
    face: np.ndarray
    visible: np.ndarray
    pose_difference: np.ndarray
    list_hash: str

    def masks(self, pair_ids: list[str], size: int) -> dict[str, np.ndarray]:
        """`face` and `visible` of some pairs, (B, size, size) bool.

        A pixel of another size counts where at least half of it did.
        """
        rows = [self.rows[pair_id] for pair_id in pair_ids]
        return {
            name: np.stack(
                [resize_area(getattr(self, name)[row] * np.uint8(255), size) >= 128 for row in rows]
            )
            for name in _MASKS
        }


def collect_truth(prepared_root: str | Path, folder: str | Path) -> None:
    """Writes `folder`/truth.npz where the prepared folder belongs to a world with true masks.

    Args:
      prepared_root: the prepared folder, the world's own or that of a condition inside it.
      folder: of the packed dataset, `data/NAME`.
    """
    root = Path(prepared_root)
    world = next((place for place in (root, root.parent) if (place / "truth").is_dir()), None)
    pair_ids = prepared.list_pairs(root)
    if world is None or not pair_ids:
        return
    places = [world / "truth" / pair_id for pair_id in pair_ids]
    if not all((place / "truth.json").is_file() for place in places):
        return
    facts = [json.loads((place / "truth.json").read_text()) for place in places]
    arrays = {
        name: np.packbits(
            np.stack([np.asarray(Image.open(place / f"{name}.png")) > 127 for place in places]),
            axis=-1,
        )
        for name in _MASKS
    }
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        pair_id=np.array(pair_ids),
        list_hash=pairs_hash([prepared.read_pair(root, pair_id) for pair_id in pair_ids]),
        size=prepared.read_dataset_info(root).image_size,
        pose_difference=np.array([fact["pose_difference"] for fact in facts]),
        **arrays,
    )
    write_bytes(Path(folder) / FILE, buffer.getvalue())


def needed_truth(folder: str | Path) -> TruthMasks:
    """`read_truth` where there is nothing to do without the masks.

    Raises:
      UserError: if they are not there, or damaged.
    """
    truth = read_truth(folder)
    if truth is None:
        raise UserError(f"{folder}: expected {FILE}, found none: pack the world again")
    return truth


def read_truth(folder: str | Path) -> TruthMasks | None:
    """The file beside a packed dataset; None where there is none.

    Raises:
      UserError: if it is damaged.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            size = int(file["size"])
            return TruthMasks(
                rows={str(name): row for row, name in enumerate(file["pair_id"])},
                pose_difference=file["pose_difference"],
                list_hash=str(file["list_hash"]),
                **{
                    name: np.unpackbits(file[name], axis=-1, count=size).astype(bool)
                    for name in _MASKS
                },
            )
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as err:
        raise UserError(
            f"{path} cannot be read ({err}): delete it and run scripts/pack.py again"
        ) from err
