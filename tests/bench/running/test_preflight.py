"""What is refused before the first run starts."""

from pathlib import Path

import pytest

from bench.datasets.files.work import quiet
from bench.running.preflight import check_data, check_hyper_parameters, check_loss
from proxy_core.losses import LOSSES
from tests.bench.running.test_run import spec_for


def test_settings_that_do_not_fit_the_classes_of_the_data_name_their_method(
    tmp_path: Path,
) -> None:
    """Digits has three training classes: 0.4 of them is one proxy, 0.7 are two."""
    bad = spec_for("proxy_triplet", loss_args={"proxies_per_class": 0.4}, method="Few")
    with pytest.raises(ValueError, match=r"Few on digits: proxies_per_class is 0\.4: that is one"):
        check_data([spec_for(), bad], None, tmp_path, quiet)
    check_data([spec_for(), spec_for("proxy_triplet")], None, tmp_path, quiet)
    check_hyper_parameters(bad, classes=10)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_check_takes_no_memory(loss: str) -> None:
    """A table of these sizes would take petabytes."""
    check_loss(loss, 10**12, {})
