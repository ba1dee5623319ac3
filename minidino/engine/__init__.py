"""Time, memory, cores, GPUs, machines: how a step is computed, never what it computes."""
