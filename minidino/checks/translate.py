"""What an exception of PyTorch's means for somebody who did not expect it, and where it arose."""

import linecache
import re
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path

# Code that is not the learner's: this package, Python's own and installed libraries.
OTHERS = (Path(__file__).resolve().parents[1], *map(Path, sysconfig.get_paths().values()))

KEEPDIM = (
    "Two shapes do not line up. Either a sum, mean, max or norm dropped its dimension "
    "(keepdim=True keeps it at size 1), or one of the two wants a new one, as in x[:, None]. Print "
    "both shapes."
)
INTEGERS = (
    "An integer tensor met an operation that makes fractions. Bring it to a floating type first "
    "(.float()), or, of a counter, copy it in place of averaging it."
)
# Of exceptions whose text contains the pattern, the first that fits.
MEANINGS: list[tuple[str, str]] = [
    (r"The size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\)", KEEPDIM),
    (
        r"Sizes of tensors must match except in dimension (\d+)",
        "torch.cat joins tensors that are equal in every other dimension. One token for all images "
        "has to be repeated first: x.expand(B, -1, -1).",
    ),
    (
        r"mat1 and mat2 shapes cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)",
        "A @ B multiplies (n, k) by (k, m): the inner sizes must be equal. Is one of the two to be "
        "transposed, or is it another one that belongs here?",
    ),
    (
        r"Expected size for first two dimensions of batch2|batch1 and batch2|must be 3D",
        "A batched product multiplies (B, n, k) by (B, k, m). Is one of the two to be transposed "
        "(.transpose(-2, -1))?",
    ),
    (
        r"shape '\[.*\]' is invalid for input of size|can't divide axis|Shape mismatch"
        r"|don't multiply up to the size",
        "As many numbers must come out as went in. Is [CLS] still among the tokens, a dimension "
        "taken for another, or a grid for a square?",
    ),
    (
        r"Wrong shape: expected (\d+) dims. Received (\d+)-dim tensor",
        "The pattern names another number of dimensions than the tensor has. Print its shape.",
    ),
    (
        r"Identifiers only on one side|is not used in transform",
        "rearrange moves numbers and loses none: every name stands on both sides of the arrow, and "
        "a size can be given to those alone.",
    ),
    (
        r"same number of spatial dimensions",
        "F.interpolate resizes all dimensions after the second: a picture is (N, C, H, W), a line "
        "(N, C, L). Fold what you give it first.",
    ),
    (
        r"contains duplicate dimension",
        "Two axes have one name. Height and width need two, p and q, of the same size.",
    ),
    (
        r"Could not infer sizes",
        "Of the names in one pair of parentheses all but one need a size: p=patch_size.",
    ),
    (
        r"view size is not compatible",
        "A view needs numbers that lie in order; after a transpose use .reshape.",
    ),
    (
        r"can't convert .*numpy|Can't call numpy\(\) on Tensor that requires grad",
        "A tensor with a gradient goes to NumPy by x.detach().numpy(), one on a GPU by x.cpu() "
        "first. "
        "What NumPy computes has no gradient.",
    ),
    (
        r"expected scalar type|must have the same dtype|same dtype",
        "The two have different types (dtype). Bring them to one: x.float(), or x.to(y.dtype).",
    ),
    (
        r"Boolean value of Tensor with more than one value|truth value of an array",
        "`if`, `and` and `or` take one value; these are many, one for each entry. torch.where, or "
        "& "
        "and |, decide for each on its own.",
    ),
    (
        r"only one element tensors can be converted|cannot be converted to Scalar",
        "A tensor of many numbers is used where one number belongs. Is a reduction missing, or did "
        "max(dim=...), which returns values *and* indices, give you two things?",
    ),
    (
        r"return_types",
        "max, min, sort and topk over a dimension return two things, values and indices: take "
        ".values or .indices.",
    ),
    (
        r"a leaf Variable that requires grad",
        "A parameter cannot be changed in place while gradients are recorded. Wrap the update in "
        "torch.no_grad(); and of its gradient, p.grad is what is written to.",
    ),
    (
        r"modified by an inplace operation",
        "A tensor that backward still needs was overwritten. Write x = x + y in place of x += y.",
    ),
    (
        r"more than one element of the written-to tensor refers to a single memory",
        "An expanded tensor is one number seen many times, and cannot be written to. Make a new "
        "tensor in place of changing it, or .clone() it first.",
    ),
    (
        r"only change requires_grad flags of leaf",
        "requires_grad is switched on inputs and parameters, not on a result. To cut a result off, "
        "use .detach(), or compute it under torch.no_grad().",
    ),
    (
        r"stack expects each tensor to be equal size",
        "The tensors in the list are not of one size. Is the last, smaller one (what is left over) "
        "to be dropped?",
    ),
    (
        r"linalg.norm|vector_norm|matrix_norm",
        "A norm with `ord` given, or of a matrix, is another norm than the length of all numbers. "
        "p.grad.norm(), or torch.linalg.vector_norm, takes a tensor of any shape as one vector.",
    ),
    (
        r"does not require grad and does not have a grad_fn",
        "Nothing with a gradient leads here: a .detach(), an .item(), torch.no_grad() or NumPy "
        "cut it off.",
    ),
    (
        r"backward through the graph a second time",
        "backward() was called twice on one graph: compute the loss anew.",
    ),
    (
        r"must be either a floating point|not implemented for '(Long|Int|Byte|Bool|Short)'"
        r"|can't be cast to the desired output type (Long|Int|Byte|Bool)"
        r"|integral input tensors, argument alpha",
        INTEGERS,
    ),
    (
        r"expected target dtype to be Long|expected scalar type Long but found",
        "Labels of classes are whole numbers: torch.zeros(n, dtype=torch.long); without it they "
        "are floats. (Probabilities in their place have the scores' shape.)",
    ),
    (
        r"list must have at least one tensor",
        "A list of tensors is empty here. Ask `if tensors:` first.",
    ),
    (
        r"_foreach_\w+\(\) received an invalid",
        "The _foreach_ functions take lists of tensors, [*teacher.parameters()] and no generator, "
        "dictionary or module; then a number, as their names ask.",
    ),
    (
        r"Tensor lists must have the same number",
        "The two lists pair tensor with tensor, so they must be of one length. Is one of them "
        "filtered where the other is not?",
    ),
    (
        r"split_with_sizes expects split_sizes to sum",
        "The parts of a split must add up to all rows: B images of N tokens are B * N of them.",
    ),
    (
        r"same device",
        "Two tensors are on different devices. Make new ones where the inputs are: "
        "device=x.device.",
    ),
    (
        r"Dimension out of range|too many indices",
        "There are fewer dimensions than you index. Print x.shape.",
    ),
    (
        r"selected index k out of range",
        "topk was asked for more than there are. Where there may be fewer than k, at a border or "
        "in a small set, take min(k, how many there are). (None at all? A slice whose start is "
        "negative counts from the end, and may be empty.)",
    ),
    (
        r"index .* is out of bounds|out of range",
        "An index runs past the end. The last of n is n - 1.",
    ),
    (
        r"'(?:float|int)' object has no attribute '(?:backward|detach|requires_grad|grad)",
        "A plain Python number stands here, and it has no gradient. A tensor loses its own where "
        ".item() or float() makes a number of it.",
    ),
    (
        r"'(?:float|int)' object has no attribute '(\w+)'",
        "A plain Python number stands here, and it has no `{0}`.",
    ),
    (
        r"'NoneType'",
        "Something is None here: a gradient before backward (or of a frozen parameter), or what a "
        "function without `return` gives.",
    ),
    (r"'dict' object has no attribute '(\w+)'", 'This is a dictionary: write x["{0}"].'),
    (
        r"name '(\w+)' is not defined",
        "{0} is not defined above this cell. Is it spelt so, and was its cell run?",
    ),
    (
        r"cannot access local variable '(\w+)'",
        "{0} is read before it has a value on every way through.",
    ),
    (
        r"division by zero",
        "Something is divided by 0. What should come out when there is nothing to divide?",
    ),
    (
        r"not enough values to unpack|too many values to unpack",
        "As many names must stand on the left as there are values on the right. Is a number of "
        "views "
        "or sizes written in that follows from the input?",
    ),
    (r"^'(\w+)'$", 'There is no key "{0}" in what you were given.'),
    (
        r"^(list|tuple|dict|[\w.<>]*<genexpr>) is not a Module subclass",
        "nn.Sequential takes its modules one by one, and was given all in one. A star unpacks "
        "them: nn.Sequential(*layers).",
    ),
    (
        r"is not a Module subclass",
        "nn.Sequential takes modules: nn.GELU() with its brackets, which make one. A bare class is "
        "none, nor is a function such as F.gelu, whose place is in a forward method.",
    ),
    (
        r"Module \[(ModuleList|ModuleDict)\] is missing",
        "nn.{0} only holds its modules and cannot be called. nn.Sequential hands its input through "
        "them, one after the other.",
    ),
    (
        r"missing the required \"forward\" function",
        "The class has no method `forward`. Is it there, spelt so, and indented into the class?",
    ),
    (
        r"before Module.__init__\(\) call",
        "An nn.Module's __init__ begins with super().__init__().",
    ),
    (
        r"grad can be implicitly created only for scalar outputs",
        "backward() starts from one number. Take the mean first.",
    ),
    (
        r"empty parameter list",
        "The optimizer was given nothing to train. A generator such as parameters() is used up "
        "after one loop; and a plain list hides its layers from the module.",
    ),
    (
        r"real number, not '(list|tuple)'|operand type\(s\) for .*'list'",
        "A whole list stands where one number belongs. Is an index missing, x[t]?",
    ),
    (
        r"'generator' object (is not subscriptable|has no attribute)|object of type 'generator'",
        "parameters() and the like are generators, to be gone through once. list(...) of one can "
        "be counted, indexed and gone through again.",
    ),
    (r"generator|Generator", "A generator is passed by name: generator=generator."),
]


