"""Packs a folder of prepared clips into a TFDS dataset (ArrayRecord files).

python scripts/pack.py prepared/clips --name clips --data-dir data --workers 4

It can be stopped and run again: complete files are kept. With --beam-runner, an Apache Beam engine
writes the files (docs/data_scale.md):

python scripts/pack.py prepared/clips --beam-runner DirectRunner \\
    --beam-options direct_running_mode=multi_processing direct_num_workers=4
"""

import argparse

from reenact_jax.data import beam_pack, builders
from reenact_jax.errors import UserError, run_command


def main(options: argparse.Namespace) -> None:
    if options.beam_options and not options.beam_runner:
        raise UserError("--beam-options: expected --beam-runner too")
    beam_options = beam_pack.pipeline_options(options.beam_options) if options.beam_runner else None
    folder = builders.pack(
        options.prepared,
        options.data_dir,
        options.name,
        overwrite=options.overwrite,
        progress=True,
        num_workers=options.workers,
        beam_runner=options.beam_runner,
        beam_options=beam_options,
    )
    print(f"packed {options.prepared} into {folder}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prepared", help="folder of prepared clips")
    parser.add_argument("--data-dir", default="data", help="where packed datasets live")
    parser.add_argument("--name", default="clips", choices=sorted(builders.BUILDERS))
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a dataset packed from other clips"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that write files")
    parser.add_argument("--beam-runner", help="Apache Beam runner that writes the files instead")
    parser.add_argument(
        "--beam-options", nargs="*", default=[], metavar="KEY=VALUE", help="options of the runner"
    )
    run_command(main, parser.parse_args())
