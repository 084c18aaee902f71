"""Every small change of a Python file: operators, comparisons, constants, bounds, branches, calls and statements.

Left alone: imports, docstrings, annotations and type aliases, what an error or another formatted text says,
declarations of dataclasses, and code of the module itself that is in a `try`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.mutation.mutant import WHOLE_MODULE, Mutant, spliced

Edit = tuple[int, int, str]  # start and end of what goes, in bytes; what comes instead

_SWAPPED_OPERATORS = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.BitOr: ("|", "&"), ast.BitAnd: ("&", "|"),
}  # fmt: skip
_SWAPPED_COMPARISONS = {
    ast.Lt: ("<", "<=", ">="), ast.LtE: ("<=", "<", ">"), ast.Gt: (">", ">=", "<="), ast.GtE: (">=", ">", "<"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"),
}  # fmt: skip
_SWAPPED_NAMES = {
    name: other
    for pair in (
        ("min", "max"), ("minimum", "maximum"), ("floor", "ceil"), ("sin", "cos"), ("any", "all"), ("zeros", "ones"),
        ("zeros_like", "ones_like"), ("new_zeros", "new_ones"),
    )
    for name, other in (pair, pair[::-1])
}  # fmt: skip
# Calls that leave a value of the same kind, so that the bare receiver, or first argument, still runs.
_REMOVED_METHODS = {
    "clamp", "clamp_", "clip", "floor", "ceil", "round", "square", "abs", "exp", "log", "sqrt", "cumsum", "softmax",
    "detach", "clone", "contiguous", "masked_fill", "maximum", "minimum", "expand", "double", "float", "long",
}  # fmt: skip
_REMOVED_FUNCTIONS = {
    "sqrt", "exp", "expm1", "log", "log1p", "abs", "silu", "sigmoid", "floor", "ceil", "masked", "_exp", "_expm1",
    "_log", "_log1p", "_sqrt", "_softplus", "maximum", "minimum", "max", "min", "cumsum", "reversed",
}  # fmt: skip
_MODULES = {"torch", "np", "math", "F"}
_LARGE = 100  # adding 1 to a larger number says nothing; it becomes 1


def python_mutants(
    path: str, source: str, tests: Sequence[str], functions: Sequence[str] | None = None
) -> list[Mutant]:
    """All mutants of a file, in order of their lines.

    path: as mutants are to name it. functions: only in these (dotted names; what is inside belongs to them), and in the
    code of the module itself if "<module>" is one. None: everywhere.

    Raises ValueError if there is nothing of one of the functions.
    """
    text = source.encode()
    mutants, found = {}, set()
    for function, (start, end, new) in _Edits(text).all():
        chosen = next((name for name in functions or () if f"{function}.".startswith(f"{name}.")), None)
        if functions is not None and chosen is None:
            continue
        found.add(chosen)
        mutant = spliced(text, start, end, new.encode(), path, function, tests)
        mutants[mutant.source] = mutant
        try:
            ast.parse(mutant.source)
        except SyntaxError as error:
            raise AssertionError(f"the change is no Python: {mutant}") from error
    if missing := set(functions or ()) - found:
        raise ValueError(f"{path} has nothing to change in {', '.join(sorted(missing))}")
    return sorted(mutants.values(), key=lambda mutant: mutant.line)


class _Edits:
    """Walks a file and yields (function, edit)."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.tree = ast.parse(text)
        lengths = [len(line) for line in text.splitlines(keepends=True)]
        self.line_starts = [sum(lengths[:i]) for i in range(len(lengths) + 1)]

    def all(self) -> Iterator[tuple[str, Edit]]:
        yield from self._body(self.tree, ())

    # ------------------------------------------------------------------ places

    def start(self, node: ast.AST) -> int:
        return self.line_starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.AST) -> int:
        return self.line_starts[node.end_lineno - 1] + node.end_col_offset

    def code(self, node: ast.AST) -> str:
        return self.text[self.start(node) : self.end(node)].decode()

    def replace(self, node: ast.AST, new: str) -> Edit:
        return self.start(node), self.end(node), new

    def between(self, left: ast.AST, right: ast.AST, token: str, new: str) -> Edit:
        """`new` for the operator that stands between two operands."""
        gap_start = self.end(left)
        gap = self.text[gap_start : self.start(right)].decode()
        gap = re.sub(r"#[^\n]*", lambda comment: " " * len(comment[0].encode()), gap)
        found = re.search(re.escape(token).replace(r"\ ", r"\s+"), gap)
        return gap_start + found.start(), gap_start + found.end(), new

    def operand(self, node: ast.AST) -> str:
        simple = ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.Constant
        return self.code(node) if isinstance(node, simple) else f"({self.code(node)})"

    # -------------------------------------------------------------- statements

    def _body(self, node: ast.AST, inside: tuple[str, ...]) -> Iterator[tuple[str, Edit]]:
        """The statements of a module, class or function; `inside`: names of what they are in."""
        name = ".".join(inside) or WHOLE_MODULE
        bound = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)} if _is_function(node) else set()
        for statement in node.body:
            for edit, owner in self._statement(statement, inside, bound, is_last=statement is node.body[-1]):
                yield owner or name, edit

    def _statement(
        self, node: ast.stmt, inside: tuple[str, ...], bound: set[str], is_last: bool
    ) -> Iterator[tuple[Edit, str | None]]:
        if _is_function(node) or isinstance(node, ast.ClassDef):
            inner = (*inside, node.name)
            for edit in self._head(node):
                yield edit, ".".join(inner)
            for owner, edit in self._body(node, inner):
                yield edit, owner
            return
        if _is_left_alone(node, at_module=not inside):
            return
        if self._is_droppable(node, bound, is_last):
            yield self.replace(node, "pass"), None
        if isinstance(node, ast.Raise):
            return
        bound |= _names_set(node)
        for _, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.stmt):
                    yield from self._statement(child, inside, bound, is_last=False)
                elif isinstance(child, ast.ExceptHandler):
                    for handling in child.body:
                        yield from self._statement(handling, inside, bound, is_last=False)
                elif isinstance(child, ast.AST) and not (isinstance(node, ast.AnnAssign) and child is node.annotation):
                    yield from ((edit, None) for edit in self._expression(child))
        if isinstance(node, ast.If | ast.While | ast.Assert):
            yield from ((edit, None) for edit in self._negated(node.test))
        if isinstance(node, ast.AugAssign) and type(node.op) in _SWAPPED_OPERATORS:
            token, other = _SWAPPED_OPERATORS[type(node.op)]
            yield self.between(node.target, node.value, f"{token}=", f"{other}="), None

    def _is_droppable(self, node: ast.stmt, bound: set[str], is_last: bool) -> bool:
        """Not where a name would be missing, or a function without its result: any test notices that."""
        if isinstance(node, ast.Assign):
            return _names_set(node) <= bound
        if isinstance(node, ast.Return):
            return not is_last
        return isinstance(node, ast.Expr | ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete)

    def _head(self, node: ast.AST) -> Iterator[Edit]:
        """Decorators that change what a function does, and default values."""
        for decorator in node.decorator_list:
            if self.code(decorator) in ("torch.no_grad()", "torch.inference_mode()"):
                start = self.text.rfind(b"@", 0, self.start(decorator))
                yield start, self.end(decorator), "# not: " + self.code(decorator)
        if _is_function(node):
            for default in [*node.args.defaults, *node.args.kw_defaults]:
                if default is not None:
                    yield from self._expression(default)

    # ------------------------------------------------------------- expressions

    def _expression(self, node: ast.AST) -> Iterator[Edit]:
        if isinstance(node, ast.JoinedStr):
            return
        if isinstance(node, ast.BinOp):
            yield from self._binary(node)
        elif isinstance(node, ast.UnaryOp):
            if not isinstance(node.op, ast.UAdd):
                yield self.replace(node, self.operand(node.operand))
        elif isinstance(node, ast.BoolOp):
            token, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for left, right in zip(node.values, node.values[1:], strict=False):
                yield self.between(left, right, token, other)
        elif isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            for operator, left, right in zip(node.ops, operands, operands[1:], strict=False):
                token, *others = _SWAPPED_COMPARISONS[type(operator)]
                for other in others:
                    yield self.between(left, right, token, other)
        elif isinstance(node, ast.IfExp):
            branches = self.operand(node.orelse), self.code(node.test), self.operand(node.body)
            yield self.replace(node, "{} if {} else {}".format(*branches))
        elif isinstance(node, ast.Constant):
            yield from self._constant(node)
        elif isinstance(node, ast.Slice):
            yield from self._slice(node)
        elif isinstance(node, ast.Call):
            yield from self._call(node)
        elif isinstance(node, ast.comprehension):
            for test in node.ifs:
                yield from self._negated(test)
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.arguments):
                yield from self._expression(child)

    def _negated(self, test: ast.expr) -> Iterator[Edit]:
        if isinstance(test, ast.Name | ast.Attribute | ast.Call):
            yield self.replace(test, f"not {self.code(test)}")

    def _binary(self, node: ast.BinOp) -> Iterator[Edit]:
        if type(node.op) in _SWAPPED_OPERATORS:
            yield self.between(node.left, node.right, *_SWAPPED_OPERATORS[type(node.op)])
        if isinstance(node.op, ast.Mult):
            for factor, rest in ((node.right, node.left), (node.left, node.right)):
                if "mask" in self.code(factor):
                    yield self.replace(node, self.operand(rest))

    def _constant(self, node: ast.Constant) -> Iterator[Edit]:
        value = node.value
        if isinstance(value, bool):
            yield self.replace(node, str(not value))
        elif isinstance(value, int | float):
            near = {type(value)(1)} if abs(value) >= _LARGE else {value + 1}
            after_minus = self.text[: self.start(node)].rstrip().endswith(b"-")
            if isinstance(value, int):
                near.add(value - 1)
            elif value and not after_minus:
                near.add(-value)
            for other in sorted(near):
                yield self.replace(node, repr(other))
        elif isinstance(value, str):
            for other in _swapped_axes(value) if " -> " in value else [f"{value}_"]:
                yield self.replace(node, f'"{other}"')

    def _slice(self, node: ast.Slice) -> Iterator[Edit]:
        parts = {name: "" if (part := getattr(node, name)) is None else self.code(part) for name in _SLICE_PARTS}
        for name in _SLICE_PARTS:
            bound = getattr(node, name)
            if bound is None:
                continue
            yield self.replace(node, _slice_code(parts | {name: ""}))
            if not isinstance(bound, ast.Constant | ast.UnaryOp):
                yield self.replace(node, _slice_code(parts | {name: f"{parts[name]} + 1"}))

    def _call(self, node: ast.Call) -> Iterator[Edit]:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        is_method = isinstance(function, ast.Attribute) and getattr(function.value, "id", "") not in _MODULES
        if name in _SWAPPED_NAMES:
            yield self.end(function) - len(name), self.end(function), _SWAPPED_NAMES[name]
        if is_method and name in _REMOVED_METHODS:
            yield self.replace(node, self.operand(function.value))
        if not is_method and name in _REMOVED_FUNCTIONS and node.args:
            for argument in node.args if name in ("max", "min", "maximum", "minimum") else node.args[:1]:
                yield self.replace(node, self.operand(argument))
        if name in ("clamp", "clamp_", "clip"):
            for keyword in node.keywords:
                yield self.start(keyword), self.start(keyword) + len(keyword.arg), _SWAPPED_NAMES[keyword.arg]
        if name == "where":
            condition, chosen, other = (self.code(argument) for argument in node.args)
            yield self.start(node.args[0]), self.end(node.args[2]), f"{condition}, {other}, {chosen}"


