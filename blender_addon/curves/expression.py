# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver's simple expression gives in all frames at once. NumPy, no bpy."""

import ast
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
_SIGNS = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_FUNCTIONS = {"min": np.minimum, "max": np.maximum}


class UnknownError(ValueError):
    """What a driver gives cannot be told without Blender."""


def evaluate(text: str, variables: Mapping[str, Floats]) -> Floats:
    """The value of an expression of sums, products, min(a, b) and max(a, b).

    `variables` (F,) by name. Nothing is executed; UnknownError if there is anything else in it.
    """
    try:
        return np.asarray(_value(ast.parse(text.strip(), mode="eval").body, variables), np.float64)
    except SyntaxError as error:
        raise UnknownError(text) from error


def _value(node: ast.expr, variables: Mapping[str, Floats]) -> Any:
    match node:
        case ast.Constant(value=float() | int()):
            return node.value
        case ast.Name() if node.id in variables:
            return variables[node.id]
        case ast.BinOp() if type(node.op) in _OPERATORS:
            sides = (_value(side, variables) for side in (node.left, node.right))
            return _OPERATORS[type(node.op)](*sides)
        case ast.UnaryOp() if type(node.op) in _SIGNS:
            return _SIGNS[type(node.op)](_value(node.operand, variables))
        case ast.Call(func=ast.Name(id="min" | "max" as name), args=[a, b], keywords=[]):
            return _FUNCTIONS[name](_value(a, variables), _value(b, variables))
    raise UnknownError(ast.unparse(node))
