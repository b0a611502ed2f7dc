"""The scores of all runs, as arrays of seeds by pairs, and the comparisons that the plan names."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reenact_jax.data.talking_heads.clips import POSE_BINS
from reenact_jax.evaluation.pair_table import MODEL, PairTable
from reenact_jax.evaluation.parts import read_part
from reenact_jax.evaluation.pictures import BASELINES
from reenact_jax.study import analysis
from reenact_jax.study.analysis import Estimate
from reenact_jax.study.leakage import FITS
from reenact_jax.study.occlusion_use import REGIONS, TOLD
from reenact_jax.study.plan import CONDITIONS, VARIANTS, StudyRun, study_runs

KINDS = ("cross", "self")
# Columns of the pair tables that are reported -> their names in tables with the better direction,
# and digits.
METRICS = {
    "frame/l1": ("L1 frame ↓", 4),
    "face/l1": ("L1 face ↓", 4),
    "visible/l1": ("L1 visible ↓", 4),
    "hidden/l1": ("L1 hidden ↓", 4),
    "frame/psnr": ("PSNR frame ↑", 2),
    "face/psnr": ("PSNR face ↑", 2),
    "visible/psnr": ("PSNR visible ↑", 2),
    "hidden/psnr": ("PSNR hidden ↑", 2),
    "frame/ssim": ("SSIM frame ↑", 3),
    "face/ssim": ("SSIM face ↑", 3),
    "visible/ssim": ("SSIM visible ↑", 3),
    "hidden/ssim": ("SSIM hidden ↑", 3),
    "frame/landmarks": ("landmarks px ↓", 2),
    "frame/pose": ("pose deg ↓", 2),
    "frame/expression": ("expression ↓", 3),
    "frame/identity": ("identity ↓", 2),
}
# Worse and better variant of each step, and of the whole way.
STEPS = (("base", "fg"), ("fg", "fg_og"), ("fg_og", "full"), ("base", "full"))
# Baselines and what they are compared with.
AGAINST = (("warp", "full"), ("warp_and_paste", "full"))
BIN_NAMES = (
    *(f"{a:g}-{b:g}" for a, b in zip(POSE_BINS[:-2], POSE_BINS[1:-1], strict=True)),
    f"{POSE_BINS[-2]:g}+",
)


@dataclasses.dataclass(frozen=True)
class StudyScores:
    """Tables of the runs that have been scored; the pairs are the same in all of them."""

    tables: dict[tuple[str, int, str], PairTable]

    def seeds(self, variant: str) -> list[int]:
        """Seeds of a variant that were scored in both conditions."""
        own = {seed for name, seed, _ in self.tables if name == variant}
        return sorted(
            seed for seed in own if all((variant, seed, c) in self.tables for c in CONDITIONS)
        )

    def pairs(self, kind: str) -> dict[str, np.ndarray]:
        """What the pairs are, see `PairTable.pairs`."""
        return next(iter(self.tables.values())).of_kind(kind).pairs

    def values(
        self,
        variant: str,
        condition: str,
        kind: str,
        column: str,
        *,
        seeds: list[int] | None = None,
        method: str = MODEL,
    ) -> np.ndarray:
        """A column of a variant's tables, (seeds, pairs of the kind)."""
        seeds = self.seeds(variant) if seeds is None else seeds
        return np.stack(
            [
                self.tables[variant, seed, condition].of_kind(kind).scores[f"{method}/{column}"]
                for seed in seeds
            ]
        )

    def gain(self, step: tuple[str, str], condition: str, kind: str, column: str) -> np.ndarray:
        """Second minus first variant of a step, of the seeds that both have, (seeds, pairs)."""
        first, second = step
        seeds = [seed for seed in self.seeds(second) if seed in self.seeds(first)]
        return self.values(second, condition, kind, column, seeds=seeds) - self.values(
            first, condition, kind, column, seeds=seeds
        )

    def baseline(self, method: str, condition: str, kind: str, column: str) -> np.ndarray:
        """A baseline's column, (1, pairs): it is the same beside every run."""
        variant, seed, _ = next(key for key in self.tables if key[2] == condition)
        return self.values(variant, condition, kind, column, seeds=[seed], method=method)


def load_scores(out: Path) -> StudyScores:
    """All tables that are there."""
    tables = {}
    for run in study_runs():
        for condition in CONDITIONS:
            table = read_part(run.table(out, condition))
            if table is not None:
                tables[run.variant, run.seed, condition] = table
    return StudyScores(tables)


def missing_tables(out: Path) -> list[tuple[StudyRun, str]]:
    """Runs and conditions that have not been scored."""
    every = ((run, condition) for run in study_runs() for condition in CONDITIONS)
    return [(run, condition) for run, condition in every if not run.table(out, condition).is_file()]


@dataclasses.dataclass(frozen=True)
class Row:
    """One number of the study.

    Attributes:
      what: `share` (of the face that is hidden), `mean`, `gain` (of a step, or over a baseline),
        `slope` (of a gain, per 10 degrees), `hidden-visible` (of a gain), `tolerance` (a mean under
        wrong guidance), `tolerance-change` (from exact guidance), `leakage`, `occlusion`,
        `occlusion-change` (from the computed map).
      who: variant, baseline, `first->second`, or `truth`.
      condition, kind, column: which guidance (a condition, a level of tolerance, how the two
        drivers were fitted, or which occlusion map the run was told), pairs and metric.
      bin: of pose difference, or `all`.
      estimate: with its interval.
      seeds: how many.
    """

    what: str
    who: str
    condition: str
    kind: str
    column: str
    bin: str
    estimate: Estimate
    seeds: int


