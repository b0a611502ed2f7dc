"""The paper's Tables 1 to 3 from files of the evaluation, beside the paper's own numbers.

    python scripts/tables.py runs/vox/metrics-*.json --out tables.md
    python scripts/tables.py runs/demo/metrics.json --plot fig6.png

Table 3 takes a file of scripts/eval_celebv.py for each of the four variants, whose configurations
say which they are. A number that is not there is a dash, with the reason in a footnote. --plot
draws the metrics over the difference of pose (the paper's Fig. 6) for files on one list of pairs.
"""

import argparse
from pathlib import Path

from reenact_jax.errors import run_command
from reenact_jax.evaluation.paper_tables import read_report, tables_markdown
from reenact_jax.evaluation.pose_plot import draw_pose_plot
from reenact_jax.files import write_text


def main(options: argparse.Namespace) -> None:
    reports = [read_report(path) for path in options.files]
    text = tables_markdown(reports)
    if options.out:
        write_text(Path(options.out), text)
        print(f"written: {options.out}")
    else:
        print(text, end="")
    if options.plot:
        draw_pose_plot(reports, options.plot, options.kind)
        print(f"written: {options.plot}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", help="files of scripts/eval*.py")
    parser.add_argument("--out", help="Markdown file to write; default: the terminal")
    parser.add_argument("--plot", help="PNG file of metrics over the difference of pose")
    parser.add_argument("--kind", choices=("self", "cross"), default="cross", help="pairs plotted")
    run_command(main, parser.parse_args())
