"""Which runs the study consists of, and where their files lie."""

import dataclasses
from pathlib import Path

# Rows of the paper's Table 3, each with everything of the one before.
VARIANTS = {
    "base": "Base",
    "fg": "+FG",
    "fg_og": "+FG+OG",
    "full": "+FG+OG+SG",
}
# Guidance parameters that a run is scored with; all are trained on the first.
CONDITIONS = ("exact", "fitted")
# The first and the last variant are what the claim compares most often.
SEEDS = {"base": 5, "fg": 3, "fg_og": 3, "full": 5}


@dataclasses.dataclass(frozen=True)
class StudyRun:
    """One training run: a variant with a seed of initial values and order of the data."""

    variant: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.variant}-{self.seed}"

    @property
    def config_argument(self) -> str:
        """What follows `configs/study.py:`."""
        return f"{self.variant},seed={self.seed}"

    def workdir(self, out: Path) -> Path:
        return out / "runs" / self.name

    def table(self, out: Path, condition: str) -> Path:
        """Where the scores of its pairs lie."""
        return out / "tables" / f"{self.name}-{condition}.npz"


def study_runs() -> list[StudyRun]:
    """All runs, seed by seed, so that what is there at any moment can be compared."""
    return [
        StudyRun(variant, seed)
        for seed in range(max(SEEDS.values()))
        for variant in VARIANTS
        if seed < SEEDS[variant]
    ]
