"""minidino.teacher: the moving average, worked by hand and in float64."""

import copy

import pytest
import torch
from torch import nn

from minidino.teacher import update_teacher


def pair(seed=0):
    """Two networks with float and integer buffers and a frozen parameter, all different."""
    torch.manual_seed(seed)
    nets = []
    for _ in range(2):
        net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3))
        net(torch.randn(8, 4))  # moves the running statistics and the counter
        net[2].bias.requires_grad_(False)
        nets.append(net)
    teacher, student = nets
    student[1].num_batches_tracked.fill_(7)
    return teacher, student


def snapshot(net):
    return {name: p.detach().clone() for name, p in net.state_dict().items()}


def test_teacher_moves_towards_the_student_by_hand():
    """0.9 * 1 + 0.1 * 2 = 1.1; with the two reversed it would be 1.9."""
    teacher, student = nn.Linear(1, 1), nn.Linear(1, 1)
    for net, value in ((teacher, 1.0), (student, 2.0)):
        nn.init.constant_(net.weight, value)
        nn.init.constant_(net.bias, -value)
    update_teacher(teacher, student, 0.9)
    assert teacher.weight.item() == pytest.approx(1.1)
    assert teacher.bias.item() == pytest.approx(-1.1)
    assert student.weight.item() == 2.0


def test_twenty_steps_equal_the_float64_recursion():
    teacher, student = pair()
    floats = [n for n, p in teacher.state_dict().items() if p.is_floating_point()]
    assert "1.running_var" in floats and "2.bias" in floats  # buffers and frozen parameters too
    expected = {name: teacher.state_dict()[name].double() for name in floats}
    for step in range(20):
        momentum = 0.9 + 0.005 * step
        with torch.no_grad():
            for p in student.parameters():
                p.add_(torch.randn_like(p))
        student[1].running_mean.add_(1.0)
        for name in floats:
            new = student.state_dict()[name].double()
            expected[name] = momentum * expected[name] + (1 - momentum) * new
        update_teacher(teacher, student, momentum)
        for name in floats:
            got = teacher.state_dict()[name].double()
            torch.testing.assert_close(got, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("momentum", [1.0, 0.0])
def test_momentum_one_keeps_and_zero_copies_bit_for_bit(momentum):
    teacher, student = pair()
    expected = snapshot(teacher if momentum == 1.0 else student)
    update_teacher(teacher, student, momentum)
    for name, p in teacher.state_dict().items():
        if p.is_floating_point():
            assert torch.equal(p, expected[name]), name


def test_whole_number_buffers_are_copied():
    teacher, student = pair()
    update_teacher(teacher, student, 0.99)
    counter = teacher[1].num_batches_tracked
    assert counter.item() == 7 and counter.dtype == torch.long


def test_student_is_left_alone_and_teacher_is_written_in_place():
    teacher, student = pair()
    before = snapshot(student)
    addresses = [p.data_ptr() for p in (*teacher.parameters(), *teacher.buffers())]
    update_teacher(teacher, student, 0.5)
    assert all(torch.equal(p, before[name]) for name, p in student.state_dict().items())
    assert [p.data_ptr() for p in (*teacher.parameters(), *teacher.buffers())] == addresses


@pytest.mark.parametrize("frozen", [True, False])
def test_no_gradient_is_recorded(frozen):
    teacher, student = pair()
    if frozen:
        teacher.requires_grad_(False)
    student(torch.randn(8, 4)).sum().backward()
    grads = [p.grad.clone() for p in student.parameters() if p.requires_grad]
    update_teacher(teacher, student, 0.5)
    assert all(p.is_leaf and p.grad is None for p in teacher.parameters())
    after = [p.grad for p in student.parameters() if p.requires_grad]
    assert all(torch.equal(a, b) for a, b in zip(after, grads, strict=True))


def test_the_student_itself_is_refused_as_teacher():
    _, student = pair()
    with pytest.raises(ValueError, match="same module"):
        update_teacher(student, student, 0.9)
    update_teacher(copy.deepcopy(student), student, 0.9)  # what the message recommends


@pytest.mark.parametrize(
    "other",
    [
        nn.Linear(6, 4),  # as many numbers in other shapes
        nn.Linear(4, 6, bias=False),
        nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6)),
    ],
)
def test_networks_that_differ_are_refused_before_anything_moves(other):
    teacher = nn.Linear(4, 6)
    before = snapshot(teacher)
    with pytest.raises(ValueError, match="same parameters"):
        update_teacher(teacher, other, 0.5)
    assert all(torch.equal(p, before[name]) for name, p in teacher.state_dict().items())
