"""Mean responses: values from the controller, within its bounds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from learned_lr import controller_info
from learned_lr.control import pretrained, response
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.control.controller import Controller


@pytest.mark.parametrize("name", ["default", *pretrained.names()])
def test_every_packaged_controller_loads_and_answers(name, capsys):
    controller = Controller.load(name)
    spec = controller.spec
    responses = response.mean_response(controller, num_points=5)
    assert list(responses) == list(spec.observation.features)
    scale = spec.scaling.max_scale
    for values, factors in responses.values():
        assert values.shape == factors.shape == (5,)
        assert np.all((factors >= 1 / scale - 1e-9) & (factors <= scale + 1e-9))
    assert controller_info.main([name]) == 0
    text = capsys.readouterr().out
    for expected in (spec.network, *spec.observation.features, "run_seed"):
        assert expected in text


def test_middle_of_each_feature_is_the_mean_observation():
    controller = Controller.load("default")
    mean = controller.weights["normalizer_mean"]
    action, _ = controller.act(mean, controller.initial_state())
    expected = controller.spec.scaling.max_scale ** np.clip(action, -1, 1)
    low, high = controller.spec.observation.bounds()
    checked = 0
    for index, (values, factors) in enumerate(
        response.mean_response(controller, num_points=3).values()
    ):
        if low[index] < mean[index] < high[index]:
            assert values[1] == pytest.approx(mean[index])
            assert factors[1] == pytest.approx(expected, rel=1e-6)
            checked += 1
    assert checked


def test_many_tasks_are_counted_and_the_base_is_told():
    plain = Controller.load("fashion_mnist_lenet5")
    spec = dataclasses.replace(
        plain.spec,
        base_schedule=BaseSchedule(0.1, 0.01),
        initial_sgd_learning_rate=0.02,
        source_tasks=tuple("abcde"),
    )
    lines = controller_info.describe(Controller(spec, plain.weights)).splitlines()
    assert (
        "action: x0.667 to x1.500, on a warm-up of 0.1 of the run and a cosine to 0.01"
        in lines
    )
    assert "rates: in [1e-07, 1], from 0.001 (0.02 with SGD) on" in lines
    assert "trained on: 5 tasks: a, b, c, ..." in lines
    lines = controller_info.describe(plain).splitlines()
    assert "action: x0.667 to x1.500, on the learning rate" in lines
    assert "trained on: fashion_mnist_lenet5" in lines


def test_plot_draws_a_png(tmp_path):
    path = tmp_path / "response.png"
    assert controller_info.main(["default", "--plot", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")


def test_plot_into_a_folder_is_refused(tmp_path, capsys):
    assert controller_info.main(["default", "--plot", str(tmp_path)]) == 1
    assert f"found the folder {tmp_path}." in capsys.readouterr().err
    assert not list(tmp_path.parent.glob(f"{tmp_path.name}.*"))


def test_unknown_name_says_what_is_there(capsys):
    assert controller_info.main(["fashion"]) == 1
    assert "fashion" in capsys.readouterr().err
