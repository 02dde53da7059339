"""An element of lxml as a tree, by the paths that its format declares; what a tree of XML is, `hub.wire.xml` says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.errors import RecordError
from hub.wire.prolog import LAYOUT
from hub.wire.xmlout import Plan, Tree

BLANK = frozenset([None, "", *("\n" + " " * n for n in range(80)), *("\n" + "\t" * n for n in range(20))])
"""What stands between elements where nothing is said there."""


def plan(paths: Iterable[str]) -> Plan:
    """A plan from paths in order, such as `CINdetails[].Assessments[].AssessmentActualStartDate`.

    A name with a path below it is a group, a dict even when it is empty.
    """
    made: Plan = {}
    for path in paths:
        level = made
        *groups, last = path.split(".")
        for step in groups:
            name, many = step.removesuffix("[]"), step.endswith("[]")
            if name not in level or level[name][2] is None:
                level[name] = (name, many or (name in level and level[name][1]), {})
            level = level[name][2]
        if not last.startswith("@"):
            level.setdefault(last.removesuffix("[]"), (last.removesuffix("[]"), last.endswith("[]"), None))
    return made


def plain_tree(element: Any, plan: Plan, prefix: str) -> Tree:
    """The tree of an element without attributes; at anything not declared, `whole_tree` starts the element afresh."""
    if element.text not in BLANK:
        return whole_tree(element, plan, prefix)
    tree: Tree = {}
    value: Any
    try:
        for child in element:
            key, many, below = plan[child.tag]
            if child.tail is not None and child.tail not in BLANK:
                return whole_tree(element, plan, prefix)
            if below is not None:
                value = plain_tree(child, below, prefix)
            elif len(child):
                return whole_tree(element, plan, prefix)
            else:
                value = child.text or ""
            if many:
                if key in tree:
                    tree[key].append(value)
                else:
                    tree[key] = [value]
            elif key in tree:
                return whole_tree(element, plan, prefix)
            else:
                tree[key] = value
    except KeyError:
        return whole_tree(element, plan, prefix)
    return tree


def whole_tree(element: Any, plan: Plan, prefix: str) -> Tree:
    """The tree of any element, nothing left out but layout between elements."""
    value: Any
    tree: Tree = {f"@{name}": said for name, said in element.attrib.items()}
    strays = [element.text] if solid(element.text) else []
    for child in element:
        if not isinstance(child.tag, str):
            raise RecordError("an entity, which is not accepted")
        key, many, below = plan.get(child.tag) or (child.tag.removeprefix(prefix), False, None)
        if below is not None or len(child):
            value = whole_tree(child, below or {}, prefix)
        elif len(child.attrib):
            value = whole_tree(child, {}, prefix)
        else:
            value = child.text or ""
        if key not in tree:
            tree[key] = [value] if many else value
        elif type(tree[key]) is list:
            tree[key].append(value)
        else:
            tree[key] = [tree[key], value]
        if solid(child.tail):
            strays.append(child.tail)
    if strays:
        tree["#text"] = [stray.strip(LAYOUT) for stray in strays] if len(element) else strays
    return tree


def solid(text: str | None) -> bool:
    """Whether a text between elements says something."""
    return text not in BLANK and bool(text and text.strip(LAYOUT))


def qualify(plan: Plan, prefix: str) -> Plan:
    """The plan as the tags stand in a document whose root has a namespace."""
    return {
        prefix + tag: (key, many, below if below is None else qualify(below, prefix))
        for tag, (key, many, below) in plan.items()
    }


def space(tag: str) -> str:
    """The namespace of a tag, "" for none."""
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""


def local(tag: Any) -> str:
    """The name of a tag without its namespace, "" for what is no element."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


__all__ = ["BLANK", "local", "plain_tree", "plan", "qualify", "solid", "space", "whole_tree"]
