"""minidino.loss against the equations written out pair by pair in float64, and against lightly."""

import math

import pytest
import torch
import torch.distributed as dist

from minidino.loss import DINOLoss

K = 7


def plain_loss(student, teacher, batch, teacher_temp, student_temp=0.1, center=0.0):
    """Equations 1 to 4: one image and one pair of different views at a time."""
    student, teacher = student.double(), teacher.double()
    terms = []
    for i in range(len(teacher) // batch):
        for j in range(len(student) // batch):
            if i == j:
                continue
            for b in range(batch):
                q = ((teacher[i * batch + b] - center) / teacher_temp).softmax(dim=0)
                log_p = (student[j * batch + b] / student_temp).log_softmax(dim=0)
                terms.append(-(q * log_p).sum())
    return torch.stack(terms).mean()


def logits(rows, seed=0, scale=1.0):
    """Cosine-like scores whose rows and prototypes have different means."""
    g = torch.Generator().manual_seed(seed)
    return scale * (torch.randn(rows, K, generator=g) + torch.randn(1, K, generator=g))


def center_of(value, seed=9):
    return value * torch.randn(1, K, generator=torch.Generator().manual_seed(seed))


def loss_with(center, **kw):
    loss = DINOLoss(K, **kw)
    loss.center.copy_(center)
    return loss


def close(got, expected, rtol=1e-5, atol=1e-6):
    got, expected = torch.as_tensor(got).double(), torch.as_tensor(expected).double()
    torch.testing.assert_close(got, expected, rtol=rtol, atol=atol)


# --- the value --------------------------------------------------------------------------------


def test_two_views_of_one_image_by_hand():
    """Temperatures 1/2 and 1/4 turn the logits into q = (3/4, 1/4), (1/2, 1/2) and
    p = (1/10, 9/10), (4/5, 1/5); only the pairs (q0, p1) and (q1, p0) count."""
    log = math.log
    teacher = torch.tensor([[0.5 * log(3), 0.0], [0.0, 0.0]])
    student = torch.tensor([[0.0, 0.25 * log(9)], [0.25 * log(4), 0.0]])
    h01 = -(0.75 * log(0.8) + 0.25 * log(0.2))
    h10 = -(0.5 * log(0.1) + 0.5 * log(0.9))
    loss = DINOLoss(2, student_temp=0.25).eval()
    close(loss(student, teacher, teacher_temp=0.5), (h01 + h10) / 2)
    # The center is subtracted: teacher logits higher by the center give the same loss.
    loss.center.copy_(torch.tensor([[1.0, -2.0]]))
    close(loss(student, teacher + loss.center, teacher_temp=0.5), (h01 + h10) / 2)


@pytest.mark.parametrize(
    "n_global, views, batch", [(2, 2, 3), (2, 10, 2), (2, 6, 1), (1, 4, 3), (3, 5, 2), (3, 3, 2)]
)
def test_value_and_gradient_equal_the_plain_sum_over_pairs(n_global, views, batch):
    student, teacher = logits(views * batch, 1), logits(n_global * batch, 2)
    mine, plain = student.clone().requires_grad_(), student.double().requires_grad_()
    center = center_of(0.5)
    loss = loss_with(center)
    got = loss(mine, teacher, 0.3, n_global)
    expected = plain_loss(plain, teacher, batch, 0.3, center=center[0])
    assert got.shape == ()
    close(got, expected)
    got.backward()
    expected.backward()
    close(mine.grad, plain.grad)


def test_two_global_and_eight_local_views_make_18_terms():
    """Flat teacher, every student view flat but the last: a flat pair costs ln K, and the last
    view is met by both teacher views, so 16 + 2 pairs."""
    teacher = torch.zeros(2, K)
    student = torch.zeros(10, K)
    student[9, 0] = 1.0
    last = math.log(math.exp(10) + K - 1) - 10 / K  # student_temp 0.1 turns 1 into 10
    close(DINOLoss(K)(student, teacher, 0.04), (16 * math.log(K) + 2 * last) / 18)


def test_a_view_is_not_compared_with_itself():
    """With one global view, the student's same view meets no teacher: it learns nothing."""
    student = logits(4 * 3).requires_grad_()
    DINOLoss(K)(student, logits(3, 2), 0.1, n_global=1).backward()
    assert not student.grad[:3].any()
    assert student.grad[3:].abs().sum(dim=1).all()


def test_a_student_that_agrees_pays_the_teachers_entropy():
    """H(q, p) = H(q) + KL(q || p), and KL is 0 when the student's distribution is the teacher's."""
    row = logits(1)
    q = (row[0].double() / 0.5).softmax(dim=0)
    student = (row * 0.1 / 0.5).expand(5, K)  # after its own temperature: the same distribution
    close(DINOLoss(K)(student, row.expand(2, K), 0.5), -(q * q.log()).sum())


@pytest.mark.parametrize("views", [2, 5, 10])
def test_softmax_is_over_prototypes(views):
    """Flat scores cost ln K whatever the number of views, and a row's offset means nothing."""
    close(DINOLoss(K)(torch.zeros(views * 3, K), torch.zeros(6, K), 0.04), math.log(K))
    student, teacher = logits(views * 3), logits(6, 2)
    expected = DINOLoss(K)(student, teacher, 0.1)
    up = torch.arange(views * 3.0)[:, None]
    close(DINOLoss(K)(student + up, teacher + up[:6], 0.1), expected, rtol=1e-4)


def test_each_network_has_its_own_temperature():
    """A sharp teacher asks for its argmax alone; the student's softness sets the price."""
    student, teacher = logits(2), logits(2, 2)
    log_p = (student.double() / 0.5).log_softmax(dim=1)
    price = -(log_p[1, teacher[0].argmax()] + log_p[0, teacher[1].argmax()]) / 2
    close(DINOLoss(K, student_temp=0.5)(student, teacher, 1e-3), price)


def test_layout_is_crop_major():
    """A batch costs the mean of what its images cost alone."""
    student, teacher = logits(5 * 4), logits(2 * 4, 2)
    alone = [DINOLoss(K)(student[b::4], teacher[b::4], 0.1) for b in range(4)]
    close(DINOLoss(K)(student, teacher, 0.1), torch.stack(alone).mean())


# --- numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e2, 1e4])
def test_large_logits_stay_finite_and_right(scale):
    """log(softmax + eps) would cap the loss; exp without the max would overflow."""
    student, teacher = logits(8, 1, scale).requires_grad_(), logits(4, 2, scale)
    got = DINOLoss(K)(student, teacher, 0.04)
    got.backward()
    assert student.grad.isfinite().all()
    close(got, plain_loss(student.detach(), teacher, 2, 0.04))


def test_half_precision_logits_are_scored_in_float32():
    student, teacher = logits(8, 1).bfloat16(), logits(4, 2).bfloat16()
    loss = DINOLoss(K)
    got = loss(student, teacher, 0.04)
    assert got.dtype == loss.center.dtype == torch.float32
    close(got, plain_loss(student, teacher, 2, 0.04))


def test_autocast_does_not_lower_the_precision():
    """Logits / 0.1 keep three digits in bfloat16: too few for a difference of two of them."""
    student, teacher = logits(8, 1).requires_grad_(), logits(4, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = DINOLoss(K)(student, teacher, 0.04)
    plain = student.detach().double().requires_grad_()
    expected = plain_loss(plain, teacher, 2, 0.04)
    close(got, expected)
    got.backward()
    expected.backward()
    close(student.grad, plain.grad)


def test_no_gradient_reaches_the_teacher_and_inputs_stay_as_they_were():
    student, teacher = logits(8).requires_grad_(), logits(4, 2).requires_grad_()
    before = student.detach().clone(), teacher.detach().clone()
    loss = DINOLoss(K)
    loss(student, teacher, 0.1).backward()
    assert teacher.grad is None and student.grad.any()
    assert not loss.center.requires_grad
    assert torch.equal(student, before[0]) and torch.equal(teacher, before[1])


# --- the center -------------------------------------------------------------------------------


def test_center_after_one_step_by_hand():
    """0.9 * 0 + 0.1 * the mean row (3, 0, ..., -1): raw logits, neither softmax nor / temp."""
    teacher = torch.zeros(4, K)
    teacher[:, 0] = torch.tensor([0.0, 2.0, 4.0, 6.0])
    teacher[:, -1] = -1.0
    loss = DINOLoss(K)
    loss(logits(8), teacher, teacher_temp=0.04)
    close(loss.center, torch.tensor([[0.3] + [0.0] * (K - 2) + [-0.1]]))


def test_a_step_is_scored_with_the_center_before_it():
    student, teacher = logits(8), logits(4, 2, scale=3.0)
    trained, frozen = DINOLoss(K, center_momentum=0.0), DINOLoss(K).eval()
    close(trained(student, teacher, 0.1), frozen(student, teacher, 0.1))
    close(trained.center, teacher.double().mean(dim=0, keepdim=True))  # and it did move


def test_center_stays_in_eval_mode():
    center = center_of(1.0)
    loss = loss_with(center).eval()
    loss(logits(8), logits(4, 2), 0.1)
    assert torch.equal(loss.center, center)


def test_center_is_saved_with_the_module():
    loss = DINOLoss(K)
    assert {n: tuple(t.shape) for n, t in loss.state_dict().items()} == {"center": (1, K)}
    assert list(loss.parameters()) == []
    assert not loss.center.any()


@pytest.mark.parametrize("n_global, views, momentum", [(2, 5, 0.9), (1, 3, 0.5)])
def test_twenty_steps_of_loss_and_center_equal_float64(n_global, views, momentum):
    batch, loss = 3, DINOLoss(K, center_momentum=momentum)
    center = torch.zeros(K, dtype=torch.float64)
    for step in range(20):
        temp = 0.04 + 0.01 * step
        student = logits(views * batch, 2 * step)
        teacher = logits(n_global * batch, 2 * step + 1) + 0.1 * step  # drifts
        expected = plain_loss(student, teacher, batch, temp, center=center)
        close(loss(student, teacher, temp, n_global), expected)
        center = momentum * center + (1 - momentum) * teacher.double().mean(dim=0)
        close(loss.center[0], center)


def test_twenty_steps_equal_lightly():
    """lightly takes lists of views, and moves its center in eval mode too: evaluating a model
    would change it, so ours stays (tested above). In training the two are the same."""
    theirs = pytest.importorskip("lightly.loss").DINOLoss(output_dim=K)
    ours = DINOLoss(K)
    for step in range(20):
        student, teacher = logits(6 * 3, 2 * step), logits(2 * 3, 2 * step + 1)
        temp = 0.04 + 0.01 * step
        expected = theirs(list(teacher.chunk(2)), list(student.chunk(6)), teacher_temp=temp)
        close(ours(student, teacher, temp), expected)
        close(ours.center[0], theirs.center[0, 0])


def test_center_is_the_mean_over_all_processes(monkeypatch):
    """A second process, played here, holds other rows; both must end with one center."""
    mine, other = logits(4, 2), logits(4, 3)

    def all_reduce(tensor, op=dist.ReduceOp.SUM, **_):
        tensor += other.mean(dim=0, keepdim=True)
        if op == dist.ReduceOp.AVG:
            tensor /= 2

    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda *_: 2)
    monkeypatch.setattr(dist, "all_reduce", all_reduce)
    loss = DINOLoss(K)
    loss(logits(8), mine, 0.1)
    close(loss.center, 0.1 * torch.cat([mine, other]).double().mean(dim=0, keepdim=True))


# --- shapes that cannot be right --------------------------------------------------------------


@pytest.mark.parametrize(
    "student, teacher, n_global, text",
    [
        ((10, K), (5, K), 2, "5 teacher rows .* 2 global views"),
        ((7, K), (4, K), 2, "7 student rows .* views of 2"),
        ((2, K), (4, K), 2, "2 student rows"),  # fewer views than the teacher saw
        ((3, K), (3, K), 1, "view"),  # one view in all leaves no pair
        ((8, K), (4, K), 0, "global|view"),
        ((0, K), (0, K), 2, "row|image|empty"),
        ((6, K + 1), (4, K), 2, rf"\b{K + 1}\b"),
        ((6, K), (4, K + 1), 2, rf"\b{K + 1}\b"),
        ((6, 1), (4, 1), 2, r"\b1\b"),  # would broadcast against the center without a word
    ],
)
def test_shapes_that_do_not_fit_are_refused_in_words(student, teacher, n_global, text):
    loss = DINOLoss(K)
    with pytest.raises(ValueError, match=text):
        loss(torch.zeros(student), torch.ones(teacher), 0.1, n_global)
    assert not loss.center.any()  # a refused batch moves nothing
