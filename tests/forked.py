"""Where tests' own processes begin: forked from a server that has imported what takes seconds.

A process that imports PyTorch, torchvision and what PyTorch fetches for its first optimizer
works for five seconds before its first step; a forked one begins at once. There is one server
for all tests, so its list of imports is here.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess

import pytest
import torch
import torchvision.transforms.v2.functional  # noqa: F401

import minidino.cli
import minidino.train  # noqa: F401
from minidino.run.monitor import KnnMonitor

START = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
if sys.platform != "win32":
    START.set_forkserver_preload(["forked", "killed", "test_distributed"])

KnnMonitor.LABELLED = KnnMonitor.HELD_OUT = 100  # as conftest.py has it
torch.optim.SGD([torch.zeros(1, requires_grad=True)])  # PyTorch imports much for the first one


def begun(target: Callable, *args) -> BaseProcess:
    """A process that calls ``target``, started."""
    process = START.Process(target=target, args=args)
    with pytest.MonkeyPatch.context() as patch:
        # The server of Python 3.11 looks for what it is to import where this says, and only there.
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        process.start()
    return process
