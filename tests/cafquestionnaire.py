"""Makes schemas/caf-questionnaire.json, the questions that the responses of `caf_fhir` answer, from the adapter's table
of questions and the words of the national form.

    python -m tests.cafquestionnaire > schemas/caf-questionnaire.json
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

from adapters._caf_fhir.items import CANONICAL, QUESTIONS, VERSION, Question

ROOT = Path(__file__).resolve().parent.parent
TYPES = {"group": "group", "date": "date", "boolean": "boolean", "text": "text"}
OPTIONS = {
    "Checklist.Aim.Aim": "aim",
    "Checklist.Aim.Met": "met",
    "Child.Gender": "gender",
    "Child.Ethnicity": "ethnicity",
    "Elements.Element.Heading": "element",
    "Actions.Action.Aim": "aim",
    "Consent.Signatures.Signature.Capacity": "capacity",
}
"""The code tables of `mappings/codes/caf` whose words are the boxes of a question."""
TEXTS = {
    "Reference": "Unique reference number",
    "FamilyId": "Number of the family, in a form about several children",
    "Form": "Which form",
    "Version": "Version number",
    "Started": "Date assessment started",
    "Checklist": "Pre-assessment checklist",
    "Checklist.Needed": "Is a common assessment needed?",
    "Child": "Identifying details",
    "Child.Id": "Number of the child at the sender",
    "Child.UnbornOf": "Unborn baby of",
    "Child.OtherNames": "AKA or previous names",
    "Child.BirthDate": "Date of birth",
    "Child.ExpectedBirthDate": "Expected date of delivery",
    "Child.FirstLanguage": "Child's first language",
    "Child.ParentFirstLanguage": "Parent's first language",
    "Child.Disabled": "Is the child disabled?",
    "Child.InterpreterRequired": "Is an interpreter or signer required?",
    "Child.InterpreterArranged": "Has this been arranged?",
    "Child.SpecialNeeds": "Has the child special educational needs?",
    "Child.Answers": "What a local form asks besides about this child",
    "Present": "People present at the assessment",
    "Reason": "What has led to this unborn baby, infant, child or young person being assessed?",
    "Family": "Parents and carers, and the family",
    "Family.Member.Cares": "Is a carer?",
    "HomeSituation": "Current home and family situation",
    "Assessors": "Persons undertaking the assessment",
    "Leads": "Lead professional",
    "Contact": "Whom to ask about this form",
    "Services": "Services working with the child",
    "Services.Gp": "GP",
    "Services.Education": "Early years or education provider",
    "Services.Other": "Other service",
    "Elements": "Development of the child, parents and carers, family and environment",
    "Conclusions": "Conclusions, solutions and actions",
    "Conclusions.Text": "Conclusions, where strengths and needs are not parted",
    "Actions": "Delivery plan",
    "Actions.Action.When": "By when",
    "Actions.Action.Aim": "Every Child Matters aim",
    "Actions.Action.Progress": "Progress and comments",
    "Comments.Child": "Child's or young person's comment",
    "Comments.Parent": "Parent's or carer's comment",
    "Consent": "Consent statement",
    "Consent.Store": "May the information be stored?",
    "Consent.Share": "May the information be shared?",
    "Consent.ShareWith": "With whom",
    "Reviews.Review.MeetingHeld": "Has a meeting of the team around the child been held?",
    "Reviews.Review.LastAssessment": "Date of the last common assessment",
    "Answers": "What a local form asks besides",
}
"""The words of a question, where those of its linkId will not do."""


def questionnaire() -> dict[str, Any]:
    """The Questionnaire as FHIR R4 has it."""
    return {
        "resourceType": "Questionnaire",
        "url": CANONICAL,
        "version": VERSION,
        "name": "CommonAssessment",
        "title": "Common assessment (CAF)",
        "status": "active",
        "subjectType": ["Patient"],
        "description": "The fields of the national form of the common assessment. A linkId keeps its meaning for good.",
        "item": [_item(one) for one in QUESTIONS.values()],
    }


def _item(question: Question) -> dict[str, Any]:
    found: dict[str, Any] = {"linkId": question.link, "text": TEXTS.get(question.link, words(question.name))}
    options = _options(OPTIONS[question.link]) if question.link in OPTIONS else []
    found["type"] = "open-choice" if options else TYPES[question.kind]
    if question.required:
        found["required"] = True
    if question.many:
        found["repeats"] = True
    if question.length:
        found["maxLength"] = question.length
    if options:
        found["answerOption"] = [{"valueString": one} for one in options]
    if question.below:
        found["item"] = [_item(one) for one in question.below.values()]
    return found


def words(name: str) -> str:
    """`HomeSituation` as `Home situation`."""
    return re.sub(r"(?<=[a-z])[A-Z]", lambda one: " " + one[0].lower(), name)


def _options(table: str) -> list[str]:
    lines = (ROOT / "mappings" / "codes" / "caf" / f"{table}.csv").read_text("utf-8").splitlines()
    rows = [row for row in csv.DictReader(lines) if row["way"] != "in" and row["ours"] != "whole"]
    return list(dict.fromkeys(row["theirs"] for row in rows))


def text() -> str:
    """The file's text."""
    return json.dumps(questionnaire(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
