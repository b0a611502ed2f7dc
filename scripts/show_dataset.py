"""Draws contact sheets of a folder of prepared clips.

python scripts/show_dataset.py prepared/talking_heads --out runs/dataset

writes clips.png (frames spread over some clips, one clip a row) and, where the folder has pairs
with a true answer, pairs.png (source, driving frame, answer).
"""

import argparse
from pathlib import Path

import numpy as np

from reenact_jax import media, visual
from reenact_jax.data import images, prepared
from reenact_jax.errors import run_command


def main(options: argparse.Namespace) -> None:
    root, out = Path(options.prepared), Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    prepared.read_dataset_info(root)

    def frame(clip_id: str, index: int) -> np.ndarray:
        return images.decode_image(prepared.read_frame(root, clip_id, index)[0])

    def spread(items: list, count: int) -> list:
        at = np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int))
        return [items[i] for i in at]

    clips = spread(prepared.list_clips(root), options.rows)
    columns = {}
    for column in range(options.columns):
        share = column / max(1, options.columns - 1)
        columns[f"{share:.0%}"] = [
            frame(clip, round(share * (prepared.read_clip_header(root, clip).num_frames - 1)))
            for clip in clips
        ]
    media.write_image(out / "clips.png", visual.grid(columns))
    print(out / "clips.png")

    pairs = [prepared.read_pair(root, pair_id) for pair_id in prepared.list_pairs(root)]
    pairs = spread([pair for pair in pairs if pair.target is not None], options.rows)
    if pairs:
        columns = {
            "source": [frame(*pair.source) for pair in pairs],
            "driving": [frame(*pair.driving) for pair in pairs],
            "answer": [images.decode_image(pair.target) for pair in pairs],
        }
        media.write_image(out / "pairs.png", visual.grid(columns))
        print(out / "pairs.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prepared", help="folder of prepared clips")
    parser.add_argument("--out", default="runs/dataset", help="folder for the sheets")
    parser.add_argument("--rows", type=int, default=10, help="clips and pairs to show")
    parser.add_argument("--columns", type=int, default=8, help="frames of each clip")
    run_command(main, parser.parse_args())
