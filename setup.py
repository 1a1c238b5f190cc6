"""What is installed and what it needs; pyproject.toml says what the project is.

`pip install .` is the light side, numpy alone; `pip install .[train]` adds the training stack.
"""

from setuptools import find_packages, setup

_TRAIN = [
    # The last release with Keras 2, which TF-Agents 0.19 needs.
    "tensorflow-cpu>=2.15.1,<2.16",
    # The last release: exact, because checkpoints hold the variables of its PPO agent.
    "tf-agents==0.19.0",
    # TF-Agents 0.19 accepts 0.23 alone, of which there is one release, made for TensorFlow 2.15.
    "tensorflow-probability==0.23.0",
    # The series that was tried; a minor release of 0.x may change its behaviour.
    "gin-config>=0.5,<0.6",
    # 1.4 is the oldest in requirements.txt.
    "absl-py>=1.4,<3",
    # 4.9.3 is the newest that Python 3.9 can have; 4.10 was not tried.
    "tensorflow-datasets>=4.9.3,<4.10",
    # 1.21 accepts protobuf 4.25, the newest for TensorFlow 2.15, yet fails to import with it; 1.16 works.
    "tensorflow-metadata<1.17",
    # tensorflow-datasets asks for any release, and Ray imports it where it is; 26 refuses the numpy of TensorFlow 2.15.
    "pyarrow<26; python_version >= '3.10'",
    # tensorflow-datasets 4.9.10 imports it, and declares it for Python 3.8 alone.
    "importlib_resources>=5",
    # Bundles the digits. Below the next major release, which may break.
    "scikit-learn>=1.2,<2",
    # The tests of an evaluation; scikit-learn brings it, too.
    "scipy>=1.9,<2",
    # The report's pages. Below the next major release, which may break.
    "jinja2>=3,<4",
    # Progress bars: any release of the last years.
    "tqdm>=4.60",
    # 3.7 is the first with legends outside of the axes; 4 may drop what 3 deprecates.
    "matplotlib>=3.7,<4",
    # TensorFlow 2.15 accepts no other series.
    "tensorboard>=2.15,<2.16",
    # TensorBoard 2.15 imports pkg_resources, which setuptools 81 may drop (it warns so), and 82 has dropped.
    "setuptools<81",
]

setup(
    # Named, for a namespace search would install the folder gin/ over gin-config.
    packages=find_packages(include=["learned_lr*", "official_resnet*"]),
    package_data={
        "learned_lr": ["py.typed"],
        "learned_lr.control": ["pretrained/*/*"],
        # The paper's figures, and where they come from; the page's templates.
        "learned_lr.report": [
            "paper_data/*.csv",
            "paper_data/SOURCE.md",
            "templates/*",
        ],
    },
    # The light side's tests pass with 1.22.0 and with 2.4.
    install_requires=["numpy>=1.22"],
    extras_require={
        "train": _TRAIN,
        # Python 3.9 has pytest 8, the others have 9. What ruff finds varies by release, so requirements.txt pins it.
        # Hypothesis 6.141 is the last for Python 3.9.
        # mypy 1.11 needs typing-extensions 4.6, and TF-Agents 0.19 accepts 4.5.0 alone.
        "test": [
            "pytest>=7,<10",
            "pytest-xdist>=3.8,<4",
            "hypothesis>=6.141,<7",
            "ruff>=0.6",
            "mypy>=1.10,<1.11",
        ],
        # Below the next major release, which may break; pandas 3 needs Python 3.11.
        "report": [
            "pandas>=1.5,<3",
            "matplotlib>=3.7,<4",
            "scipy>=1.9,<2",
            "jinja2>=3,<4",
        ],
        # benchmarks/peers.py. 1.3 of schedulefree is the first whose weight decay heeds warm-up; 1.1 of prodigyopt was
        # tried. It declares no PyTorch, which it needs; scipy is for the table's intervals.
        "peers": [
            "torch>=2,<3",
            "schedulefree>=1.3,<2",
            "prodigyopt>=1.1,<2",
            "scipy>=1.9,<2",
        ],
        # The dashboard (ray[default]) is the business of the cluster. 2.51 is the oldest in requirements.txt.
        "ray": ["ray>=2.51,<3"],
    },
)