def _swapped_axes(pattern: str) -> Iterator[str]:
    """einops patterns with two neighbouring axes exchanged: all on the right, those of one group on the left."""
    arrow = pattern.index(" -> ")
    names = list(re.finditer(r"[a-z]\w*", pattern))
    for first, second in pairwise(names):
        between = pattern[first.end() : second.start()]
        if first.start() > arrow or (between == " " and "(" in pattern[: first.start()].rpartition(")")[2]):
            yield pattern[: first.start()] + second[0] + between + first[0] + pattern[second.end() :]


_SLICE_PARTS = ("lower", "upper", "step")


def _slice_code(parts: dict[str, str]) -> str:
    return f"{parts['lower']}:{parts['upper']}" + (f":{parts['step']}" if parts["step"] else "")


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _names_set(node: ast.stmt) -> set[str]:
    """The names that a statement itself binds, apart from the statements inside it."""
    places = getattr(node, "targets", None) or [getattr(node, "target", None)]
    names = (n for place in places if place is not None for n in ast.walk(place))
    return {n.id for n in names if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _is_left_alone(node: ast.stmt, at_module: bool) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass | ast.Global | ast.Nonlocal):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):  # docstrings, and the body of a protocol
        return True
    if at_module and isinstance(node, ast.Try):
        return True
    if at_module and isinstance(node, ast.Assign):
        names = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
        return node.targets[0].id == "__all__" or bool(names & {"Callable", "TypeVar"})
    return False
