"""Packaging. `pip install .` is the light side, numpy alone; `pip install .[train]` adds the training stack."""

import pathlib
import re

from setuptools import find_packages, setup

_VERSION = re.search(
    r'^__version__ = "(.+)"$',
    pathlib.Path(__file__).with_name("learned_lr").joinpath("__init__.py").read_text(),
    re.MULTILINE,
).group(1)

_TRAIN = [
    # The last release with Keras 2, which TF-Agents 0.19 needs.
    "tensorflow-cpu>=2.15.1,<2.16",
    # The last release; controllers and checkpoints are tied to its PPO.
    "tf-agents==0.19.0",
    # The one release that TF-Agents 0.19 accepts, and that is made for TensorFlow 2.15.
    "tensorflow-probability==0.23.0",
    # The first release with no dependency on TensorFlow is 0.3; later ones changed no syntax.
    "gin-config>=0.5,<0.6",
    # Flags; TensorFlow and TF-Agents need it too.
    "absl-py>=1.4,<3",
    # 4.9.3 is the last release for Python 3.9; later series may need another protobuf than TensorFlow 2.15.
    "tensorflow-datasets>=4.9.3,<4.10",
    # 1.17 needs protobuf 5, TensorFlow 2.15 needs protobuf below 5.
    "tensorflow-metadata<1.17",
    # tensorflow-datasets imports it, and some of its releases do not declare it.
    "importlib_resources>=5",
    # Its bundled digits are the data set of the quick start.
    "scikit-learn>=1.2,<2",
    "tqdm>=4.60",
    # Figures of a run.
    "matplotlib>=3.6,<4",
    # The release of TensorFlow 2.15.
    "tensorboard>=2.15,<2.16",
    # TensorBoard 2.15 imports pkg_resources, which setuptools 81 may drop (it warns so), and 82 has dropped.
    "setuptools<81",
]

setup(
    name="learned_lr",
    version=_VERSION,
    description="A PPO controller that picks the learning rate while a network trains",
    license="MIT",
    # TensorFlow 2.15 has wheels for these versions alone.
    python_requires=">=3.9,<3.12",
    packages=find_packages(include=["learned_lr*", "official_resnet*"]),
    # 1.22 is the first numpy for all of Python 3.9 to 3.11 whose Generator streams the light side uses.
    install_requires=["numpy>=1.22"],
    extras_require={
        "train": _TRAIN,
        "test": ["pytest>=7,<10", "ruff>=0.6"],
        "report": ["pandas>=1.5,<3", "matplotlib>=3.6,<4", "scipy>=1.9,<2"],
        # The dashboard and the job submission are in Ray's 'default' extra.
        "ray": ["ray[default]>=2.9,<3"],
    },
)
