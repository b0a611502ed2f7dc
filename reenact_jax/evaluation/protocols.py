"""The paper's protocols: which pairs of which data, and how many."""

import dataclasses

from reenact_jax.data.frames import PairDataset
from reenact_jax.errors import UserError

OWN = "own"
DISENTANGLED = "disentangled"


@dataclasses.dataclass(frozen=True)
class Protocol:
    """A row of results in the paper, or any list of pairs.

    Attributes:
      name: as in metrics.json.
      dataset: packed dataset that it is about; None for any.
      kind: `self`, `cross`, or None for both.
      num_pairs: in the paper; None where it does not say.
      what: in words.
    """

    name: str
    dataset: str | None
    kind: str | None
    num_pairs: int | None
    what: str


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("vox_self", "voxceleb_pairs", "self", 10_280, "VoxCeleb1, one person (Table 1)"),
        Protocol("vox_cross", "voxceleb_pairs", "cross", 10_280, "VoxCeleb1, two people (Table 1)"),
        Protocol("celebv_cross", "celebv", "cross", 5_000, "CelebV, two people (Tables 2 and 3)"),
        Protocol(DISENTANGLED, None, None, None, "pose alone or expression alone (Fig. 8)"),
        Protocol(OWN, None, None, None, "any list of pairs"),
    )
}


def check_protocol(protocol: Protocol, pairs: PairDataset) -> None:
    """Refuses pairs of other data than the protocol's.

    Raises:
      UserError: names the dataset that is expected.
    """
    found = pairs.root.name
    if protocol.dataset not in (None, found):
        raise UserError(
            f"protocol {protocol.name}: expected pairs of dataset {protocol.dataset}, found those "
            f"of {found}: scripts/eval.py scores any pairs"
        )


def protocol_warnings(protocol: Protocol, num_pairs: int) -> list[str]:
    """How far a list of pairs is from the paper's."""
    if protocol.num_pairs in (None, num_pairs):
        return []
    return [
        f"{num_pairs} pairs, where the paper has {protocol.num_pairs}: distances between sets of "
        "pictures depend on their number, so compare no FID with the paper's"
    ]
