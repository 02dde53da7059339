"""Short names in a tree for what FHIR tells apart by a URL: known extensions, code systems and identifier systems.

`extension: [{"url": ".../Extension-UKCore-EthnicCategory", …}]` is `ext: {"EthnicCategory": {…}}` in a tree; a coding
in SNOMED CT is `codes: {"sct": {…}}`, an ODS code `ids: {"ods": {…}}`, a UPRN `keys: {"UPRN": "…"}`. What is not known
here, or stands twice, stays in its list. FHIR gives the order of these lists no meaning, so it is not kept.
"""

from __future__ import annotations

import re
from typing import Any

from adapters._fhir.types import is_resource

Tree = dict[str, Any]

_UK = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"
_UK_CODES = "https://fhir.hl7.org.uk/CodeSystem/UKCore-"
_CORE = "http://hl7.org/fhir/StructureDefinition/patient-"
_HL7 = "http://terminology.hl7.org/CodeSystem/"
_OURS = "urn:ics-hub:"

EXTENSIONS = {
    f"{_UK}EthnicCategory": "EthnicCategory",
    f"{_UK}BirthSex": "BirthSex",
    f"{_UK}NHSNumberVerificationStatus": "NHSNumberVerificationStatus",
    f"{_CORE}religion": "religion",
    f"{_CORE}nationality": "nationality",
    f"{_CORE}birthTime": "birthTime",
    f"{_OURS}fhir:parental-responsibility": "parental_responsibility",
    f"{_OURS}fhir:carer": "carer",
    f"{_OURS}fhir:lead-professional": "lead_professional",
    f"{_OURS}fhir:may-be-shared": "may_be_shared",
}
"""By url, the name in `ext`. Parts of an extension, which have a word for a url, have that name."""
SYSTEMS = {
    "http://snomed.info/sct": "sct",
    "urn:ietf:bcp:47": "bcp47",
    f"{_UK_CODES}HumanLanguage": "HumanLanguage",
    f"{_UK_CODES}EthnicCategoryEngland": "EthnicCategoryEngland",
    f"{_UK_CODES}NHSNumberVerificationStatusEngland": "NHSNumberVerificationStatusEngland",
    f"{_UK_CODES}NHSNumberVerificationStatus": "NHSNumberVerificationStatus",
    f"{_HL7}v3-AdministrativeGender": "AdministrativeGender",
    f"{_HL7}v3-Confidentiality": "Confidentiality",
    "https://fhir.nhs.uk/England/CodeSystem/England-FlagCategoryPatient": "FlagCategory",
    "https://fhir.nhs.uk/Id/ods-organization-code": "ods",
    f"{_OURS}codes:disability": "disability",
    f"{_OURS}codes:involvement": "involvement",
    f"{_OURS}codes:document": "document",
    f"{_OURS}identifier:person": "person",
    f"{_OURS}identifier:staff": "staff",
    f"{_OURS}identifier:social-work-england": "social_work_england",
}
"""By system, the name in `codes` and `ids`."""
ADDRESS_KEY = f"{_UK}AddressKey"
ADDRESS_KEYS = f"{_UK_CODES}AddressKeyType"

_PART = re.compile(r"[A-Za-z]+").fullmatch
_URLS = {name: url for url, name in EXTENSIONS.items()}
SYSTEM_OF = {name: system for system, name in SYSTEMS.items()}
"""The system of a name in `codes` and `ids`."""
_LABELS = f"{_HL7}v3-Confidentiality"
_OPEN, _SHUT = ("U", "L", "M", "N"), ("R", "V", "REDACTED")
"""Codes of labels (HL7 v3 Confidentiality, and PDS's REDACTED)."""
NAMED = frozenset(["ext", "codes", "ids", "keys"])
"""The names that stand for lists."""


def name_in(made: Tree, kind: str) -> None:
    """Give the lists of an object of that kind their short names."""
    if "extension" in made:
        if kind == "Address":
            _keys_in(made)
        _take(made, "extension", "ext", "url", EXTENSIONS)
    if kind == "CodeableConcept" and "coding" in made:
        _take(made, "coding", "codes", "system", SYSTEMS)
    elif kind == "Meta" and type(made.get("security")) is list:
        _labels_in(made)
    elif "identifier" in made and kind != "Patient" and is_resource(kind):
        _take(made, "identifier", "ids", "system", SYSTEMS)


