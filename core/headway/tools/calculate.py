"""``calculate``: arithmetic, read and worked out by hand: nothing is ever evaluated as Python.

Whole numbers are exact and at most 4096 bits long; everything else is a float. ``async`` because it is too quick to be
worth a thread.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Annotated, Any

from headway.errors import ToolError
from headway.tools.decorator import tool

MAX_CHARACTERS = 1000
MAX_BITS = 4096
"""A whole number's length, in any step."""

Number = int | float


@tool(idempotent=True, category="math")
async def calculate(
    expression: Annotated[str, "Numbers, + - * / // % **, parentheses, min max abs round sum sqrt floor ceil."],
) -> dict[str, Any]:
    """Work out an arithmetic expression, such as (3 + 4) * 2 ** 10 or round(sum(1, 2, 3.5) / 3, 2).

    Gives expression and result: a whole number where every step was one, else a float.
    """
    return {"expression": expression, "result": evaluate(expression)}


def evaluate(expression: str) -> Number:
    """Return the value of ``expression``. Raises ``ToolError`` with one line for anything that is not one."""
    if len(expression) > MAX_CHARACTERS:
        raise ToolError(f"the expression is longer than {MAX_CHARACTERS} characters")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        return _number(_value(tree.body))
    except ZeroDivisionError:
        raise ToolError("division by zero") from None
    except OverflowError:
        raise ToolError("a number in the expression is too large") from None
    except (SyntaxError, ValueError):  # ValueError: a NUL, half a surrogate pair, a number of too many digits
        raise ToolError("the expression cannot be read") from None
    except (RecursionError, MemoryError):
        raise ToolError("the expression is nested too deeply") from None


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=bool()):
            raise ToolError("the expression may hold numbers only")
        case ast.Constant(value=int() | float() as value):
            return _bounded(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _number(_OPERATORS[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return _call(name, args)
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            raise ToolError(f"there is no function '{name[:40]}': use {', '.join(sorted(_FUNCTIONS))}")
        case ast.Name(id=name):
            raise ToolError(f"'{name[:40]}' is not a number")
    raise ToolError("the expression may hold numbers, + - * / // % **, parentheses and functions only")


def _call(name: str, args: list[ast.expr]) -> Number:
    function, fewest, most = _FUNCTIONS[name]
    if len(args) == 1 and most > 2 and isinstance(args[0], ast.List | ast.Tuple):
        args = args[0].elts  # sum([1, 2]) as well as sum(1, 2)
    if not fewest <= len(args) <= most:
        raise ToolError(f"{name}() does not take {len(args)} arguments")
    return _number(function(*map(_value, args)))


def _number(value: Any) -> Number:
    """Return a step's value; raise ``ToolError`` if it is no real number that JSON can hold."""
    if isinstance(value, complex):
        raise ToolError("the result is not a real number")
    if isinstance(value, float) and not math.isfinite(value):
        raise OverflowError
    number: Number = value
    return _bounded(number)


def _bounded(value: Number) -> Number:
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise OverflowError
    if isinstance(value, float) and not math.isfinite(value):  # 1e999
        raise OverflowError
    return value


def _power(base: Number, exponent: Number) -> Any:
    """Return ``base ** exponent``, without starting on a whole number that would be too long."""
    whole = isinstance(base, int) and isinstance(exponent, int) and exponent > 0
    if whole and (int(abs(base)).bit_length() - 1) * exponent > MAX_BITS:
        raise OverflowError
    return base**exponent


def _round(value: Number, digits: Number = 0) -> Number:
    if not isinstance(digits, int) or abs(digits) > 400:
        raise ToolError("round() takes a whole number of digits, at most 400")
    return round(value, digits) if digits else round(value)


def _sqrt(value: Number) -> Number:
    if value < 0:
        raise ToolError("the result is not a real number")
    if isinstance(value, int) and (root := math.isqrt(value)) ** 2 == value:
        return root
    return math.sqrt(value)


_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_MANY = 1000
_FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "abs": (abs, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "floor": (math.floor, 1, 1),
    "max": (lambda *values: max(values), 1, _MANY),
    "min": (lambda *values: min(values), 1, _MANY),
    "round": (_round, 1, 2),
    "sqrt": (_sqrt, 1, 1),
    "sum": (lambda *values: sum(values), 0, _MANY),
}
