"""How often each occlusion map agrees with rays: python -m benchmarks.occlusion_agreement

Prints the table of docs/guidance.md: share of the face's pixels for which O_c says what a
brute-force ray from the source camera says, over pairs of yaw angles up to 60 degrees apart and
random persons and expressions, on the procedural head of the paper's mesh size.
"""

from reenact_jax.face_model.procedural import procedural_head
from tests.helpers.posed import occlusion_agreement

SIZES = (64, 128, 256)
YAW_PAIRS = ((0, 0.5), (-30, 30), (0, 60), (20, -25), (-10, 40))


def main() -> None:
    print("| mesh | O_c | " + " | ".join(f"{size} px" for size in SIZES) + " |")
    print("|---" * (len(SIZES) + 2) + "|")
    for mesh in ("light", "full"):
        model = procedural_head(mesh)
        for mode in ("literal", "dilated", "depth"):
            shares = (occlusion_agreement(model, size, mode, YAW_PAIRS) for size in SIZES)
            cells = " | ".join(f"{100 * share:.1f} %" for share in shares)
            print(f"| {len(model.triangles):,} triangles | `{mode}` | {cells} |", flush=True)


if __name__ == "__main__":
    main()
