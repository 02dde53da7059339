"""From the shape of a tree to FHIR's own: what `_fhir.shape` took away is put back, elements stand in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters._fhir.names import NAMED, name_out
from adapters._fhir.numbers import authority_out
from adapters._fhir.shape import CODED, FOLLOWS, LINES, MORE, NUMBER, PENDING, UNKNOWN, Kind, Tree, address_lines, kind
from adapters._fhir.types import Element
from hub.adapter import Token

_OWN_SHAPE = frozenset(["HumanName", "Address", "ContactPoint", "Identifier", "Meta", *FOLLOWS, *CODED])
"""The types that have a shape of their own."""

_LAST = 10_000, None


def unshape(tree: Tree, name: str, refer: Callable[[Tree], Tree]) -> Tree:
    """A tree as FHIR's JSON has it, elements in order. refer: what becomes of a Reference."""
    known = kind(name)
    if not NAMED.isdisjoint(tree):
        tree = name_out(tree, name)
    if name in _OWN_SHAPE:
        tree = _put_back(tree, name)
    made: Tree = {}
    last, is_ordered = -1, True
    steps = known.steps
    for key, value in tree.items():
        step = steps.get(key)
        if step is None:
            if not key.endswith(MORE):
                made[key] = value
            continue
        place, inner = step
        is_ordered, last = is_ordered and place > last, place
        if inner is None:
            made[key] = value
        elif inner is Token:
            made[key] = Token(value) if value.__class__ is str else value
        elif value.__class__ is list:
            filled = [_unshaped(one, inner, refer) for one in value if one != {}]
            if filled or not value:
                made[key] = filled
        elif key in known.first:
            made[key] = [_unshaped(one, inner, refer) for one in (value, *tree.get(key + MORE, ()))]
        else:
            made[key] = _unshaped(value, inner, refer)
    for found in known.needed:
        if found.name not in made and f"_{found.name}" not in made:
            _need(made, found, known)
            is_ordered = False
    return made if is_ordered else dict(sorted(made.items(), key=lambda one: steps.get(one[0], _LAST)[0]))


def _unshaped(value: Any, name: str, refer: Callable[[Tree], Tree]) -> Any:
    if value.__class__ is not dict:
        return value
    if name == "Reference":
        value = refer(value)
    elif name == "Resource":
        name = value.get("resourceType", "")
    return unshape(value, name, refer)


def _put_back(tree: Tree, name: str) -> Tree:
    """What reading took away from a type's own shape."""
    if name == "HumanName":
        return _name_out(tree)
    if name == "Address":
        return _address_out(tree)
    if name == "Meta":
        return {key: value for key, value in tree.items() if key != "restricted"}
    if name == "Identifier":
        tree = authority_out(tree)
        return {key: value for key, value in tree.items() if key != "unverified" and (key != "use" or value)}
    if name == "ContactPoint":
        return {**tree, "_system": UNKNOWN} if "value" in tree and "system" not in tree else tree
    if name in PENDING and "pending" in tree:
        tree = {key: value for key, value in tree.items() if key != "pending"}
    if name in FOLLOWS:
        tree = {**FOLLOWS[name](tree), **tree}
    if name == "Consent" and not {"policy", "policyRule"} & tree.keys():  # one of them is required (ppc-1)
        tree = {**tree, "policyRule": UNKNOWN}
    if name == "Observation" and type(tree.get("value")) is dict:
        tree = _value_out(tree)
    concept = tree.get(CODED[name]) if name in CODED else None
    if type(concept) is dict and type(concept.get("coding")) is dict:
        tree = {**tree, CODED[name]: _coding_out(concept)}
    return tree


def _need(made: Tree, found: Element, known: Kind) -> None:
    """A required element that nobody said: it is there, and its value is not known."""
    if found.choice:
        if not any(one.name in made or f"_{one.name}" in made for one in known.needed if one.choice == found.choice):
            made[f"_{found.name}"] = UNKNOWN
    elif found.primitive:
        made[f"_{found.name}"] = UNKNOWN
    else:
        inner = unshape({}, found.kind, lambda said: said) or UNKNOWN  # with what is required within it
        made[found.name] = [inner] if found.many else inner


def _value_out(tree: Tree) -> Tree:
    """An observed value as a Quantity where it is a number, else as a text, its unit behind it."""
    made = {key: value for key, value in tree.items() if key != "value"}
    said = dict(tree["value"])
    text, is_text = said.pop("text", None), said.pop("string", "") == "true"
    found = None if text is None or is_text else NUMBER(text)
    if text is None or found:
        parts = found.groupdict() if found else {}
        made["valueQuantity"] = {**{key: one for key, one in parts.items() if one is not None}, **said}
    else:
        made["valueString"] = f"{text} {said['unit']}" if "unit" in said else text
    return made


def _coding_out(concept: Tree) -> Tree:
    """A concept with its codings as a list again."""
    made = {key: value for key, value in concept.items() if key != "coding-more"}
    made["coding"] = [concept["coding"], *concept.get("coding-more", ())]
    return made


def _name_out(name: Tree) -> Tree:
    made = {key: value for key, value in name.items() if key != "middle" and (key != "use" or value)}
    for key in ("prefix", "suffix"):
        if isinstance(made.get(key), str):
            made[key] = [made[key]]
    if isinstance(made.get("given", ""), str) and ("given" in name or "middle" in name):
        first = [made["given"]] if "given" in made else []
        made["given"] = [*first, *str(name.get("middle", "")).split()]
    return made


def _address_out(address: Tree) -> Tree:
    parts = {name: address[name] for line in LINES for name, _ in line if name in address}
    if not parts:
        return address
    made = {key: value for key, value in address.items() if key not in parts}
    for key, held in address_lines(parts).items():
        behind = made.get(key) or []
        made[key] = [*held, *behind] if key == "line" else [*held, *(behind or [None] * len(made["line"][len(held) :]))]
    return made


__all__ = ["unshape"]
