"""One page of HL7 v2 through the engine: repeats, pairs of cells, open code lists, odd dates.

The adapter here is for tests.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from hub.adapter import Theirs
from hub.mapping import laws
from hub.model import to_tree
from tests.engine import build

HL7 = Path(__file__).resolve().parents[2] / "shared" / "data" / "hl7v2"

TOML = """
version = "1"
carries = "event"
[fields]
"source.id" = { theirs = "PID.3[5=MR].1", way = "in" }
"person.birth.date" = { theirs = "PID.7", as = "hl7_date", bad = "keep" }
"person.sex" = { theirs = "PID.8", codes = "hl7/sex" }
"person.birth.accuracy" = { theirs = "PID.32[. in hl7/birth_accuracy]", codes = "hl7/birth_accuracy" }
[codes."hl7/authority"]
else = "hl7:"
[codes."hl7/sex"]
fold = true
[each.identifiers]
ours = "person.identifiers[]"
theirs = "PID.3[]"
key = ["system", "value"]
[each.identifiers.fields]
"value" = "1"
"system" = { theirs = ["4", "5"], codes = "hl7/authority" }
[each.names]
ours = "person.names[]"
theirs = "PID.5[]"
key = ["family", "given"]
[each.names.fields]
"family" = "1"
"given" = "2"
"middle" = "3"
"suffix" = "4"
"title" = "5"
[each.homes]
ours = "person.addresses[use=home]"
theirs = "PID.11[7=H]"
key = ["postcode"]
[each.homes.fields]
"street" = "1"
"town" = "3"
"postcode" = "5"
[each.addresses]
ours = "person.addresses[]"
theirs = "PID.11[]"
key = ["postcode"]
[each.addresses.fields]
"street" = "1"
"town" = "3"
"postcode" = "5"
"kind_text" = "7"
[each.telecoms]
ours = "person.telecoms[]"
theirs = "PID.13[]"
key = ["value"]
[each.telecoms.fields]
"value" = "1"
"use, system" = { theirs = ["2", "3"], codes = "hl7/telecom" }
"""
CODES = {
    "hl7/sex": "theirs,ours,way\nM,M,\nF,F,\nU,U,\nmale,M,in\nfemale,F,in\n2,F,in\n1,M,in\n",
    "hl7/birth_accuracy": "theirs,ours\nAAA,AAA\nEEE,EEE\n",
    "hl7/authority": "theirs.a,theirs.b,ours,way\nNHS,NH,nhs,\nNHS,,nhs,in\n",
    "hl7/telecom": (
        "theirs.use,theirs.kind,ours.use,ours.system\n"
        "PRN,PH,home,phone\nPRN,CP,mobile,phone\nWPN,PH,work,phone\nNET,Internet,home,email\n,CP,,phone\n"
    ),
}
LISTS = {"3", "5", "11", "13", "32"}


def tree_of(message: str) -> dict[str, Any] | None:
    """PID as nested text: fields by number, repeats of the mapped fields as dicts of their filled components."""
    pid = next((line for line in message.replace("\n", "\r").split("\r") if line.startswith("PID|")), None)
    if pid is None:
        return None
    fields: dict[str, Any] = {}
    for n, text in enumerate(pid.split("|")):
        if n and text:
            if str(n) not in LISTS:
                fields[str(n)] = text
            elif n == 32:
                fields["32"] = text.split("~")
            else:
                fields[str(n)] = [
                    {str(k): part for k, part in enumerate(one.split("^"), 1) if part} for one in text.split("~")
                ]
    return {"PID": fields}


PAGE = (
    "MSH|^~\\&|A|B|C|D|20240101||ADT^A28|1|P|2.4\r"
    "PID|1||C77^^^COUNCIL^MR~9434765919^^^NHS^NH||ASHBY&Mc^Robin^Lee||201503|female|||"
    "1 High St^^Northby^^NB1 2CD^^H~2 Low St^^Southby^^SB3 4EF^^C~3 Mid St^^Midby^^MB1 1AA^^H||"
    "01632960001^PRN^PH~x@example.org^NET^Internet" + "|" * 19 + "AAA~X\r"
)


def test_a_page_comes_back_as_it_was_and_means_what_it_says(tmp_path: Path) -> None:
    mapping = build(TOML, None, tmp_path, CODES)
    tree = tree_of(PAGE)
    assert tree is not None
    read = mapping.inward(Theirs("K", "", copy.deepcopy(tree), {}, "1", "page"))
    record = to_tree(read.record)
    assert record["source"]["id"] == "C77"
    systems = [(one["system"], one["value"]) for one in record["person"]["identifiers"]]
    assert systems == [("hl7:COUNCIL^MR", "C77"), ("nhs", "9434765919")]
    assert record["person"]["birth"] == {"date": "2015-03", "accuracy": "AAA"}
    assert record["person"]["sex"] == "F"
    assert [one["postcode"] for one in record["person"]["addresses"]] == ["NB1 2CD", "MB1 1AA", "SB3 4EF"]
    assert record["person"]["telecoms"][0]["use"] == "home"
    assert record["person"]["telecoms"][1]["system"] == "email"
    assert laws.same(mapping.create(read.record).tree, tree), (
        "female stays female, places stay places, the unknown X stays"
    )


def test_an_open_code_list_comes_back_through_another_system(tmp_path: Path) -> None:
    mapping = build(TOML, None, tmp_path, CODES)
    tree = tree_of(PAGE)
    record = mapping.inward(Theirs("K", "", tree or {}, {}, "1", "page"), "ours").record
    made = mapping.create(record, "other").tree
    assert made["PID"]["3"] == [{"1": "C77", "4": "COUNCIL", "5": "MR"}, {"1": "9434765919", "4": "NHS", "5": "NH"}]
    assert made["PID"]["8"] == "F", "another link gets the canonical word"


def test_every_message_of_the_samples_comes_back(tmp_path: Path) -> None:
    if not HL7.is_dir():
        pytest.skip("the shared samples are not here")
    mapping = build(TOML, None, tmp_path, CODES)
    done = 0
    for file in sorted(HL7.glob("*/*.hl7")):
        tree = tree_of(file.read_text(encoding="utf-8", errors="replace"))
        if tree is None:
            continue
        theirs = Theirs("K", "", tree, {}, "1", file.name)
        assert list(laws.get_put(mapping, theirs, file.name)) == []
        done += 1
    assert done > 200
