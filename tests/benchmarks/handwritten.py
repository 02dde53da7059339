"""The census mapping written by hand, as a good programmer would: one walk over each element, no library of ours.

It does what the rows of mappings/cin_census/child.toml say: days that exist, codes of their lists, booleans, check
letters. With `ids` the items get stable ids and the conferences their references, as records need to be merged later;
without them it does less than the mapping says. It keeps no extras and no spellings.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
from lxml import etree

from hub.model import code_list

Tree = dict[str, Any]
Pairs = list[tuple[Tree, Tree]]
"""Each conference with the enquiry it stands in."""

_CODES = Path(__file__).parents[2] / "mappings" / "codes" / "cin"


def codes(name: str) -> dict[str, str]:
    """A list as theirs to ours: the adapter's own table, else the national list."""
    file = _CODES / f"{name}.csv"
    if not file.exists():
        return {code: code for code in code_list(name)}
    with file.open(encoding="utf-8", newline="") as rows:
        return {row["theirs"]: row["ours"] for row in csv.DictReader(rows) if row["way"] != "out"}


_SOURCE, _CLOSURE, _SEX, _UNKNOWN = (codes(n) for n in ("referral_source", "closure_reason", "sex", "upn_unknown"))
_GENDER, _ETHNICITY, _DISABILITY, _NEED = (codes(n) for n in ("gender", "ethnicity", "disability", "primary_need"))
_FACTOR, _ABUSE = codes("assessment_factor"), codes("abuse_category")
_YES = {"1": True, "true": True, "0": False, "false": False}
_NOT = {word: not said for word, said in _YES.items()}
_UPN = re.compile(r"([A-Za-z])(\d{11})(\d|[A-Za-z])", re.ASCII)
_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class _Days(dict[str, str]):
    """Days seen to exist; looking up a text that is none raises ValueError."""

    def __missing__(self, text: str) -> str:
        if not _DAY.fullmatch(text):
            raise ValueError("not a day")
        date.fromisoformat(text)
        self[text] = text
        return text


_days = _Days()
_doubtful: list[str] = []


def upn(text: str) -> str:
    """The UPN as it is, noted when its check letter is wrong."""
    if not _UPN.fullmatch(text):
        _doubtful.append("upn: shape")
    elif text[12].isdigit():
        total = 0
        for weight, digit in enumerate(text[1:], 2):
            total += weight * int(digit)
        if _LETTERS[total % 23] != text[0].upper():
            _doubtful.append("upn: check letter")
    return text


def translate(path: str, ids: bool) -> Iterator[bytes]:
    """A census file as lines of canonical JSON, without extras."""
    as_of = ""
    for _, element in etree.iterparse(
        path, tag=("Child", "ReferenceDate"), remove_comments=True, remove_pis=True, resolve_entities=False
    ):
        if element.tag == "ReferenceDate":
            as_of = _days[element.text]
            continue
        record, pairs = _child(element, as_of)
        if ids:
            _identify(record, pairs)
        yield orjson.dumps(record)
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def _child(element: Any, as_of: str) -> tuple[Tree, Pairs]:
    pairs: Pairs = []
    source: Tree = {"link": "cin_census", "as_of": as_of}
    person: Tree = {}
    record: Tree = {"source": source, "person": person}
    for part in element:
        tag = part.tag
        if tag == "CINdetails":
            record.setdefault("episodes", []).append(_episode(part, pairs))
        elif tag == "ChildIdentifiers":
            _identifiers(part, source, person)
        elif tag == "ChildCharacteristics":
            for child in part:
                if child.tag == "Ethnicity":
                    person["ethnicity"] = _ETHNICITY[child.text]
                elif child.tag == "Disabilities":
                    person["disabilities"] = [{"code": _DISABILITY[one.text]} for one in child]
    source["edition"] = "2025" if "sex" in person else "2022"
    for episode in record.get("episodes", ()):
        if "pre_proceedings" in episode:
            record.setdefault("pre_proceedings", []).extend(episode.pop("pre_proceedings"))
    if pairs:
        record["conferences"] = [conference for conference, _ in pairs]
    return record, pairs


