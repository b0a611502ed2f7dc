"""Scores a trained run: python -m reenact_jax.evaluate --config configs/demo.py

Writes metrics.json and samples.png into the run's folder and prints the numbers as a table. With
--pairs LIST.csv the pairs are those of a list of scripts/draw_pairs.py.
"""

import json
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from reenact_jax.errors import parse_flags, run_command

_CONFIG = config_flags.DEFINE_config_file("config", help_string="Configuration file.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; default runs/<config.name>.")
_PAIRS = flags.DEFINE_string("pairs", None, "CSV list of pairs, instead of the dataset's own.")


def main(argv: list[str]) -> None:
    del argv
    from reenact_jax.config import from_config_dict
    from reenact_jax.data.frames import open_pairs
    from reenact_jax.data.pair_lists import open_listed_pairs
    from reenact_jax.files import write_text
    from reenact_jax.inference.evaluation import evaluate, table
    from reenact_jax.inference.run import load_run
    from reenact_jax.media import write_image
    from reenact_jax.samples import draw_samples, fixed_samples

    config = from_config_dict(_CONFIG.value)
    workdir = Path(_WORKDIR.value or f"runs/{config.name}")
    run = load_run(config, workdir)
    data = config.data
    if _PAIRS.value:
        pairs = open_listed_pairs(_PAIRS.value, data.data_dir, data.name)
    else:
        pairs = open_pairs(data.data_dir, data.name)
    report = evaluate(run, pairs)
    write_text(workdir / "metrics.json", json.dumps(report, indent=2) + "\n")
    print(table(report))
    samples = fixed_samples(pairs, config.image_size)
    images, guidance = run.reenact(samples["source_image"], samples["source"], samples["driving"])
    write_image(workdir / "samples.png", draw_samples(samples, images, guidance))
    print(f"written: {workdir / 'metrics.json'}, {workdir / 'samples.png'}")


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(lambda argv: run_command(main, argv), flags_parser=parse_flags)
