"""For all tests: Ctrl-C, no limits of time, CUDA that may not be skipped where a GPU is."""

from __future__ import annotations

import os
import signal

import pytest

pytest_plugins = ["support.browser"]

# A shell without job control starts what it puts in the background with SIGINT ignored, and so is
# it in every process of the tests; many of them are about Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

try:
    import hypothesis
except ModuleNotFoundError:  # where only the kernels are tried (make gpu)
    pass
else:
    # How long an example takes says nothing where others use the machine too.
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")

#: What an emulator cannot do is no fault of the device.
EXCUSED = ("emulated", "QACONV_NEED_GPU")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if (
        report.skipped
        and os.environ.get("QACONV_NEED_GPU") == "1"
        and "cuda" in item.nodeid.lower()
        and not hasattr(report, "wasxfail")
    ):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not any(word in reason for word in EXCUSED):
            report.outcome = "failed"
            report.longrepr = f"QACONV_NEED_GPU=1, and this was skipped: {reason}"
    return report
