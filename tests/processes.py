"""Programs in processes of their own: other numbers of threads, and Ctrl-C."""

import os
import signal
import subprocess
import sys
import time

from mia_sklearn import _rust

# The module by its path: the package around it would take a second to import.
_LOAD_KERNELS = """
import hashlib, sys, numpy as np
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
loader = ExtensionFileLoader("_rust", sys.argv[1])
_rust = module_from_spec(spec_from_loader("_rust", loader))
loader.exec_module(_rust)
"""


def printed(code, *arguments, **environment):
    """Return what a program prints; variables of threads are those given alone."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS")
    }
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=inherited | environment,
        capture_output=True,
        check=True,
        text=True,
    ).stdout


def printed_by_kernels(code, **environment):
    """Return what a program prints that finds hashlib, numpy and the kernels imported."""
    return printed(_LOAD_KERNELS + code, _rust.__file__, **environment)


def printed_after_ctrl_c(code, *, wait, timeout, **environment):
    """Return what a program prints once it is stopped, `wait` seconds after its first line."""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            process.stdout.readline()
            time.sleep(wait)
            process.send_signal(signal.SIGINT)
            output = process.communicate(timeout=timeout)[0]
        finally:
            process.kill()
    assert process.returncode == 0
    return output