def _take(made: Tree, name: str, short: str, by: str, known: dict[str, str]) -> None:
    items = made.get(name)
    if type(items) is not list or short in made:
        return
    found: Tree = {}
    left = []
    for one in items:
        said = one.get(by) if type(one) is dict and type(one.get(by)) is str else ""
        key = known.get(said) or (said if by == "url" and _PART(said) and said not in _URLS else "") if said else ""
        if key and key not in found and len(one) > 1:
            found[key] = {inner: value for inner, value in one.items() if inner != by}
        else:
            left.append(one)
    if found:
        made[short] = found
        made[name] = left
        if not left:
            del made[name]


def _labels_in(meta: Tree) -> None:
    """Of several labels the one that restricts stands where a mapping looks; one of no system, or of an older one, in
    `restricted`."""
    meta["security"] = sorted(meta["security"], key=lambda one: not _restricts(one))
    _take(meta, "security", "codes", "system", SYSTEMS)
    known = meta.get("codes", {})
    own = known.get("Confidentiality", {"code": "U"})
    found = [one for one in meta.get("security", ()) if _restricts(one)]
    if "code" not in own:
        meta["restricted"] = "?"
    elif found and own["code"] in _OPEN:
        meta["restricted"] = str(found[0].get("code") or "?")
        if "Confidentiality" in known:
            meta["security"] = [*meta["security"], {"system": _LABELS, **known.pop("Confidentiality")}]
        if not known:
            meta.pop("codes", None)


def _restricts(label: Any) -> bool:
    """Whether a label says that a record is not open to all who may read records."""
    if type(label) is not dict:
        return False
    system, code = label.get("system", ""), str(label.get("code"))
    if not system:
        return code in _SHUT
    return "confidentiality" in str(system).lower() and code not in _OPEN


def _keys_in(address: Tree) -> None:
    """The keys of an address by their kind, where they stand as UK Core has them."""
    items = address["extension"]
    keys: Tree = {}
    left = []
    for one in items if type(items) is list else ():
        code, value = _key(one)
        if code and code not in keys:
            keys[code] = value
        else:
            left.append(one)
    if keys:
        address["keys"] = keys
        address["extension"] = left
        if not left:
            del address["extension"]


def _key(one: Any) -> tuple[str, str]:
    if type(one) is not dict or set(one) != {"url", "ext"} or one["url"] != ADDRESS_KEY:
        return "", ""
    kind, value = one["ext"].get("type"), one["ext"].get("value")
    said = kind.get("valueCoding") if type(kind) is dict and len(kind) == 1 else None
    if type(said) is not dict or set(said) != {"system", "code"} or said["system"] != ADDRESS_KEYS:
        return "", ""
    is_text = type(value) is dict and set(value) == {"valueString"} and len(one["ext"]) == 2
    return (said["code"], value["valueString"]) if is_text else ("", "")


def name_out(tree: Tree, kind: str) -> Tree:
    """An object with its lists again."""
    made = {key: value for key, value in tree.items() if key not in NAMED}
    for code, value in tree.get("keys", {}).items():
        said = {"type": {"valueCoding": {"system": ADDRESS_KEYS, "code": code}}, "value": {"valueString": value}}
        made["extension"] = [*made.get("extension", ()), {"url": ADDRESS_KEY, "ext": said}]
    for short, name, by, urls in (
        ("ids", "identifier", "system", SYSTEM_OF),
        ("codes", "security" if kind == "Meta" else "coding", "system", SYSTEM_OF),
        ("ext", "extension", "url", _URLS),
    ):
        if short in tree:
            items = [{by: urls.get(key, key), **one} for key, one in tree[short].items()]
            made = {name: items + made.pop(name, []), **made}
    return made


def restricting(resource: Tree) -> list[Tree]:
    """The labels of a resource that say that it is not open to all who may read records."""
    meta = resource.get("meta")
    held = meta.get("security") if type(meta) is dict else None
    return [one for one in held if _restricts(one)] if type(held) is list else []


__all__ = ["NAMED", "SYSTEM_OF", "name_in", "name_out", "restricting"]
