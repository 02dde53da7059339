"""The conditions by which a mapping may withhold what it would write, by name. Pure functions of one part.

Each answers True (withhold), False, or None: this kind of part has no say, ask the part that encloses it. Where what it
needs is UNSET each says in its docstring how it judges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hub.model.caf import Caf, CafConsent
from hub.model.leaf import Item, Part
from hub.model.person import Identifier, Person
from hub.model.record import ChildRecord
from hub.model.services import Involvement, ServiceConsent
from hub.model.shape import leaves


@dataclass(frozen=True)
class Condition:
    """A named condition. applies: the structs it has a say on; inputs: the leaves of the record it reads."""

    name: str
    applies: tuple[type[Part], ...]
    inputs: tuple[str, ...]
    judge: Callable[[Part], bool | None]

    def __call__(self, part: Part) -> bool | None:
        return self.judge(part)


def shielded(part: Part) -> bool | None:
    """The child is shielded (SI 2007/2182). UNSET: not shielded, since only an index such as ContactPoint says it."""
    if isinstance(part, ChildRecord):
        return isinstance(part.person, Person) and part.person.shielded is True
    if isinstance(part, Person):
        return part.shielded is True
    return None


def sensitive(part: Part) -> bool | None:
    """The service is a sensitive one (SI 2007/2182 reg. 6). UNSET: it is not; who knows such services says so."""
    return part.sensitive is True if isinstance(part, Involvement) else None


def no_consent_to_share(part: Part) -> bool | None:
    """Nobody agreed that this be shared. UNSET: nobody did.

    A sensitive service may be shared if consent was given or significant harm is suspected (SI 2007/2182 reg. 11);
    other involvements need no consent. A common assessment may be shared only if its consent statement says so.
    """
    if isinstance(part, Involvement):
        return part.sensitive is True and not _grounded(part.consent)
    if isinstance(part, Caf):
        return not (isinstance(part.consent, CafConsent) and part.consent.share is True)
    return None


def _grounded(consent: object) -> bool:
    return isinstance(consent, ServiceConsent) and (consent.given is True or consent.basis == "significant_harm")


def unverified(part: Part) -> bool | None:
    """The source says of a number that it is not verified: any status but 01. UNSET: it says nothing."""
    return isinstance(part.status, str) and part.status != "01" if isinstance(part, Identifier) else None


def local(part: Part) -> bool | None:
    """A number that names who gave it out, a hospital, council or school: any but the NHS number. UNSET: it may."""
    return part.system != "nhs" if isinstance(part, Identifier) else None


def hl7_system(part: Part) -> bool | None:
    """Whose number it is can be said in HL7 v2 alone (`hl7:…`). UNSET: nobody says whose it is."""
    return _begins(part, "hl7:")


def fhir_system(part: Part) -> bool | None:
    """Whose number it is can be said in FHIR alone (`fhir:…`). UNSET: nobody says whose it is."""
    return _begins(part, "fhir:")


def _begins(part: Part, prefix: str) -> bool | None:
    if not isinstance(part, Identifier):
        return None
    return isinstance(part.system, str) and part.system.startswith(prefix)


def removed(part: Part) -> bool | None:
    """The source says the item is gone. UNSET: it is there."""
    return part.removed is True if isinstance(part, Item) else None


def stub(part: Part) -> bool | None:
    """The item is known only because another refers to it. UNSET: it is known itself."""
    return part.stub is True if isinstance(part, Item) else None


def _named(*paths: str) -> tuple[str, ...]:
    return tuple(leaf.path for leaf in leaves() if leaf.path in paths)


def _each(name: str) -> tuple[str, ...]:
    return tuple(leaf.path for leaf in leaves() if leaf.path.endswith(f"[].{name}"))


CONDITIONS: dict[str, Condition] = {
    condition.name: condition
    for condition in (
        Condition("shielded", (ChildRecord, Person), _named("person.shielded"), shielded),
        Condition("sensitive", (Involvement,), _named("involvements[].sensitive"), sensitive),
        Condition(
            "no_consent_to_share",
            (Involvement, Caf),
            _named(
                "involvements[].sensitive",
                "involvements[].consent.given",
                "involvements[].consent.basis",
                "caf[].consent.share",
            ),
            no_consent_to_share,
        ),
        Condition("unverified", (Identifier,), _named("person.identifiers[].status"), unverified),
        Condition("local", (Identifier,), _named("person.identifiers[].system"), local),
        Condition("hl7_system", (Identifier,), _named("person.identifiers[].system"), hl7_system),
        Condition("fhir_system", (Identifier,), _named("person.identifiers[].system"), fhir_system),
        Condition("removed", (Item,), _each("removed"), removed),
        Condition("stub", (Item,), _each("stub"), stub),
    )
}
"""By name, as `when` rows of a mapping and `Leaf.guards` name them."""