def all_rows(scores: StudyScores) -> Iterator[Row]:
    """Every number that the plan names, the primary one and the others alike."""
    for kind in KINDS:
        pairs = scores.pairs(kind)
        people, degrees = pairs["source_identity"], pairs["pose_difference"]
        number = np.searchsorted(POSE_BINS, degrees, side="right") - 1
        bins = {"all": np.ones(len(degrees), bool)}
        bins |= {name: number == k for k, name in enumerate(BIN_NAMES)}
        hidden = (pairs["hidden_share"] / pairs["face_share"])[None]
        for name, chosen in bins.items():
            estimate = analysis.mean(hidden[:, chosen], people[chosen])
            yield Row("share", "truth", "", kind, "hidden", name, estimate, 1)
        for condition in CONDITIONS:
            for column in METRICS:
                where = condition, kind, column
                columns = {
                    name: scores.baseline(name, condition, kind, column) for name in BASELINES
                }
                columns |= {
                    name: scores.values(name, condition, kind, column)
                    for name in VARIANTS
                    if scores.seeds(name)
                }
                for who, values in columns.items():
                    for name, chosen in bins.items():
                        estimate = analysis.mean(values[:, chosen], people[chosen])
                        yield Row("mean", who, *where, name, estimate, len(values))
                for step in STEPS:
                    if not (scores.seeds(step[0]) and scores.seeds(step[1])):
                        continue
                    values, who = scores.gain(step, *where), "->".join(step)
                    for name, chosen in bins.items():
                        estimate = analysis.mean(values[:, chosen], people[chosen])
                        yield Row("gain", who, *where, name, estimate, len(values))
                    estimate = analysis.slope(values, degrees, people)
                    yield Row("slope", who, *where, "all", estimate, len(values))
                for baseline, variant in AGAINST:
                    if not scores.seeds(variant):
                        continue
                    values, who = columns[variant] - columns[baseline], f"{baseline}->{variant}"
                    for name, chosen in bins.items():
                        estimate = analysis.mean(values[:, chosen], people[chosen])
                        yield Row("gain", who, *where, name, estimate, len(values))
            for step in STEPS:
                if not (scores.seeds(step[0]) and scores.seeds(step[1])):
                    continue
                # Of pairs that have both regions.
                values = scores.gain(step, condition, kind, "hidden/l1") - scores.gain(
                    step, condition, kind, "visible/l1"
                )
                estimate = analysis.mean(values, people)
                where = condition, kind, "l1"
                yield Row("hidden-visible", "->".join(step), *where, "all", estimate, len(values))


def tolerance_rows(
    values: dict[str, dict[str, np.ndarray]], people: np.ndarray, variant: str = "full"
) -> Iterator[Row]:
    """Means under wrong guidance, and their changes from exact guidance, of cross pairs.

    Args:
      values: level, exact guidance first -> column -> (seeds, pairs).
      people: (pairs,) source identities.
      variant: whose scores they are.
    """
    exact = next(iter(values.values()))
    for level, columns in values.items():
        for column, found in columns.items():
            where = variant, level, "cross", column, "all"
            yield Row("tolerance", *where, analysis.mean(found, people), len(found))
            change = analysis.mean(found - exact[column], people)
            yield Row("tolerance-change", *where, change, len(found))


def leakage_rows(found: dict[str, list[dict[str, np.ndarray]]]) -> Iterator[Row]:
    """Means of what `leakage.leakage` measured, of cross pairs; columns are REGION/MEASURE.

    Args:
      found: variant -> columns of each seed, and `source_identity`.
    """
    for variant, seeds in found.items():
        people = seeds[0]["source_identity"]
        for fit in FITS:
            for region in ("frame", "face"):
                for column, name in (
                    (f"{region}/apart", f"{fit}/{region}/apart"),
                    (f"{region}/error", f"{fit}/{region}/error"),
                    (f"{region}/moved", f"{region}/moved"),
                ):
                    values = np.stack([one[name] for one in seeds])
                    estimate = analysis.mean(values, people)
                    yield Row("leakage", variant, fit, "cross", column, "all", estimate, len(seeds))


def occlusion_rows(found: dict[str, list[dict[str, np.ndarray]]]) -> Iterator[Row]:
    """What `occlusion_use.occlusion_use` measured, of cross pairs.

    Means of O and O_c in a region (columns REGION/O), and `visible-hidden/O`, their difference in
    pairs that have both; the mean of M_o in the face (face/M_o) of runs with occlusion guidance,
    which alone use it; errors told the computed map, and changes of them told another (REGION/l1).

    Args:
      found: variant -> columns of each seed, and `source_identity`.
    """
    for variant, seeds in found.items():
        people = seeds[0]["source_identity"]
        columns = {name: np.stack([one[name] for one in seeds]) for name in seeds[0]}
        passed = {}
        for name in ("O", "O_c"):
            visible, hidden = (columns[f"{region}/{name}"] for region in ("visible", "hidden"))
            passed |= {f"visible/{name}": visible, f"hidden/{name}": hidden}
            passed[f"visible-hidden/{name}"] = visible - hidden
        if f"{TOLD[1]}/face/l1" in columns:
            passed["face/M_o"] = columns["face/M_o"]
        for column, values in passed.items():
            estimate = analysis.mean(values, people)
            where = variant, "computed", "cross", column, "all"
            yield Row("occlusion", *where, estimate, len(seeds))
        for told in TOLD:
            for region in REGIONS:
                values = columns.get(f"{told}/{region}/l1")
                if values is None:
                    continue
                if told != TOLD[0]:
                    values = values - columns[f"{TOLD[0]}/{region}/l1"]
                what = "occlusion" if told == TOLD[0] else "occlusion-change"
                where = variant, told, "cross", f"{region}/l1", "all"
                yield Row(what, *where, analysis.mean(values, people), len(seeds))
