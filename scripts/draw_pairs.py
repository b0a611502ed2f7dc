"""Writes a list of evaluation pairs (CSV) for a packed dataset.

    python scripts/draw_pairs.py voxceleb_pairs --data-dir data --out pairs/voxceleb.csv
    python scripts/draw_pairs.py voxceleb_pairs --dagan vox_cross_id_evaluation.csv --out dagan.csv

The list is the one that was packed with the dataset: drawn by its protocol with a fixed seed, or
brought along (`talking_heads`). --seed draws another one, --dagan takes over a list of DaGAN's
form. Beside the list lies a JSON file with its hash, its counts and what the pose bins are. The
list is read by `python -m reenact_jax.evaluate --pairs` and `scripts/eval.py --pairs`.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from reenact_jax.data import builders, pair_lists
from reenact_jax.data.evaluation_pairs import draw_pairs
from reenact_jax.data.frames import open_frames, open_pairs
from reenact_jax.data.pose_difference import BIN_EDGES, BIN_NAMES, pose_bin
from reenact_jax.data.storage import storage_errors
from reenact_jax.errors import UserError, run_command
from reenact_jax.files import write_text


def main(options: argparse.Namespace) -> None:
    frames = open_frames(options.data_dir, options.name, "test")
    missing = []
    if options.dagan:
        pairs, missing = pair_lists.read_dagan_list(options.dagan, frames.clips)
        origin = {"list": Path(options.dagan).name}
    elif options.seed is None:
        packed = open_pairs(options.data_dir, options.name)
        pairs = [packed.header(row) for row in range(len(packed))]
        origin = {"list": "packed with the dataset"}
    else:
        counts = builders.BUILDERS[options.name].PAIR_COUNTS
        pairs = draw_pairs(frames.clips, counts, options.seed)
        origin = {"seed": options.seed, **vars(counts)}
    if not pairs:
        raise UserError(
            f"dataset {options.name}: no pair: a self pair needs a test clip of two frames, a "
            "cross pair two persons"
            + (f"; {len(missing)} frames of the list are not there" if missing else "")
        )
    listed = pair_lists.measure_pairs(pairs, frames)
    bins = Counter(BIN_NAMES[number] for number in pose_bin(listed.degrees))
    facts = {
        "hash": listed.hash,
        "pairs": dict(Counter(pair.kind for pair in pairs)),
        "frames_missing": len(missing),
        "origin": origin,
        "dataset": frames.info.to_dict(),
        "content": frames.content,
        "pose_difference": "angle of R_source^T R_driving in degrees",
        "pose_bin_edges": list(BIN_EDGES),
        "pose_bins": {name: bins[name] for name in BIN_NAMES},
    }
    out = Path(options.out)
    pair_lists.write_pair_list(out, listed)
    with storage_errors(out):
        write_text(out.with_suffix(".json"), json.dumps(facts, indent=2) + "\n")
    print(listed.summary())
    if missing:
        print(f"{len(missing)} frames of the list are not in the dataset, such as {missing[0]}")
    print(f"written: {out} ({len(pairs)} pairs, list {listed.hash}), {out.with_suffix('.json')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=sorted(builders.BUILDERS), help="packed dataset")
    parser.add_argument("--data-dir", default="data", help="where packed datasets live")
    parser.add_argument("--out", required=True, help="CSV file to write")
    parser.add_argument("--seed", type=int, help="draw other pairs than those that were packed")
    parser.add_argument("--dagan", help="take over this list instead of drawing one")
    run_command(main, parser.parse_args())
