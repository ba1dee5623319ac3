"""Exercise 5.4, who learns, who follows: tells apart a teacher that shares, trains or begins
elsewhere, a student that is changed, and an optimizer of the wrong parameters.
"""

import torch
from torch import nn

from minidino.checks.core import call, check, expect
from minidino.checks.teacher.common import small_network
from minidino.head import DINOHead


@check("5.4", "who learns, who follows")
def check_5_4(set_up):
    student = nn.Sequential(small_network(), nn.Dropout(0.5), DINOHead(2, 6, 8, 4))
    names = dict(student.named_parameters())
    trained = {name for name, p in names.items() if p.requires_grad}
    before = {name: p.detach().clone() for name, p in student.state_dict().items()}
    got = call(set_up, student, 0.125)
    expect(
        isinstance(got, tuple | list) and len(got) == 2,
        "Return two things: the teacher and the optimizer.",
    )
    teacher, optimizer = got
    expect(
        not isinstance(teacher, torch.optim.Optimizer),
        "The two are returned the other way round: the teacher comes first, then the optimizer.",
    )
    expect(
        isinstance(teacher, nn.Module),
        f"The teacher should be a module; yours is of type {type(teacher).__name__}.",
    )
    expect(
        teacher is not student,
        "Your teacher is the student: the same object under a second name. Each would grade its "
        "own work; copy.deepcopy(student) makes a second network.",
    )
    theirs = {t.data_ptr() for t in (*student.parameters(), *student.buffers())}
    expect(
        not any(t.data_ptr() in theirs for t in (*teacher.parameters(), *teacher.buffers())),
        "Teacher and student share their parameters: what moves one moves the other. A shallow "
        "copy copies only the outermost module; use copy.deepcopy.",
    )
    expect(
        all(p.dtype == before[n].dtype for n, p in student.state_dict().items()),
        "You changed the type of the student's weights. The student is left as it is.",
    )
    now = teacher.state_dict()
    expect(
        now.keys() == before.keys()
        and all(now[n].dtype == b.dtype and torch.equal(now[n], b) for n, b in before.items()),
        "Your teacher does not begin with the student's weights and buffers. It should be an "
        "exact copy; an average of two unrelated networks is a network that knows nothing.",
    )
    expect(
        {name for name, p in names.items() if p.requires_grad} == trained,
        "You changed which of the student's parameters are trained. Freeze the copy, not the "
        "student: after deepcopy, on the teacher.",
    )
    expect(
        not any(p.requires_grad for p in teacher.parameters()),
        "Some of the teacher's parameters still ask for gradients. teacher.requires_grad_(False), "
        "with the underscore, switches all of them off; the teacher only ever follows.",
    )
    expect(
        all(module.training for module in student.modules()),
        "You put the student in eval mode. It trains, with drop path; only the copy goes to eval "
        "mode.",
    )
    expect(
        not any(module.training for module in teacher.modules()),
        "Your teacher is in train mode, or a part of it is: its drop path and dropout would make "
        "the targets random. teacher.eval() reaches all its parts.",
    )
    expect(
        isinstance(optimizer, torch.optim.Optimizer),
        f"The second thing should be an optimizer; yours is of type {type(optimizer).__name__}.",
    )
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    expect(
        not held & {id(p) for p in teacher.parameters()},
        "Your optimizer holds the teacher's parameters. Only the student is trained; weight decay "
        "and momentum would otherwise move the teacher as well.",
    )
    missing = [name for name in trained if id(names[name]) not in held]
    expect(
        not missing,
        "Not all of the student's trained parameters are in your optimizer; there is no "
        f"{', '.join(missing[:2])}. It takes all of student.parameters().",
    )
    expect(
        isinstance(optimizer, torch.optim.AdamW),
        f"Your optimizer is {type(optimizer).__name__}; DINO trains with torch.optim.AdamW.",
    )
    expect(
        all(group["lr"] == 0.125 for group in optimizer.param_groups),
        "The optimizer does not have the learning rate it was given: AdamW(..., lr=lr).",
    )
    expect(
        len([p for group in optimizer.param_groups for p in group["params"]]) == len(held),
        "A parameter stands twice in your optimizer; it would be moved twice a step.",
    )
    expect(
        call(set_up, student, 0.25)[1].param_groups[0]["lr"] == 0.25,
        "The optimizer has the right learning rate for lr = 0.125, and not for lr = 0.25. Is it "
        "written in?",
    )
    expect(
        all(torch.equal(p, before[name]) for name, p in student.state_dict().items()),
        "You changed the student's weights.",
    )
