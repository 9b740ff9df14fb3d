"""What torch.compile makes of the network, the matcher and the loss."""

from __future__ import annotations

import pytest

from support.runs import small_config, small_images, small_trainer


@pytest.mark.recipe  # compiling takes half a minute
@pytest.mark.parametrize("loss", ["triplet", "softmax+triplet"])
def test_what_is_compiled_learns_alike(tmp_path, loss):
    images = small_images(tmp_path)
    plain, compiled = (
        [
            report.loss
            for report in small_trainer(
                images, small_config(f"loss.kind={loss}", f"runtime.compile={mode}")
            ).epochs()
        ]
        for mode in ("off", "default")
    )
    assert compiled == pytest.approx(plain, rel=1e-4)
