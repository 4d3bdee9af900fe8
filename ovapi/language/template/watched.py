"""Rewrites a template so that the operations which no sandbox intercepts go through filters."""

from __future__ import annotations

from typing import TypeVar

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from ovapi.language.template.filters import COMPARED, JOINED, LOOPED, MADE

_Node = TypeVar("_Node", bound=nodes.Node)


class Watched(NodeTransformer):
    """Loops, ``~``, comparisons, keys of dicts, and slices."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        node = self._children(node)
        node.iter = _filtered(node.iter, LOOPED)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        node = self._children(node)
        operands = nodes.List(node.nodes, lineno=node.lineno)
        return _filtered(operands, JOINED)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        """What the template itself spells out is small, and so is comparing anything with it."""
        node = self._children(node)
        operands = [node.expr, *(operand.expr for operand in node.ops)]
        if sum(not _is_constant(operand) for operand in operands) > 1:
            node.expr = _filtered(node.expr, COMPARED)
            for operand in node.ops:
                operand.expr = _filtered(operand.expr, COMPARED)
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:
        node = self._children(node)
        if not _is_constant(node.key):
            node.key = _filtered(node.key, COMPARED)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        node = self._children(node)
        return _filtered(node, MADE) if isinstance(node.arg, nodes.Slice) else node

    def _children(self, node: _Node) -> _Node:
        self.generic_visit(node)
        return node


def _filtered(node: nodes.Node, name: str) -> nodes.Expr:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _is_constant(node: nodes.Node) -> bool:
    if isinstance(node, (nodes.List, nodes.Tuple)):
        return all(map(_is_constant, node.items))
    return isinstance(node, nodes.Const)
