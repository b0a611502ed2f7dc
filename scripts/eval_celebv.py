"""The paper's cross-identity protocol on CelebV (Tables 2 and 3).

    python scripts/eval_celebv.py runs/vox

1,000 cross pairs for each of five persons as the source; a model trained on VoxCeleb1. Four runs,
one for each row of Table 3, are the ablation: scripts/tables.py puts their files together. Writes
RUN/metrics-celebv_cross.json; docs/evaluation.md says what is in it.
"""

from reenact_jax.errors import run_command
from reenact_jax.evaluation.commands import evaluation_parser, main

if __name__ == "__main__":
    options = evaluation_parser(__doc__, dataset="celebv").parse_args()
    run_command(main, options, "celebv_cross")
