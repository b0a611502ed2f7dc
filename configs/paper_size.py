"""The paper's networks at 256 pixels on data that anyone can have: a short run for one GPU.

    python -m reenact_jax.train --config configs/paper_size.py:clips
    python -m reenact_jax.train --config configs/paper_size.py:talking_heads

`clips` are your own videos with the open face model, prepared as for configs/clips.py;
`talking_heads` is the synthetic world at this size:

    python scripts/make_talking_heads.py runs/world_256/prepared --image-size 256 --workers 8
    python scripts/pack.py runs/world_256/prepared --name talking_heads \\
      --data-dir runs/world_256/data

`make gpu-report` does both, beside the benchmarks.
"""

import runpy
from pathlib import Path

import ml_collections

_vox = runpy.run_path(str(Path(__file__).with_name("vox.py")))

DATASETS = ("clips", "talking_heads")


def get_config(dataset: str = "clips") -> ml_collections.ConfigDict:
    if dataset not in DATASETS:
        raise ValueError(f"expected one of {', '.join(DATASETS)}, found {dataset!r}")
    config = _vox["get_config"]()
    config.name = f"paper_size/{dataset}"
    config.data.name = dataset
    config.data.num_threads = 8
    if dataset == "clips":
        config.face_model.name = "ict"
        config.face_model.path = "assets/ict_facekit.npz"
    else:
        config.data.data_dir = "runs/world_256/data"
        config.face_model.name = "procedural-light"
        config.face_model.path = ""

    # Random VGG-19 features (no trained weights are needed), held by a plain L1 on a pyramid.
    config.loss.vgg_weights = "random"
    config.loss.multi_scale_l1 = 10.0

    config.network.dtype = "bfloat16"
    config.train.num_epochs = 30
    config.train.steps_per_epoch = 100
    config.train.decay_after_epochs = 24
    config.train.sample_every_steps = 500
    config.train.checkpoint_every_steps = 500
    config.train.keep_checkpoints = 1
    return config
