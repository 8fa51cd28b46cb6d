"""The example that chooses a learning rate reaches its numbers and saves its picture."""

import pytest
from drawn import long
from figures import legible  # noqa: F401
from test_examples import example, pictures

pytestmark = pytest.mark.usefixtures("legible")


@long
def test_choose_learning_rate(tmp_path, capsys):
    swept, test, limits = example("choose_learning_rate").main(tmp_path, jobs=2)
    verdicts = {row.settings["lr"]: row.verdicts for row in swept.rows}
    assert verdicts[0.0001] == {"slow": 3}
    assert verdicts[1.0].keys() <= {"falling", "converged"}  # the one that is recommended
    assert verdicts[10.0] == {"diverged": 3}
    # A training that diverges is chaotic: the last bit of a sum decides how it looks.
    assert verdicts[3.0].keys() <= {"diverged", "oscillating"}
    assert pictures(tmp_path) == ["choose_learning_rate.png"]
    *progress, _ = capsys.readouterr().out.split("lr      loss")
    lines = "".join(progress).splitlines()
    assert [float(line.split(":")[0].removeprefix("lr=")) for line in lines] == sorted(verdicts)
    assert max(map(len, lines)) < 140

    # what docs/sweeps.md says of the picture
    assert swept.best().settings == {"lr": 1.0}
    assert swept.best("accuracy", "max").settings == {"lr": 0.3}
    lowest = test.lr[test.smoothed.argmin()]
    assert (lowest, test.limit, test.suggestion) == pytest.approx((1.4, 5, 0.14), rel=0.05)
    fast, gentle = limits[1.0], limits[0.1]
    assert len(fast) == len(gentle) == 21
    assert fast[0] == gentle[0] == pytest.approx(1.9, abs=0.05)
    assert min(gentle) == pytest.approx(0.8, abs=0.05)
    assert fast[-1] == pytest.approx(3.0, abs=0.05)
