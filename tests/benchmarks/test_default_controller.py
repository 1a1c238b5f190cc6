"""The choice among the controllers of one task: every cosine is in its table, and the pages have its figures."""

from __future__ import annotations

import pathlib

import pytest

from benchmarks import default_controller

ROOT = pathlib.Path(__file__).resolve().parents[2]
TASKS = ("cifar10", "digits", "fashion_mnist")


def _write(path, losses):
    lines = [f'"{name}",{loss}\n' for name, loss in losses]
    path.write_text("schedule,best_validation_loss\n" + "".join(lines))
    return str(path)


def test_a_cosine_is_in_the_table_whatever_its_warm_up_is(tmp_path, capsys):
    for task, length, loss in (("a", 15, 0.5), ("b", 50, 2.0)):
        (tmp_path / task).mkdir()
        cosine = f"cosine 0.01, warm-up {length}"
        losses = [(cosine, loss), (cosine, loss), ("digits_cnn", 1.0), ("own", 1.0)]
        _write(tmp_path / task / "evaluation.csv", losses)
    paths = [str(tmp_path / task / "evaluation.csv") for task in "ab"]
    default_controller.main(paths)
    output = capsys.readouterr().out
    # log(0.5) and log(2) against the one controller of the package's that all tables have.
    (line,) = (
        n for n in output.splitlines() if n.startswith("| cosine 0.01, warm-up ")
    )
    cells = [cell.strip() for cell in line.split("|")[2:-1]]
    assert cells == ["0.5000", "2.0000", "0.000", "0.693"]
    assert output.endswith("The best of the controllers: digits_cnn\n")


def test_two_lengths_in_one_table_are_refused(tmp_path):
    rows = [("cosine 0.01, warm-up 5", 1.0), ("cosine 0.01, warm-up 9", 1.0)]
    with pytest.raises(
        ValueError, match="one length of warm-up .* 'cosine 0.01, warm-up 5'"
    ):
        default_controller.mean_losses(_write(tmp_path / "a.csv", rows))


def test_tables_without_a_controller_of_the_packages_are_refused(tmp_path, capsys):
    path = _write(tmp_path / "a.csv", [("own", 1.0)])
    with pytest.raises(SystemExit):
        default_controller.main([path])
    assert (
        "Expected a controller out of ['cifar10_relative'," in capsys.readouterr().err
    )


def test_pages_have_the_figures_of_the_committed_tables(capsys):
    paths = [str(ROOT / "results/pretrained" / t / "evaluation.csv") for t in TASKS]
    default_controller.main(paths)
    table = capsys.readouterr().out.partition("\n\n")[0]
    page = (ROOT / "results" / "pretrained" / "README.md").read_text(encoding="utf-8")
    assert table in page
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in table.splitlines()]
    means = {row[0]: row[-2] for row in rows}
    cosine, controller = means["cosine 0.01, warm-up"], means["fashion_mnist_lenet5"]
    expected = (
        "on three tasks, that cosine has a mean regret of "
        f"{cosine} against its {controller}"
    )
    for name in ("README.md", "results/pretrained/README.md"):
        text = " ".join((ROOT / name).read_text(encoding="utf-8").split())
        assert expected in text, name
