"""Made-up census files of any size: the same seed gives the same bytes, and a longer file begins like a shorter one.

A child takes about 1,750 bytes and has about 25 fields. One in twenty spells its booleans as words, one in fifty has an
element that no schema knows, so that extras are kept as well as counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random

AS_OF = "2025-03-31"
"""The day the files speak of."""

_HEAD = f"""<?xml version="1.0" encoding="UTF-8"?>
<Message>
  <Header>
    <CollectionDetails>
      <Collection>CIN</Collection>
      <Year>2025</Year>
      <ReferenceDate>{AS_OF}</ReferenceDate>
    </CollectionDetails>
    <Source>
      <SourceLevel>L</SourceLevel>
      <LEA>999</LEA>
      <SoftwareCode>made up</SoftwareCode>
      <Release>1</Release>
      <SerialNo>001</SerialNo>
      <DateTime>2025-05-01T09:00:00</DateTime>
    </Source>
  </Header>
  <Children>
"""
_TAIL = "  </Children>\n</Message>\n"

_ETHNICITIES = (
    "WBRI",
    "WIRI",
    "WOTH",
    "MWBC",
    "MWBA",
    "MWAS",
    "MOTH",
    "AIND",
    "APKN",
    "ABAN",
    "AOTH",
    "BCRB",
    "BAFR",
    "BOTH",
    "CHNE",
    "OOTH",
    "REFU",
    "NOBT",
)
_DISABILITIES = ("MOB", "HAND", "PC", "INC", "COMM", "LD", "HEAR", "VIS", "BEH", "CON", "AUT", "DDA")
_SOURCES = (
    "1A",
    "1B",
    "1C",
    "1D",
    "2A",
    "2B",
    "3A",
    "3B",
    "3C",
    "3D",
    "3E",
    "3F",
    "4",
    "5A",
    "5B",
    "5C",
    "5D",
    "6",
    "7",
    "8",
    "9",
    "10",
)
_CLOSURES = ("RC1", "RC2", "RC3", "RC4", "RC5", "RC6", "RC7", "RC8", "RC9")
_FACTORS = (
    "1A",
    "1B",
    "2A",
    "3A",
    "3B",
    "4A",
    "4B",
    "5A",
    "6A",
    "7A",
    "8B",
    "9A",
    "10A",
    "11A",
    "12A",
    "13A",
    "14A",
    "15A",
    "16A",
    "17A",
    "20",
    "22A",
)
_CATEGORIES = ("NEG", "PHY", "SAB", "EMO", "MUL")
_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_FIRST = date(2007, 4, 1)
_LAST = date(2025, 3, 31)


def write(path: Path, children: int, seed: int = 1) -> Path:
    """A census of so many children, written to `path`; the path."""
    with path.open("w", encoding="utf-8") as out:
        out.write(_HEAD)
        for text in texts(children, seed):
            out.write(text)
        out.write(_TAIL)
    return path


def texts(children: int, seed: int = 1) -> Iterator[str]:
    """The `Child` elements, with the layout that stands in the file."""
    random = Random(seed)
    for number in range(children):
        yield _Child(random, number).text()


class _Child:
    def __init__(self, random: Random, number: int) -> None:
        self.random, self.number = random, number
        self.words = ("true", "false") if random.random() < 0.05 else ("1", "0")
        self.lines: list[str] = []

    def text(self) -> str:
        random = self.random
        born = self.day(_FIRST, date(2024, 12, 31))
        self.open(4, "Child")
        self.open(6, "ChildIdentifiers")
        self.leaf(8, "LAchildID", f"MADE{self.number:08d}")
        if random.random() < 0.9:
            self.leaf(8, "UPN", _upn(random))
        else:
            self.leaf(8, "UPNunknown", random.choice(["UN1", "UN2", "UN3", "UN6"]))
        self.leaf(8, "PersonBirthDate", born.isoformat())
        self.leaf(8, "Sex", random.choice("MMMFFFU"))
        self.close(6, "ChildIdentifiers")
        self.open(6, "ChildCharacteristics")
        self.leaf(8, "Ethnicity", random.choice(_ETHNICITIES))
        self.open(8, "Disabilities")
        for code in random.sample(_DISABILITIES, random.choice([1, 1, 1, 2])):
            self.leaf(10, "Disability", code)
        self.close(8, "Disabilities")
        self.close(6, "ChildCharacteristics")
        for since in sorted({self.day(born, _LAST) for _ in range(random.choice([1, 1, 1, 1, 2]))}):
            self.details(since)
        if random.random() < 0.02:
            self.leaf(6, "LocalNote", "kept by the product")
        self.close(4, "Child")
        return "".join(self.lines)

    def details(self, since: date) -> None:
        random = self.random
        self.open(6, "CINdetails")
        self.leaf(8, "CINreferralDate", since.isoformat())
        self.leaf(8, "ReferralSource", random.choice(_SOURCES))
        self.leaf(8, "PrimaryNeedCode", f"N{random.randrange(10)}")
        if random.random() < 0.3:
            self.leaf(8, "CINclosureDate", self.after(since, 300))
            self.leaf(8, "ReasonForClosure", random.choice(_CLOSURES))
        if random.random() < 0.75:
            self.assessment(since)
        if random.random() < 0.35:
            ends = [("CINPlanStartDate", self.after(since, 50)), ("CINPlanEndDate", self.after(since, 400))]
            self.group("CINPlanDates", ends)
        if random.random() < 0.7:
            leaves = [("S47ActualStartDate", self.after(since, 20))]
            if random.random() < 0.6:
                leaves += [("InitialCPCtarget", self.after(since, 35)), ("DateOfInitialCPC", self.after(since, 40))]
            self.group("Section47", [*leaves, ("ICPCnotRequired", self.word(0.4))])
        self.leaf(8, "ReferralNFA", self.word(0.2))
        if random.random() < 0.55:
            self.plan(since)
        self.close(6, "CINdetails")

    def assessment(self, since: date) -> None:
        self.open(8, "Assessments")
        self.leaf(10, "AssessmentActualStartDate", self.after(since, 10))
        self.leaf(10, "AssessmentInternalReviewDate", self.after(since, 30))
        self.leaf(10, "AssessmentAuthorisationDate", self.after(since, 60))
        self.open(10, "FactorsIdentifiedAtAssessment")
        for code in self.random.sample(_FACTORS, self.random.choice([1, 2, 3])):
            self.leaf(12, "AssessmentFactors", code)
        self.close(10, "FactorsIdentifiedAtAssessment")
        self.close(8, "Assessments")

    def plan(self, since: date) -> None:
        self.open(8, "ChildProtectionPlans")
        self.leaf(10, "CPPstartDate", self.after(since, 60))
        if self.random.random() < 0.5:
            self.leaf(10, "CPPendDate", self.after(since, 500))
        self.leaf(10, "InitialCategoryOfAbuse", self.random.choice(_CATEGORIES))
        self.leaf(10, "LatestCategoryOfAbuse", self.random.choice(_CATEGORIES))
        self.leaf(10, "NumberOfPreviousCPP", str(self.random.choice([0, 0, 0, 1, 2])))
        self.open(10, "Reviews")
        for held in sorted({self.after(since, 400) for _ in range(self.random.choice([1, 1, 2]))}):
            self.leaf(12, "CPPreviewDate", held)
        self.close(10, "Reviews")
        self.close(8, "ChildProtectionPlans")

    def group(self, name: str, leaves: list[tuple[str, str]]) -> None:
        self.open(8, name)
        for leaf, text in leaves:
            self.leaf(10, leaf, text)
        self.close(8, name)

    def open(self, pad: int, name: str) -> None:
        self.lines.append(f"{' ' * pad}<{name}>\n")

    def close(self, pad: int, name: str) -> None:
        self.lines.append(f"{' ' * pad}</{name}>\n")

    def leaf(self, pad: int, name: str, text: str) -> None:
        self.lines.append(f"{' ' * pad}<{name}>{text}</{name}>\n")

    def word(self, chance: float) -> str:
        return self.words[self.random.random() >= chance]

    def day(self, since: date, until: date) -> date:
        return since + timedelta(days=self.random.randrange((until - since).days + 1))

    def after(self, since: date, days: int) -> str:
        return (since + timedelta(days=self.random.randrange(days))).isoformat()


def _upn(random: Random) -> str:
    """A UPN with its right check letter (weights 2 to 13, modulus 23), of the made-up authority 999."""
    digits = f"999{random.randrange(10**9):09d}"
    return _LETTERS[sum(int(digit) * weight for weight, digit in enumerate(digits, 2)) % 23] + digits
