"""The example on losses: both train both, and the chapter states what came of it."""

import pytest
from drawn import long
from figures import legible  # noqa: F401
from test_docs import ROOT
from test_examples import example, pictures

pytestmark = pytest.mark.usefixtures("legible")


@long
def test_losses_compared(tmp_path, capsys):
    digits, rms = example("losses_compared").main(tmp_path)
    page = " ".join((ROOT / "docs/11_classes.md").read_text().split())
    rates = example("losses_compared").RATES

    def right(loss, start, lr):
        return digits[loss, start][rates.index(lr), -1]

    assert "97% of digits that it has not seen with cross-entropy and 96% with the squared" in page
    assert right("cross-entropy", "fresh", 1.0) == pytest.approx(0.97, abs=0.015)
    assert right("squared error", "fresh", 1.0) == pytest.approx(0.96, abs=0.015)
    assert "back at 96% after ten passes over the data, and the squared error at 71%" in page
    assert right("cross-entropy", "confidently wrong", 1.0) == pytest.approx(0.96, abs=0.015)
    assert right("squared error", "confidently wrong", 1.0) == pytest.approx(0.71, abs=0.03)
    assert "98% at rate 3, but" in page
    assert right("squared error", "confidently wrong", 3.0) == pytest.approx(0.98, abs=0.015)
    assert "reads more than 90% at every rate from 0.3 to 10, from either start" in page
    for start in ("fresh", "confidently wrong"):
        assert digits["cross-entropy", start][1:5, -1].min() > 0.9
    assert "error is 0.135. A network with one output and the squared error has 0.057" in page
    assert rms["cross-entropy of 20 bins"] == pytest.approx(0.135, abs=0.01)
    assert rms["squared error"] == pytest.approx(0.057, abs=0.01)
    assert "sine, squared error: rms error 0.05" in capsys.readouterr().out
    names = ["losses_compared.png", "losses_logits.png", "losses_numbers.png", "losses_p.png"]
    assert pictures(tmp_path) == names
