"""torch.compile where it works, and plain PyTorch where it does not."""

from collections.abc import Callable
from typing import Any

import torch
from tqdm import tqdm

from minidino.engine.machine import out_of_memory
from minidino.engine.settings import Engine

# A network with fewer parameters is so quick on a GPU that starting its kernels is what takes
# the time; a CUDA graph starts them all at once. ViT-Ti with its head has 12 million.
CUDA_GRAPH_PARAMETERS = 15_000_000
# A network of other sizes, or another objective, is compiled anew. PyTorch counts them over all
# trainings of a process, and from its ninth on it would compile none.
MOST_COMPILED = 256


class Compiled:
    """A function that torch.compile speeds up where it can, and that works where it cannot.

    Shapes are the same at every step, so they are compiled as constants. Small networks run
    as CUDA graphs, recorded by torch.compile: it follows the weights' addresses and the random
    numbers, and goes without where a graph cannot be. A graph writes each step's gradients in
    the same place, which would overwrite those that ``accumulate`` has to add up.
    """

    def __init__(self, function: Callable, engine: Engine, n_parameters: int):
        self.plain = self.function = function
        if engine.compile:
            graphs = engine.accumulate == 1 and n_parameters < CUDA_GRAPH_PARAMETERS
            # fallback_random: drop path draws what it draws without compiling.
            options = {"fallback_random": True, "triton.cudagraphs": graphs}
            limits = torch._dynamo.config
            limits.recompile_limit = max(limits.recompile_limit, MOST_COMPILED)
            self.function = torch.compile(function, dynamic=False, options=options)

    def __call__(self, *args) -> Any:
        return self.function(*args)

    def attempt(self, work: Callable, *args) -> Any:
        """``work(*args)``, which calls this function; again, plainly, if compiling fails.

        Compiling happens at the first call, and for the gradients at the first backward pass:
        ``work`` holds both and begins anew when it is called again.
        """
        try:
            return work(*args)
        except Exception as error:  # a compiler may raise anything
            if self.function is self.plain or out_of_memory(error):
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            tqdm.write(f"torch.compile failed, training goes on without it: {reason}")
            self.function = self.plain
            return work(*args)
