"""What the variants make of one cross pair from the middle of every bin of pose difference."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from reenact_jax.config import Config
from reenact_jax.data.frames import PairDataset, open_pairs
from reenact_jax.data.pipeline import pair_batches
from reenact_jax.data.talking_heads.clips import POSE_BINS
from reenact_jax.data.truth_masks import TruthMasks, needed_truth
from reenact_jax.evaluation.pair_table import MODEL
from reenact_jax.evaluation.pictures import BASELINES, make_pictures
from reenact_jax.inference.run import load_run
from reenact_jax.visual import grid


def middle_pairs(pairs: PairDataset, truth: TruthMasks) -> list[int]:
    """The cross pair in the middle of every bin of true pose difference; empty bins give none."""
    cross = [row for row in range(len(pairs)) if pairs.kind(row) == "cross"]
    ids = [pairs.header(row).pair_id for row in cross]
    degrees = np.array([truth.pose_difference[truth.rows[pair_id]] for pair_id in ids])
    order = np.argsort(degrees)
    bins = np.searchsorted(POSE_BINS, degrees[order], side="right")
    return [
        cross[order[own[len(own) // 2]]]
        for own in (np.flatnonzero(bins == number) for number in np.unique(bins))
    ]


def sample_pictures(runs: Mapping[str, tuple[Config, Path]], data_dir: Path) -> np.ndarray:
    """A picture (H, W, 3) uint8: one row a bin; source, driver, truth, baselines and runs.

    Args:
      runs: label of the column -> configuration and folder of a trained run.
      data_dir: packed data of the world.

    Raises:
      UserError: if the world's true masks are not there.
    """
    config = next(iter(runs.values()))[0]
    pairs = open_pairs(data_dir, config.data.name)
    truth = needed_truth(pairs.root)
    chosen = [pairs[row] for row in middle_pairs(pairs, truth)]
    (batch,) = pair_batches(chosen, batch_size=len(chosen), image_size=config.image_size)
    made = {label: make_pictures(load_run(*run), batch, truth) for label, run in runs.items()}
    first = next(iter(made.values()))  # everything but the run's own picture is the same in all
    real = {"source": "source", "driving": "driving", "target": "true answer"}
    columns = {name: first.real[role] for role, name in real.items()}
    for name in BASELINES:
        if name != "copy_source":
            columns[name.replace("_", " ")] = first.methods[name]
    return grid(columns | {label: pictures.methods[MODEL] for label, pictures in made.items()})
