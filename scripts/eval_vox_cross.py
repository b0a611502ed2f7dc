"""The paper's cross-identity protocol on VoxCeleb1 (Table 1).

    python scripts/eval_vox_cross.py runs/vox

Cross pairs of the test clips: 10,280 in the paper, 20 for each of 514 clips; no true answers.
Writes RUN/metrics-vox_cross.json; docs/evaluation.md says what is in it.
"""

from reenact_jax.errors import run_command
from reenact_jax.evaluation.commands import evaluation_parser, main

if __name__ == "__main__":
    options = evaluation_parser(__doc__, dataset="voxceleb_pairs").parse_args()
    run_command(main, options, "vox_cross")
