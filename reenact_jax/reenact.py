"""Moves a portrait: python -m reenact_jax.reenact --run RUN --source A --driving B --out OUT.mp4

RUN is the folder of a run, or a model folder of reenact_jax.export; --model NAME takes one that
ships with the package, and needs neither --source nor --driving to show what it does.
SOURCE and DRIVING are pictures, videos or prepared clips (folders). Raw files are tracked, which
needs the extra `tracking` and a run whose face model can be fitted.
"""

from pathlib import Path

from absl import app, flags

from reenact_jax.errors import parse_flags, run_command

_RUN = flags.DEFINE_string("run", None, "Folder of a run or a model, such as runs/demo.")
_MODEL = flags.DEFINE_string("model", None, "Name of a shipped model, in place of --run.")
_SOURCE = flags.DEFINE_string("source", None, "Who is seen: picture, video or prepared clip.")
_DRIVING = flags.DEFINE_string("driving", None, "Who moves: video, picture or prepared clip.")
_CHECKPOINT = flags.DEFINE_string("checkpoint", "latest", "latest, best or the number of a step.")
_OUT = flags.DEFINE_string("out", None, "Video to write (.mp4).")
_COMPARE = flags.DEFINE_bool("compare", False, "Put source and driving frame beside the result.")
_TRANSFER = flags.DEFINE_enum(
    "transfer", "all", ["all", "pose", "expression"], "What is taken from the driver."
)
_SMOOTH = flags.DEFINE_bool("smooth", True, "Remove the jitter of the driver's fit.")
_ON_MISSING = flags.DEFINE_enum(
    "on_missing",
    "hold",
    ["hold", "interpolate", "skip", "fail"],
    "What becomes of driving frames without a face.",
)
_SOURCE_FACE = flags.DEFINE_string(
    "source_face", "largest", "Which face: largest, or an index from 0, left to right."
)
_DRIVING_FACE = flags.DEFINE_string(
    "driving_face", "largest", "Which face: largest, or an index from 0, left to right."
)


def main(argv: list[str]) -> None:
    del argv
    from reenact_jax.compilation_cache import enable_compilation_cache
    from reenact_jax.inference import shipped
    from reenact_jax.inference.model_folder import read_config
    from reenact_jax.inference.reenactment import write_reenactment
    from reenact_jax.inference.run import load_run
    from reenact_jax.tracking.choice import parse_face

    enable_compilation_cache()
    source_face, driving_face = parse_face(_SOURCE_FACE.value), parse_face(_DRIVING_FACE.value)
    folder, source, driving = shipped.choose(
        _RUN.value, _MODEL.value, _SOURCE.value, _DRIVING.value
    )
    run = load_run(read_config(folder), folder, _CHECKPOINT.value)
    out = Path(_OUT.value)
    write_reenactment(
        run,
        source,
        driving,
        out,
        compare=_COMPARE.value,
        transfer_pose=_TRANSFER.value in ("all", "pose"),
        transfer_expression=_TRANSFER.value in ("all", "expression"),
        smooth=_SMOOTH.value,
        on_missing=_ON_MISSING.value,
        source_face=source_face,
        driving_face=driving_face,
    )
    print(f"written: {out}")


if __name__ == "__main__":
    flags.mark_flag_as_required("out")
    app.run(lambda argv: run_command(main, argv), flags_parser=parse_flags)
