"""Run by any interpreter that has the package and numpy: what the light side does there, printed as JSON."""

import json
import sys

import numpy as np

import learned_lr
from learned_lr import Controller, ControlLoop
from learned_lr.control import pretrained, weight_path
from learned_lr.control.measurements import Measurement


def learning_rates(name):
    """The rates that a controller chooses for a loss that falls from 2.3."""
    loop = ControlLoop(name, 100)
    return [
        loop.decide(
            Measurement(
                *(2.3 * 0.9**i, 2.4 * 0.9**i, 0.01 * i, 0.001 * i, 0.0, 0.05),
                weights=weight_path.sample([np.full((3, 2), 1 + 0.1 * i)]),
            ),
            10 * i,
        )
        for i in range(4)
    ]


def facts():
    """What the tests compare: where the package lies, the versions, and the rates of each controller."""
    return {
        "folder": learned_lr.__path__[0],
        "version": learned_lr.__version__,
        "numpy": np.__version__,
        "python": "{}.{}".format(*sys.version_info[:2]),
        "networks": {
            name: Controller.load(name).spec.network for name in pretrained.names()
        },
        "learning_rates": {
            name: learning_rates(name) for name in ["default", *pretrained.names()]
        },
    }


if __name__ == "__main__":
    print(json.dumps(facts()))
