"""Make deliberate faults: the money code with one thing wrong, of the kinds that a hurried change makes."""

from __future__ import annotations

import ast
import copy
import enum
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

#: What a queryset loses. Taking related rows along is for speed alone and is no fault.
NARROWING = {"filter", "exclude", "order_by", "distinct", "select_for_update"}
WRITING = {"create", "update", "get_or_create", "update_or_create", "bulk_create"}
OTHER_COMPARISON = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
NEIGHBOURS = {
    "AUTHORISE": "DEBIT",
    "DEBIT": "REFUND",
    "REFUND": "DEBIT",
    "VOIDED": "REVERSED",
    "REVERSED": "VOIDED",
    "REJECT": "VOIDED",
    "LAPSING": "VOIDED",
}
SWAPPED = {"min": "max", "max": "min", "any": "all", "all": "any", "first": "last", "last": "first"}

#: What is no part of a function's code.
LEFT_ALONE = {"annotation", "returns", "type_params", "decorator_list"}


@dataclass(frozen=True)
class Fault:
    """One thing wrong in a module's tree, by the place of its node in the order of :func:`ast.walk`."""

    module: str
    owner: str  #: the function or constant, by its qualified name
    kind: str
    before: str
    after: str
    line: int
    last_line: int
    whole: ast.Module
    old: ast.AST
    new: ast.AST
    number: int = 1  #: of those alike in one function

    @property
    def name(self) -> str:
        """What it is known by, whatever moves around it."""
        again = f" #{self.number}" if self.number > 1 else ""
        return f"{self.owner}: {self.kind}: {self.before} => {self.after}{again}"

    @property
    def tree(self) -> ast.Module:
        return ast.fix_missing_locations(replaced(self.whole, self.old, self.new))


def faults(module: ModuleType, source: str) -> list[Fault]:
    """All faults of a module, in the order of its lines."""
    tree = ast.parse(source)
    found = []
    alike: Counter[str] = Counter()
    for owner, top in owners(tree):
        for node, parent in [(top, tree), *nodes(top)]:
            for kind, new in changes(node, parent, module):
                before, after = shown(node), shown(new)
                if before == after:
                    continue
                fault = Fault(
                    module=module.__name__,
                    owner=owner,
                    kind=kind,
                    before=before,
                    after=after,
                    line=node.lineno,
                    last_line=node.end_lineno or node.lineno,
                    whole=tree,
                    old=node,
                    new=new,
                )
                alike[fault.name] += 1
                number = alike[fault.name]
                found.append(Fault(**{**vars(fault), "number": number}))
    return found


