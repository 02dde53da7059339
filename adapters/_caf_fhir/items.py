"""A form's tree as the items of a QuestionnaireResponse, and back.

Every field of the tree is a question, every part of it a group; its `linkId` is the path without brackets
(`Child.Name.Given`), and stays the same in every version. What repeats is an item each, or an answer each where it is
no group. An item that is there without an answer is an empty text, as an empty element is in XML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from adapters._caf_schema import SCHEMA
from adapters._fhir.shape import UNKNOWN
from hub.adapter import Token, Tree
from hub.errors import RecordError
from hub.wire.jsontext import dumps

CANONICAL = "urn:ics-hub:questionnaire:caf"
VERSION = "1"

_DAY = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-\d\d)?)?", re.ASCII).fullmatch
_NO_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]").search
_ITEM = {"id", "extension", "linkId", "definition", "text", "answer", "item"}
_ANSWER = {"id", "extension", "item"}
_TYPES = {"text": "valueString", "date": "valueDate", "boolean": "valueBoolean"}
_PLAIN = {"String", "Date", "Boolean", "Integer", "Decimal", "DateTime", "Time", "Uri"}
"""The kinds of answer that are one text."""


@dataclass
class Question:
    """One question, or one group of them (`kind` is group). name: its key in the tree; link: its linkId."""

    link: str
    name: str
    kind: str = "group"
    many: bool = False
    required: bool = False
    length: int = 0
    below: dict[str, Question] = field(default_factory=dict)


def _questions() -> dict[str, Question]:
    top: dict[str, Question] = {}
    for cell in SCHEMA.cells:
        below, link = top, ""
        for step in cell.path.split("."):
            name = step.removesuffix("[]")
            link = f"{link}.{name}" if link else name
            found = below.setdefault(name, Question(link, name, many=step.endswith("[]")))
            below = found.below
        found.kind, found.required, found.length = cell.type, cell.required, cell.length
    return top


QUESTIONS = _questions()
"""By the key in the tree, in the order of the form."""


def _links(questions: dict[str, Question]) -> Iterator[str]:
    for one in questions.values():
        yield one.link
        yield from _links(one.below)


LINKS = frozenset(_links(QUESTIONS))
"""Every linkId of the questionnaire."""

# ------------------------------------------------------------------------------------------------------------- outward


def written(tree: Tree, questions: dict[str, Question] = QUESTIONS) -> list[Tree]:
    """The items of a tree. RecordError names the question whose text FHIR cannot hold, or that no question is for."""
    if not tree.keys() <= questions.keys():
        raise RecordError("the form has a field that is no question of the questionnaire; make it one of its Answers")
    items = []
    for name, question in questions.items():
        value = tree.get(name)
        if value is None:
            continue
        if question.kind == "group":
            items += [_group(one, question) for one in (value if question.many else [value])]
        elif question.many:
            answers = [_answer(one, question) for one in value]
            items += [{"linkId": question.link, "answer": answers}] if answers else []
        else:
            answer = {"answer": [_answer(value, question)]} if value else {}
            items.append({"linkId": question.link, **answer})
    return items


def _group(value: Any, question: Question) -> Tree:
    if type(value) is not dict:
        raise RecordError("a text stands where a part of the form is expected", place=question.link)
    items = written(value, question.below)
    return {"linkId": question.link, **({"item": items} if items else {})}


def _answer(value: Any, question: Question) -> Tree:
    if not isinstance(value, str):
        raise RecordError("an answer that is no text cannot be written", place=question.link)
    if not value:
        return {"_valueString": UNKNOWN}
    if _NO_CHARACTER(value):
        raise RecordError("the text has a character that FHIR cannot hold", place=question.link)
    if question.kind == "date" and is_day(value):
        return {"valueDate": value}
    if question.kind == "boolean" and value in ("true", "false"):
        return {"valueBoolean": Token(value)}
    return {"valueString": value}


def is_day(text: Any) -> bool:
    """Whether FHIR has it as a date: a day, month or year that there is."""
    if not isinstance(text, str) or not _DAY(text):
        return False
    try:
        return bool(date.fromisoformat((text + "-01-01")[:10]))
    except ValueError:
        return False


# -------------------------------------------------------------------------------------------------------------- inward


def read(response: Tree) -> Tree:
    """The tree of a response's items. An item that is no question of ours becomes an Answer under its text or linkId:
    of the child where it stands among what is asked of the child, else of the form. RecordError names the question."""
    reader = _Reader()
    tree = reader.items(response.get("item", []), QUESTIONS, "")
    for name, answers in (("Child", reader.of_child), ("", reader.of_form)):
        if answers:
            holder = tree.setdefault(name, {}) if name else tree
            holder.setdefault("Answers", {}).setdefault("Answer", []).extend(answers)
    return tree


class _Reader:
    def __init__(self) -> None:
        self.of_child: list[Tree] = []
        self.of_form: list[Tree] = []

    def items(self, said: Any, questions: dict[str, Question], group: str) -> Tree:
        """The part of the tree that these items are. group: linkId of what holds them, "" at the top."""
        known = {question.link: question for question in questions.values()}
        tree: Tree = {}
        for item in _objects(said, group):
            link = item.get("linkId")
            question = known.get(link) if isinstance(link, str) else None
            if question is None:
                self.stranger(item, group, "" if group in ("", "Child") else group)
            elif question.kind == "group":
                self._extensions(item, question.link, question.link)
                _only(item, _ITEM - {"answer"}, question.link)
                self._put(tree, question, self.items(item.get("item", []), question.below, question.link))
            else:
                self._extensions(item, question.link, question.link)
                self._question(tree, item, question)
        return tree

    def _question(self, tree: Tree, item: Tree, question: Question) -> None:
        _only(item, _ITEM, question.link)
        answers = _objects(item.get("answer", []), question.link)
        for answer in answers:
            self._extensions(answer, question.link, question.link)
            for inner in _objects(answer.get("item", []), question.link):
                self.stranger(inner, question.link, question.link)
            self._put(tree, question, _text(answer, question.link))
        for inner in _objects(item.get("item", []), question.link):
            self.stranger(inner, question.link, question.link)
        if not answers and not question.many:
            self._put(tree, question, "")

    def _put(self, tree: Tree, question: Question, value: Any) -> None:
        if question.many:
            tree.setdefault(question.name, []).append(value)
        elif question.name in tree:
            raise RecordError("is said twice, and may be said once", place=question.link)
        else:
            tree[question.name] = value

    def stranger(self, item: Tree, group: str, section: str) -> None:
        """An item that is no question of ours, and what stands in it, as Answers."""
        link = item.get("linkId")
        if not isinstance(link, str) or not link:
            raise RecordError("an item has no linkId", place=group)
        if link in LINKS:
            raise RecordError("stands where the questionnaire does not have it", place=link)
        _only(item, _ITEM, group)
        self._extensions(item, group, link)
        heading = item.get("text", link)
        if not isinstance(heading, str):
            raise RecordError("the text of an item is no text", place=group)
        answers = _objects(item.get("answer", []), group)
        inner = _objects(item.get("item", []), group)
        for answer in answers:
            self._extensions(answer, group, link)
            inner += _objects(answer.get("item", []), group)
        if answers or not inner:
            self._note(group, section, heading, "\n".join(_any_text(answer, group) for answer in answers))
        for one in inner:
            self.stranger(one, group, heading)

    def _extensions(self, holder: Tree, group: str, section: str) -> None:
        """What an extension says of a question, as an Answer: its text is the JSON."""
        if "extension" in holder:
            self._note(group, section, "extension", dumps(holder["extension"]).decode())

    def _note(self, group: str, section: str, heading: str, text: str) -> None:
        answer = {"Section": section, "Heading": heading, "Text": text}
        is_childs = group == "Child" or group.startswith("Child.")
        (self.of_child if is_childs else self.of_form).append({key: one for key, one in answer.items() if one})


def _objects(said: Any, place: str) -> list[Tree]:
    if type(said) is not list or any(type(one) is not dict for one in said):
        raise RecordError("a list of items or answers is expected", place=place)
    return list(said)


def _only(item: Tree, known: set[str], place: str) -> None:
    if not {key.removeprefix("_") for key in item} <= known:
        raise RecordError("has what FHIR, or the questionnaire, does not have here", place=place)


def _value(answer: Tree, place: str) -> tuple[str, Any]:
    """The kind of an answer (`String`) and its value; a value that is not known is an empty text."""
    names = [name for name in answer if name not in _ANSWER]
    if len(names) != 1 or not names[0].removeprefix("_").startswith("value"):
        raise RecordError("an answer that is not one value", place=place)
    if names[0][0] == "_":
        if answer[names[0]] != UNKNOWN:
            raise RecordError("an answer without a value, that is not just unknown", place=place)
        return "String", ""
    return names[0].removeprefix("value"), answer[names[0]]


def _text(answer: Tree, place: str) -> str:
    kind, value = _value(answer, place)
    if kind not in _PLAIN or not isinstance(value, str):
        raise RecordError("an answer of a kind that this question does not have", place=place)
    return str(value)


def _any_text(answer: Tree, place: str) -> str:
    """The text of an answer of any kind: of a code its words, of what has no words the JSON."""
    kind, value = _value(answer, place)
    if kind == "Coding" and type(value) is dict and value.keys() == {"display"}:
        value = value["display"]
    return str(value) if isinstance(value, str) else dumps(value).decode()


# ------------------------------------------------------------------------------------------------------------ the rules


def breaches(said: Any, path: str, questions: dict[str, Question] = QUESTIONS) -> Iterator[tuple[str, str]]:
    """What breaks the questionnaire in items that FHIR itself has nothing against: where, as a path, and why."""
    known = {question.link: question for question in questions.values()}
    seen: list[Question] = []
    for n, item in enumerate(said if type(said) is list else ()):
        at = f"{path}.item[{n}]"
        link = item.get("linkId") if type(item) is dict else None
        question = known.get(link) if isinstance(link, str) else None
        if question is None:
            is_ours = isinstance(link, str) and link in LINKS
            told = "stands where the questionnaire does not have it" if is_ours else "is not in the questionnaire"
            yield f"{at}.linkId", told
            continue
        answers = item.get("answer")
        answers = answers if type(answers) is list else []
        if not question.many and (question in seen or len(answers) > 1):
            yield at, f"{question.link} may be said once"
        seen.append(question)
        if question.kind == "group":
            if answers:
                yield f"{at}.answer", f"{question.link} is a group"
            yield from breaches(item.get("item"), at, question.below)
            continue
        for m, answer in enumerate(answers):
            yield from _answer_breaches(answer, question, f"{at}.answer[{m}]")
        if "item" in item:
            yield f"{at}.item", f"{question.link} is a question, and holds no items"
    for question in questions.values():
        if question.required and question not in seen:
            yield path, f"{question.link} is missing"


def _answer_breaches(answer: Any, question: Question, at: str) -> Iterator[tuple[str, str]]:
    if type(answer) is not dict:
        return
    names = [name for name in answer if name.removeprefix("_").startswith("value")]
    if not names:
        yield at, "an answer without a value"
    if any(name not in (_TYPES[question.kind], "_valueString") for name in names):
        yield at, f"{question.link} is answered by {_TYPES[question.kind]}"
    value = answer.get("valueString")
    if question.length and isinstance(value, str) and len(value) > question.length:
        yield at, f"{question.link} has at most {question.length} characters"


__all__ = ["CANONICAL", "LINKS", "QUESTIONS", "VERSION", "Question", "breaches", "is_day", "read", "written"]