def _identifiers(part: Any, source: Tree, person: Tree) -> None:
    current: Tree = {"system": "upn", "use": "current"}
    for child in part:
        tag, text = child.tag, child.text
        if tag == "LAchildID":
            source["id"] = text
        elif tag == "UPN":
            current["value"] = upn(text)
        elif tag == "UPNunknown":
            current["missing"] = _UNKNOWN[text]
        elif tag == "PersonBirthDate":
            person.setdefault("birth", {})["date"] = _days[text]
        elif tag == "Sex":
            person["sex"] = _SEX[text]
        elif tag == "FormerUPN":
            person.setdefault("identifiers", []).append({"system": "upn", "use": "former", "value": upn(text)})
        elif tag == "ExpectedPersonBirthDate":
            person.setdefault("birth", {})["expected"] = _days[text]
        elif tag == "GenderCurrent":
            person["gender"] = _GENDER[text]
        elif tag == "PersonDeathDate":
            person["death"] = {"date": _days[text]}
    if len(current) > 2:
        person.setdefault("identifiers", []).insert(0, current)


def _episode(part: Any, pairs: Pairs) -> Tree:
    referral: Tree = {}
    episode: Tree = {"referral": referral}
    for child in part:
        tag = child.tag
        if tag == "CINreferralDate":
            referral["date"] = _days[child.text]
        elif tag == "ReferralSource":
            referral["source"] = _SOURCE[child.text]
        elif tag == "PrimaryNeedCode":
            referral["need"] = _NEED[child.text]
        elif tag == "ReferralNFA":
            referral["nfa"] = _YES[child.text]
        elif tag == "CINclosureDate":
            episode.setdefault("closure", {})["date"] = _days[child.text]
        elif tag == "ReasonForClosure":
            episode.setdefault("closure", {})["reason"] = _CLOSURE[child.text]
        elif tag in _LISTS:
            name, read = _LISTS[tag]
            episode.setdefault(name, []).append(read(child, pairs))
        elif tag == "PreProceedingsandFGDM":
            episode.setdefault("pre_proceedings", []).append(_proceedings(child))
    return episode


def _assessment(part: Any, pairs: Pairs) -> Tree:
    assessment: Tree = {}
    for child in part:
        tag = child.tag
        if tag == "AssessmentActualStartDate":
            assessment["start"] = _days[child.text]
        elif tag == "AssessmentInternalReviewDate":
            assessment["review"] = _days[child.text]
        elif tag == "AssessmentAuthorisationDate":
            assessment["authorised"] = _days[child.text]
        elif tag == "FactorsIdentifiedAtAssessment":
            assessment["factors"] = [_FACTOR[one.text] for one in child]
    return assessment


def _enquiry(part: Any, pairs: Pairs) -> Tree:
    enquiry: Tree = {}
    conference: Tree = {}
    for child in part:
        tag = child.tag
        if tag == "S47ActualStartDate":
            enquiry["start"] = _days[child.text]
        elif tag == "ICPCnotRequired":
            enquiry["conference_required"] = _NOT[child.text]
        elif tag == "InitialCPCtarget":
            conference["target"] = _days[child.text]
        elif tag == "DateOfInitialCPC":
            conference["date"] = _days[child.text]
    if conference:
        pairs.append((conference, enquiry))
    return enquiry


def _cin_plan(part: Any, pairs: Pairs) -> Tree:
    period: Tree = {}
    for child in part:
        if child.tag == "CINPlanStartDate":
            period["start"] = _days[child.text]
        elif child.tag == "CINPlanEndDate":
            period["end"] = _days[child.text]
    return {"kind": "cin", "period": period}


