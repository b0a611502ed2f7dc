"""Scores a trained run: python -m reenact_jax.evaluate --config configs/demo.py

Writes metrics.json and samples.png into the run's folder and prints the numbers as a table. With
--pairs LIST.csv the pairs are those of a list of scripts/draw_pairs.py. What has been scored when
the command is stopped is not scored again. docs/evaluation.md says what the numbers are.
"""

from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from reenact_jax.errors import parse_flags, run_command

_CONFIG = config_flags.DEFINE_config_file("config", help_string="Configuration file.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; default runs/<config.name>.")
_RUN = flags.DEFINE_string("run", None, "Model folder to score; default the run in --workdir.")
_CHECKPOINT = flags.DEFINE_string("checkpoint", "latest", "latest, best or the number of a step.")
_PAIRS = flags.DEFINE_string("pairs", None, "CSV list of pairs, instead of the dataset's own.")
_MEASURES = flags.DEFINE_string("measures", None, "Measures, separated by commas; default all.")


def main(argv: list[str]) -> None:
    del argv
    from reenact_jax.compilation_cache import enable_compilation_cache
    from reenact_jax.config import from_config_dict
    from reenact_jax.data.frames import open_pairs
    from reenact_jax.data.pair_lists import open_listed_pairs
    from reenact_jax.evaluation.commands import parts_folder, run_protocol
    from reenact_jax.evaluation.protocols import OWN
    from reenact_jax.inference.run import load_run
    from reenact_jax.media import write_image
    from reenact_jax.samples import draw_samples, fixed_samples

    enable_compilation_cache()
    config = from_config_dict(_CONFIG.value)
    workdir = Path(_WORKDIR.value or f"runs/{config.name}")
    run = load_run(config, Path(_RUN.value or workdir), _CHECKPOINT.value)
    data = config.data
    if _PAIRS.value:
        pairs = open_listed_pairs(_PAIRS.value, data.data_dir, data.name)
    else:
        pairs = open_pairs(data.data_dir, data.name)
    run_protocol(
        run,
        pairs,
        protocol=OWN,
        out=workdir / "metrics.json",
        parts_dir=parts_folder(workdir),
        measures=_MEASURES.value,
    )
    samples = fixed_samples(pairs, config.image_size)
    images, guidance = run.reenact(samples["source_image"], samples["source"], samples["driving"])
    write_image(workdir / "samples.png", draw_samples(samples, images, guidance))
    print(f"written: {workdir / 'samples.png'}")


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(lambda argv: run_command(main, argv), flags_parser=parse_flags)