def owners(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Yield every outermost function and method, and every constant of the module, with its name."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.FunctionDef):
                    yield f"{node.name}.{each.name}", each
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node


def nodes(top: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield what stands in a function but annotations, each with what it stands in."""
    for name, value in ast.iter_fields(top):
        if name in LEFT_ALONE or (name == "args" and isinstance(value, ast.arguments)):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                if hasattr(child, "lineno"):
                    yield child, top
                yield from nodes(child)


def changes(node: ast.AST, parent: ast.AST, module: ModuleType) -> Iterator[tuple[str, ast.AST]]:
    """Yield what stands in a node's place instead, with the kind of fault that is."""
    match node:
        case ast.FunctionDef(decorator_list=decorators):
            for position, one in enumerate(decorators):
                if "atomic" in ast.unparse(one):
                    yield "transaction gone", without(node, "decorator_list", position)
        case ast.With(items=items):
            for position, one in enumerate(items):
                if "atomic" in ast.unparse(one):
                    yield "transaction gone", without(node, "items", position)
        case ast.If(test=test, body=body, orelse=orelse):
            if not orelse and isinstance(body[-1], ast.Raise | ast.Return | ast.Continue):
                yield "check gone", ast.Pass()
            yield "condition turned round", changed(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.IfExp(test=test):
            yield "condition turned round", changed(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.BoolOp(values=values):
            for position in range(len(values)):
                yield "condition dropped", without(node, "values", position)
        case ast.Compare(ops=[op], left=left, comparators=[right]):
            yield "comparison moved", changed(node, ops=[OTHER_COMPARISON[type(op)]()])
        case ast.BinOp(op=ast.Add(), left=left, right=right) if not is_text(left) and not is_text(right):
            yield "term dropped", left
            yield "term dropped", right
        case ast.BinOp(op=ast.Sub(), left=left, right=right):
            yield "term dropped", left
            yield "sign turned", changed(node, op=ast.Add())
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd(), left=left, right=right):
            yield "condition dropped", left
            yield "condition dropped", right
        case ast.AugAssign(target=target, value=value):
            yield "taken twice", changed(node, value=ast.BinOp(value, ast.Add(), copy.deepcopy(value)))
            yield "sum forgotten", ast.Assign(targets=[target], value=value, lineno=node.lineno)
        case ast.Assign(targets=[ast.Attribute()], value=value) if not isinstance(parent, ast.Module):
            yield "flag not written", ast.Pass()
        case ast.Expr(value=ast.Call()):
            yield "not written or done", ast.Pass()
        case ast.comprehension():
            pass
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            for position, one in enumerate(node.generators):
                for number in range(len(one.ifs)):
                    new = copy.copy(node)
                    new.generators = list(node.generators)
                    new.generators[position] = without(one, "ifs", number)
                    yield "filter dropped", new
        case ast.Call(func=ast.Attribute(attr=attr, value=value)) if attr in NARROWING:
            yield "filter dropped", call_of(value, "all")
            if len(node.args) + len(node.keywords) > 1:
                for part in ("args", "keywords"):
                    for position in range(len(getattr(node, part))):
                        yield "filter dropped", without(node, part, position)
        case ast.Call(func=ast.Attribute(attr="in_bulk", value=value)) if node.args:
            yield "filter dropped", call_of(value, "in_bulk")
        case ast.Call(func=ast.Attribute(attr=attr)) if attr in SWAPPED and not node.args:
            yield "swapped", changed(node, func=changed(node.func, attr=SWAPPED[attr]))
        case ast.Call(func=ast.Name(id=name)) if name in SWAPPED:
            yield "swapped", changed(node, func=ast.Name(SWAPPED[name], ast.Load()))
        case ast.Call(func=ast.Name(id="sum")):
            yield "taken twice", ast.BinOp(node, ast.Mult(), ast.Constant(2))
        case ast.Call(func=ast.Name(id=name)) if name.startswith("new_"):
            yield "number reused", ast.Constant("00000000-0000-4000-8000-000000000000")
        case ast.Subscript(slice=ast.Slice(), value=value, ctx=ast.Load()):
            yield "all taken", value
        case ast.Subscript(slice=ast.Constant(value=0), ctx=ast.Load()):
            yield "swapped", changed(node, slice=ast.UnaryOp(ast.USub(), ast.Constant(1)))
        case ast.Constant(value=bool() as value) if isinstance(parent, ast.keyword | ast.Return):
            yield "flag turned", ast.Constant(not value)
        case ast.Attribute(value=ast.Name(), attr=attr, ctx=ast.Load()):
            other = neighbour(node, module) or NEIGHBOURS.get(attr)
            if other:
                yield "neighbour taken", changed(node, attr=other)
        case ast.Name(id=name, ctx=ast.Load()) if NEIGHBOURS.get(name) in vars(module):
            yield "neighbour taken", ast.Name(NEIGHBOURS[name], ast.Load())
        case ast.UnaryOp(op=ast.Not(), operand=operand) if not isinstance(parent, ast.If | ast.IfExp):
            yield "condition turned round", operand
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in WRITING and len(node.keywords) > 1:
            for position in range(len(node.keywords)):
                yield "flag not written", without(node, "keywords", position)
        for keyword in node.keywords:
            if keyword.arg == "update_fields" and isinstance(keyword.value, ast.List | ast.Tuple):
                for position in range(len(keyword.value.elts)):
                    fewer = changed(keyword, value=without(keyword.value, "elts", position))
                    rest = [fewer if one is keyword else one for one in node.keywords]
                    yield "flag not written", changed(node, keywords=rest)
    if is_listing(node, parent):
        for position in range(len(node.elts)):  # type: ignore[attr-defined]
            yield "member dropped", without(node, "elts", position)


def is_listing(node: ast.AST, parent: ast.AST) -> bool:
    """Whether a node lists what something may be, such as the states that count."""
    if not isinstance(node, ast.Set | ast.Tuple | ast.List) or len(node.elts) < 2:
        return False
    return isinstance(node, ast.Set) or (
        isinstance(parent, ast.Assign | ast.Compare | ast.keyword)
        and getattr(parent, "arg", "") != "update_fields"
        and all(isinstance(one, ast.Attribute | ast.Name | ast.Constant) for one in node.elts)
        and isinstance(node.ctx if hasattr(node, "ctx") else ast.Load(), ast.Load)
    )


def neighbour(node: ast.Attribute, module: ModuleType) -> str | None:
    """Return the name of the next member, where a node is a member of an enumeration."""
    owner = getattr(module, node.value.id, None)  # type: ignore[attr-defined]
    if not (isinstance(owner, type) and issubclass(owner, enum.Enum)):
        return None
    names = list(owner.__members__)
    if node.attr not in names or len(names) < 2:
        return None
    return names[(names.index(node.attr) + 1) % len(names)]


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def call_of(value: ast.expr, name: str) -> ast.Call:
    return ast.Call(ast.Attribute(value, name, ast.Load()), [], [])


def changed(node: ast.AST, **fields: object) -> ast.AST:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def without(node: ast.AST, field: str, position: int) -> ast.AST:
    """Return a copy of a node that lacks one member of a field; what would be left alone or empty is made whole."""
    rest = [one for number, one in enumerate(getattr(node, field)) if number != position]
    if isinstance(node, ast.BoolOp) and len(rest) == 1:
        return rest[0]
    if isinstance(node, ast.With) and not rest:
        return ast.If(ast.Constant(True), node.body, [])
    return changed(node, **{field: rest})


def replaced(tree: ast.Module, old: ast.AST, new: ast.AST) -> ast.Module:
    """Return a module's tree with another node in one place. What lies beside the path to it is shared."""

    def follow(node: ast.AST) -> ast.AST:
        if node is old:
            return ast.copy_location(copy.copy(new), old)
        if not holds(node, old):
            return node
        fields = {}
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                fields[name] = [follow(one) if isinstance(one, ast.AST) else one for one in value]
            elif isinstance(value, ast.AST):
                fields[name] = follow(value)
        return changed(node, **fields)

    return follow(tree)  # type: ignore[return-value]


def holds(node: ast.AST, old: ast.AST) -> bool:
    """Whether a node may stand around another: by its lines where it has them."""
    if not hasattr(node, "lineno"):
        return True
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
    return first <= old.lineno and old.end_lineno <= node.end_lineno


def shown(node: ast.AST, limit: int = 110) -> str:
    match node:
        case ast.FunctionDef(name=name, decorator_list=decorators):
            text = "".join(f"@{ast.unparse(one)} " for one in decorators) + f"def {name}"
        case ast.If(test=test):
            text = f"if {ast.unparse(test)}:"
        case ast.With(items=items):
            text = f"with {', '.join(ast.unparse(one) for one in items)}:"
        case _:
            text = ast.unparse(node)
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 40]} ... {text[-35:]}"
