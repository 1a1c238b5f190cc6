"""Points of a sweep: their order, their slugs, and what is refused."""

from __future__ import annotations

import pytest

from learned_lr.jobs import sweep_points


def test_product_with_seeds():
    points = sweep_points.make_points(
        {"b.rate": (0.1, -2), "a.kind": ("log", "x/y z")}, None, (0, 7), "train.seed"
    )
    assert [point.slug for point in points] == [
        "00-kind=log-rate=0.1-seed=0",
        "01-kind=log-rate=0.1-seed=7",
        "02-kind=log-rate=-2-seed=0",
        "03-kind=log-rate=-2-seed=7",
        "04-kind=x_y_z-rate=0.1-seed=0",
        "05-kind=x_y_z-rate=0.1-seed=7",
        "06-kind=x_y_z-rate=-2-seed=0",
        "07-kind=x_y_z-rate=-2-seed=7",
    ]
    assert points[7].gin_bindings() == [
        "a.kind = 'x/y z'",
        "b.rate = -2",
        "train.seed = 7",
    ]


def test_slugs_name_what_differs_and_tell_equal_names_apart():
    points = sweep_points.make_points(
        None, [{"a.x": 1, "b.x": 1, "c.y": 2}, {"a.x": 2, "c.y": 2}], (), "train.seed"
    )
    assert [point.slug for point in points] == ["00-a.x=1-b.x=1", "01-a.x=2"]
    assert sweep_points.names(points) == ["a.x", "b.x", "c.y"]


@pytest.mark.parametrize(
    ("product", "points", "seeds", "message"),
    [
        ({"a.b": (1,)}, [{}], (), "sweep.product or sweep.points, found both"),
        (None, None, (), "sweep.product, sweep.points or sweep.seeds, found none"),
        (None, [], (), "at least one point, found none"),
        (
            None,
            [{"a.b": 1}, {"a.b": 1}],
            (),
            "points that differ, found {'a.b': 1} twice",
        ),
        (None, [{"train.seed": 1}], (2,), "sweep.seeds or train.seed, found both"),
        ({"a.b": "log"}, None, (), "lists in sweep.product, found 'log'"),
        (None, None, 3, "lists in sweep.seeds, found 3"),
        ({"a.b": (len,)}, None, (), "found a.b = <built-in function len>"),
    ],
)
def test_wrong_points(product, points, seeds, message):
    with pytest.raises(ValueError, match="^Expected") as error:
        sweep_points.make_points(product, points, seeds, "train.seed")
    assert message in str(error.value)
