"""Where the footage of the datasets comes from: what to cite, under which licence, which page."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Source:
    """Origin of a dataset's footage.

    Attributes:
      license: what is known of it.
      citation: BibTeX, or empty.
      homepage: address, or empty.
    """

    license: str
    citation: str = ""
    homepage: str = ""


CLIPS = Source("That of the videos that were prepared.")

VOXCELEB = Source(
    license=(
        "VoxCeleb's annotations: CC BY 4.0. The videos belong to those who published them; no "
        "licence to copy them comes with the list. Parameters of the Basel Face Model fall under "
        "its own licence."
    ),
    citation=r"""
        @inproceedings{nagrani2017voxceleb,
          title={VoxCeleb: A Large-Scale Speaker Identification Dataset},
          author={Nagrani, Arsha and Chung, Joon Son and Zisserman, Andrew},
          booktitle={Interspeech},
          year={2017}
        }
        @inproceedings{siarohin2019first,
          title={First Order Motion Model for Image Animation},
          author={Siarohin, Aliaksandr and Lathuili{\`e}re, St{\'e}phane and Tulyakov, Sergey and
                  Ricci, Elisa and Sebe, Nicu},
          booktitle={Advances in Neural Information Processing Systems},
          year={2019}
        }
    """,
    homepage="https://www.robots.ox.ac.uk/~vgg/data/voxceleb/",
)

CELEBV = Source(
    license=(
        "CelebV: its publishers state none. The videos belong to those who published them. "
        "Parameters of the Basel Face Model fall under its own licence."
    ),
    citation="""
        @inproceedings{wu2018reenactgan,
          title={ReenactGAN: Learning to Reenact Faces via Boundary Transfer},
          author={Wu, Wayne and Zhang, Yunxuan and Li, Cheng and Qian, Chen and Loy, Chen Change},
          booktitle={European Conference on Computer Vision},
          year={2018}
        }
    """,
    homepage="https://github.com/wywu/ReenactGAN",
)

TALKING_HEADS = Source("Apache-2.0, as this project, whose code makes every pixel.")
