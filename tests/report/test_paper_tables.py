"""Tables 1 and 2: our rows beside the paper's, and what their baseline is."""

from __future__ import annotations

import json

from hand_made_contenders import EVALUATE, TASK, make_evaluation

from learned_lr.report import assembly


def _table(root_dir, number):
    """The lines of Table 1 or 2 with our rows, as cells, and the note below it."""
    assembly.report(str(root_dir))
    text = (root_dir / "report" / "report.md").read_text(encoding="utf-8")
    text = text.replace("\\", "").replace("**", "")
    table = text.partition(f"Table {number}. ")[2].partition("(arXiv")
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in table[0].split("\n")]
    ours = [cells for cells in rows if cells and cells[2] not in ("paper", "ours")]
    return ours[2:], table[2].partition("\n")[0]


def test_tables_1_and_2_say_what_the_baseline_is(tmp_path):
    make_evaluation(
        tmp_path, EVALUATE + "task.batch_size = 128\n", reference="constant 0.1"
    )
    network, baseline = "lenet5, batch_size = 128", "constant 0.1"
    ours, note = _table(tmp_path, 1)
    first = ["fashion_mnist", network, "tuned", baseline, "3"]
    assert ours[0][:7] == [*first, "1.2500 ± 0.2500", "0.3333 ± 0.0722"]
    assert note == ":1909.09712)."
    moved, _ = _table(tmp_path, 2)
    assert [cells[1:4] for cells in moved] == [
        [network, "default", baseline],
        [network, "transfer", baseline],
    ]


def test_table_1_says_that_pooled_controllers_have_no_star(tmp_path):
    make_evaluation(tmp_path)
    path = tmp_path / "evaluate" / TASK / "run"
    schedules = json.loads((path / "schedules.json").read_text())
    for name in ("tuned", "recipe"):
        schedules[name]["pool"] = "pooled"
    (path / "schedules.json").write_text(json.dumps(schedules))
    ours, note = _table(tmp_path, 1)
    assert [cells[2] for cells in ours] == ["pooled"] and ours[0][4] == "6"
    assert note.endswith(
        "no such test, and the deviation is that of one of them over seeds."
    )