# What stands before the round brackets of a call by mistake, and what can be done with it.
VALUES = {
    **{kind: f"a {kind.lower()}, no function: leave the round brackets after it away, or index it "
       "with []" for kind in ("list", "tuple", "dict", "Tensor")},
    **dict.fromkeys(("float", "int"), "a number, no function: leave the round brackets after it "
                    "away, or write the * of a product"),
}  # fmt: skip


def meaning(error: BaseException, answers: Sequence[str] = ()) -> str:
    """A sentence or two for the learner, whose functions are called ``answers``, or ""."""
    if said := _of_arguments(str(error), answers):
        return said
    found = re.search(r"'(\w+)' object is not callable", str(error))
    if found and found[1] in VALUES:
        frames = traceback.extract_tb(error.__traceback__)
        if frames and _of_others(frames[-1].filename):
            return "A value stands where a function belongs: hand over f itself and not f(x)."
        return f"This is {VALUES[found[1]]}."
    for pattern, words in MEANINGS:
        if found := re.search(pattern, str(error)):
            return words.format(*found.groups()) if "{0}" in words else words
    return ""


def _of_arguments(said: str, answers: Sequence[str]) -> str:
    """What is wrong with the arguments of a call: of the learner's function, or of another."""
    found = re.match(
        r"(?:.*<locals>\.)?([\w.<>]+)\(\) "
        r"(?:missing \d+ required [\w-]+ arguments?: (.+)|takes [\w ]*positional)",
        said,
    )
    if not found:
        return ""
    *owner, name = found[1].split(".")
    if {name, *owner} & {*answers}:
        return "The arguments differ from those of the signature above."
    if owner and (name.startswith("__") or name == "forward"):
        name = owner[-1]
    if found[2]:
        missing = re.sub("[\"']", "", found[2])
        return f"In this call of {name} an argument is missing: {missing}."
    return f"{name} is called with more arguments than it takes." + (
        " The first argument of a method is self." if owner else ""
    )


def _of_others(filename: str) -> bool:
    return any(folder in Path(filename).parents for folder in OTHERS)


def their_line(error: BaseException) -> str:
    """The last line of the learner's own code that the exception passed, or ""."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if _of_others(frame.filename):
            continue
        line = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
        return f"line {frame.lineno} of {frame.name}" + (f", `{line}`" if line else "")
    return ""


def stub(error: NotImplementedError, answers: Sequence[str]) -> str:
    """The name of another exercise's function that is still empty and was called, or ""."""
    frames = traceback.extract_tb(error.__traceback__)
    name = frames[-1].name if frames else ""
    return "" if name in answers or name.startswith("__") or name == "forward" else name
