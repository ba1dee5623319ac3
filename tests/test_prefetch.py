"""The order stays, one batch is ahead, and a GPU gets what the CPU had."""

import pytest
import torch

from minidino.data.prefetch import one_ahead, to_device


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_all_items_come_in_order_and_the_next_is_started_first(n):
    started, seen = [], []
    for item in one_ahead(range(n), lambda i: started.append(i) or i):
        seen.append(item)
        assert started == list(range(min(item + 2, n)))  # itself, and the one after it
    assert seen == list(range(n))


def test_an_error_in_the_data_is_not_swallowed():
    def batches():
        yield 1
        yield 2
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        list(one_ahead(batches(), lambda i: i))


def test_on_the_cpu_batches_are_handed_on():
    batches = [torch.tensor([i]) for i in range(3)]
    out = list(to_device(iter(batches), torch.device("cpu")))
    assert all(a is b for a, b in zip(out, batches, strict=True))


@pytest.mark.gpu
def test_a_gpu_gets_the_same_batches_though_memory_is_used_again():
    make = [torch.randint(0, 256, (64, 3, 128, 128), dtype=torch.uint8) for _ in range(12)]
    sums = [b.double().sum().item() for b in make]
    found = []
    for batch in to_device(iter(make), torch.device("cuda")):
        torch.cuda._sleep(10_000_000)  # training lags behind the copies
        found.append(batch.double().sum())
        del batch
    assert [f.item() for f in found] == sums
