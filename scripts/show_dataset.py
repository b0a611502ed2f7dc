"""Draws contact sheets of a folder of prepared clips, with what the face model makes of them.

    python scripts/show_dataset.py prepared/talking_heads --out runs/dataset
    python scripts/show_dataset.py prepared/clips --face-model assets/ict_facekit.npz

writes clips.png (frames spread over some clips, one clip a row), guidance.png (two frames of each
clip with the fitted mesh, and the flow, occlusion and rendering that lead from one to the other)
and, where the folder has pairs with a true answer, pairs.png (the same with the answer).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from reenact_jax import image_ops, media, visual
from reenact_jax.data import images, prepared
from reenact_jax.data.info import check_face_model
from reenact_jax.data.pose_difference import pose_difference
from reenact_jax.errors import UserError, run_command
from reenact_jax.face_model.load import MODELS, load_face_model
from reenact_jax.face_model.morphable import MorphableModel
from reenact_jax.face_model.parameters import recombine
from reenact_jax.guidance import GuidanceConfig, compute_guidance
from reenact_jax.tracking.overlay import draw_overlay

Frame = tuple[str, int]

# Side of a picture with guidance: in smaller ones the lines of a mesh run together.
_CELL = 256


def main(options: argparse.Namespace) -> None:
    root, out = Path(options.prepared), Path(options.out)
    info = prepared.read_dataset_info(root)
    if options.rows < 1 or options.columns < 1:
        raise UserError("--rows, --columns: expected at least 1")
    model = load_face_model(model_name(info.face_model.name), options.face_model)
    check_face_model(info, model)
    clips = spread(prepared.list_clips(root), options.rows)
    if not clips:
        raise UserError(f"{root}: expected prepared clips, found none")
    out.mkdir(parents=True, exist_ok=True)
    write(out / "clips.png", frame_columns(root, clips, options.columns))
    write(
        out / "guidance.png", guidance_columns(root, model, [most_turned(root, c) for c in clips])
    )
    pairs = [prepared.read_pair(root, pair_id) for pair_id in prepared.list_pairs(root)]
    pairs = spread([pair for pair in pairs if pair.target is not None], options.rows)
    if pairs:
        columns = guidance_columns(root, model, [(pair.source, pair.driving) for pair in pairs])
        columns["answer"] = [enlarged(images.decode_image(pair.target)) for pair in pairs]
        write(out / "pairs.png", columns)


def model_name(stored: str) -> str:
    """The name under which `load_face_model` knows a dataset's face model."""
    for name in MODELS:
        if stored == name or stored.startswith(name):
            return name
    raise UserError(f"expected a face model among {', '.join(MODELS)}, found {stored!r}")


def write(path: Path, columns: dict[str, list[np.ndarray]]) -> None:
    media.write_image(path, visual.grid(columns))
    print(path)


def spread(items: Sequence, count: int) -> list:
    """At most `count` of the items, evenly spread."""
    at = np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int))
    return [items[i] for i in at]


def pixels_of(root: Path, frame: Frame) -> np.ndarray:
    return images.decode_image(prepared.read_frame(root, *frame)[0])


def frame_columns(root: Path, clips: list[str], count: int) -> dict[str, list[np.ndarray]]:
    """Frames at equal steps through each clip."""
    columns = {}
    for column in range(count):
        share = column / max(1, count - 1)
        columns[f"{share:.0%}"] = [
            pixels_of(
                root, (clip, round(share * (prepared.read_clip_header(root, clip).num_frames - 1)))
            )
            for clip in clips
        ]
    return columns


def most_turned(root: Path, clip_id: str) -> tuple[Frame, Frame]:
    """The first frame of a clip, and the one whose pose differs most from it."""
    rotations = prepared.read_clip(root, clip_id).parameters.rotation
    differences = pose_difference(np.broadcast_to(rotations[0], rotations.shape), rotations)
    return (clip_id, 0), (clip_id, int(differences.argmax()))


def guidance_columns(
    root: Path, model: MorphableModel, pairs: list[tuple[Frame, Frame]]
) -> dict[str, list[np.ndarray]]:
    """Source and driving frame with their meshes, and the guidance from one to the other."""
    compute = jax.jit(compute_guidance, static_argnames=("config",))
    columns: dict[str, list[np.ndarray]] = {}
    flows = []
    for source_frame, driving_frame in pairs:
        frames = [pixels_of(root, frame) for frame in (source_frame, driving_frame)]
        source, driving = (
            prepared.read_frame(root, *frame)[1] for frame in (source_frame, driving_frame)
        )
        image = visual.from_uint8(frames[0])
        guidance = compute(model, source, recombine(source, driving), image, GuidanceConfig())
        flows.append(np.asarray(guidance.flow))
        row = {
            "source": frames[0],
            "its mesh": mesh_over(frames[0], model, source),
            "driving": frames[1],
            "its mesh ": mesh_over(frames[1], model, driving),
            "flow": None,
            "occlusion": occlusion_over(guidance),
            "rendering": visual.to_uint8(guidance.rendering),
            "warped source": visual.to_uint8(image_ops.warp(image, guidance.flow)),
        }
        for name, picture in row.items():
            columns.setdefault(name, []).append(picture)
    # One scale, so that rows can be compared.
    scale = float(np.percentile(np.linalg.norm(np.stack(flows), axis=-1), 99.5))
    columns["flow"] = [visual.flow_to_colour(flow, scale) for flow in flows]
    return {name: [enlarged(picture) for picture in own] for name, own in columns.items()}


def enlarged(picture: np.ndarray) -> np.ndarray:
    """Pixels repeated a whole number of times, up to the size of a cell at least."""
    factor = -(-_CELL // len(picture))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def mesh_over(frame: np.ndarray, model: MorphableModel, parameters) -> np.ndarray:
    """The frame with the mesh drawn over it, enlarged so that lines stay apart."""
    return images.resize_area(draw_overlay(frame, model, parameters), len(enlarged(frame)))


def occlusion_over(guidance) -> np.ndarray:
    """White: visible in the source; red: occluded there; black: outside the face."""
    visible, mask = (np.asarray(part)[..., 0] > 0.5 for part in (guidance.occlusion, guidance.mask))
    picture = np.zeros((*mask.shape, 3), np.uint8)
    picture[mask] = (220, 40, 40)
    picture[mask & visible] = (255, 255, 255)
    return picture


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prepared", help="folder of prepared clips")
    parser.add_argument("--out", default="runs/dataset", help="folder for the sheets")
    parser.add_argument("--face-model", default="", help="its file, for models that are files")
    parser.add_argument("--rows", type=int, default=6, help="clips and pairs to show")
    parser.add_argument("--columns", type=int, default=8, help="frames of each clip")
    run_command(main, parser.parse_args())