def _cp_plan(part: Any, pairs: Pairs) -> Tree:
    period: Tree = {}
    plan: Tree = {"kind": "cp", "period": period}
    for child in part:
        tag = child.tag
        if tag == "CPPstartDate":
            period["start"] = _days[child.text]
        elif tag == "CPPendDate":
            period["end"] = _days[child.text]
        elif tag == "InitialCategoryOfAbuse":
            plan["initial_category"] = _ABUSE[child.text]
        elif tag == "LatestCategoryOfAbuse":
            plan["latest_category"] = _ABUSE[child.text]
        elif tag == "NumberOfPreviousCPP":
            plan["previous"] = int(child.text)
        elif tag == "Reviews":
            plan["reviews"] = [{"date": _days[one.text]} for one in child]
    return plan


def _proceedings(part: Any) -> Tree:
    """Ten flat fields: a table is the plainest way to write them."""
    found: Tree = {}
    for child in part:
        if child.tag in _PROCEEDINGS:
            name, read = _PROCEEDINGS[child.tag]
            found[name] = read(child.text)
    return found


def _identify(record: Tree, pairs: Pairs) -> None:
    """Give every item an id that is the same each time its child is read, and put ids where items refer to items."""
    seed = blake2b(f"cin_census|{record['source'].get('id', '')}|".encode(), digest_size=10)
    seen: dict[str, int] = {}
    home: dict[int, str] = {}

    def mint(key: str) -> str:
        count = seen.get(key, 0)
        seen[key] = count + 1
        found = seed.copy()
        found.update(f"{key}|{count}".encode())
        return "hub-" + found.hexdigest()

    person = record["person"]
    for item in person.get("identifiers", ()):
        item["id"] = mint(item["use"])
    for item in person.get("disabilities", ()):
        item["id"] = mint(f"d|{item['code']}")
    for episode in record.get("episodes", ()):
        above = episode["id"] = mint(f"e|{episode['referral'].get('date')}")
        for item in episode.get("assessments", ()):
            item["id"] = mint(f"a|{above}|{item.get('start')}")
        for item in episode.get("enquiries", ()):
            item["id"] = mint(f"s|{above}|{item.get('start')}")
            home[id(item)] = above
        for item in episode.get("plans", ()):
            plan = item["id"] = mint(f"{item['kind']}|{above}|{item['period'].get('start')}")
            for review in item.get("reviews", ()):
                review["id"] = mint(f"r|{plan}|{review['date']}")
    for item, enquiry in pairs:
        item["enquiry"], item["episode"] = enquiry["id"], home[id(enquiry)]
        item["id"] = mint(f"c|{enquiry['id']}|{item.get('target')}|{item.get('date')}")
    for item in record.get("pre_proceedings", ()):
        item["id"] = mint(f"p|{item.get('decided')}")


_LISTS: dict[str, tuple[str, Callable[[Any, Pairs], Tree]]] = {
    "Assessments": ("assessments", _assessment),
    "Section47": ("enquiries", _enquiry),
    "CINPlanDates": ("plans", _cin_plan),
    "ChildProtectionPlans": ("plans", _cp_plan),
}
_PROCEEDINGS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "PPStartDate": ("decided", _days.__getitem__),
    "LBPSentDate": ("letter_sent", _days.__getitem__),
    "FGDMMeetingOffer": ("family_meeting_offered", _YES.__getitem__),
    "FGDMMeetingFac": ("family_meeting_held", _YES.__getitem__),
    "InitialPPMeetingDate": ("first_meeting", _days.__getitem__),
    "ReviewMeetingsCount": ("meetings", int),
    "StepDecisionDate": ("step_decision", _days.__getitem__),
    "PPOutcome": ("outcome", str),
    "CourtAppDate": ("court_applied", _days.__getitem__),
    "LetterInitCPDate": ("care_letter", _days.__getitem__),
}
