"""Takes a model out of its run: python -m reenact_jax.export --run runs/demo --out DIR

DIR gets model.safetensors, config.json and README.md (a model card); evaluate and reenact read it
in place of a run. --function adds the reenactment function for programs that have JAX alone,
--examples=SOURCE,DRIVING two prepared clips to try the model with. docs/export.md says more.
"""

from pathlib import Path

from absl import app, flags

from reenact_jax.errors import UserError, parse_flags, run_command

_RUN = flags.DEFINE_string("run", None, "Folder of a trained run, such as runs/demo.")
_CHECKPOINT = flags.DEFINE_string("checkpoint", "latest", "latest, best or the number of a step.")
_OUT = flags.DEFINE_string("out", None, "Folder to write.")
_LICENCE = flags.DEFINE_string(
    "data_licence", None, "Licence of the data, where it is not one that the project knows."
)
_WEIGHTS_LICENCE = flags.DEFINE_string(
    "weights_licence",
    None,
    "Licence of the model itself, where its data are not the project's own.",
)
_FUNCTION = flags.DEFINE_bool("function", False, "Add the function, serialised by jax.export.")
_EXAMPLES = flags.DEFINE_list("examples", None, "Two prepared clips to add: SOURCE,DRIVING.")


def main(argv: list[str]) -> None:
    del argv
    from reenact_jax.inference.export_model import export_model
    from reenact_jax.inference.model_folder import read_config
    from reenact_jax.inference.run import load_run

    examples = _EXAMPLES.value and tuple(map(Path, _EXAMPLES.value))
    if examples and len(examples) != 2:
        raise UserError(f"--examples: expected SOURCE,DRIVING, found {len(examples)} clips")
    folder, out = Path(_RUN.value), Path(_OUT.value)
    run = load_run(read_config(folder), folder, _CHECKPOINT.value)
    export_model(
        run,
        out,
        metrics_path=folder / "metrics.json",
        licence=_LICENCE.value,
        licence_of_weights=_WEIGHTS_LICENCE.value,
        with_function=_FUNCTION.value,
        examples=examples,
    )
    for path in sorted(path for path in out.iterdir() if path.is_file()):
        print(f"{path}  {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    flags.mark_flags_as_required(["run", "out"])
    app.run(lambda argv: run_command(main, argv), flags_parser=parse_flags)
