"""FHIR's elements by type, from the table `schemas/fhir_r4.csv` (made from HL7's definitions of R4 4.0.1).

`of(type)` gives the elements of a type in FHIR's order; `from_xml` reads an XML resource as the JSON it stands for
(FHIR R4, 2.6.1 and 2.6.2): attributes `value` become texts and Tokens, and what has an id or an extension beside its
value becomes `_name`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from typing import Any

from lxml import etree

from hub.adapter import Token
from hub.errors import RecordError
from hub.wire.files import shipped

NAMESPACE = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
BARE = frozenset(["boolean", "integer", "decimal", "unsignedInt", "positiveInt"])
"""Primitives that JSON writes without quotation marks."""
RESOURCE = "Resource"
"""The kind of an element that holds any resource."""

RESOURCES = frozenset(
    """
    Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent Basic
    Binary BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement CarePlan CareTeam CatalogEntry
    ChargeItem ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication
    CommunicationRequest CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage
    CoverageEligibilityRequest CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric
    DeviceRequest DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis
    Encounter Endpoint EnrollmentRequest EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceVariable
    ExampleScenario ExplanationOfBenefit FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse
    HealthcareService ImagingStudy Immunization ImmunizationEvaluation ImmunizationRecommendation
    ImplementationGuide InsurancePlan Invoice Library Linkage List Location Measure MeasureReport Media Medication
    MedicationAdministration MedicationDispense MedicationKnowledge MedicationRequest MedicationStatement
    MedicinalProduct MedicinalProductAuthorization MedicinalProductContraindication MedicinalProductIndication
    MedicinalProductIngredient MedicinalProductInteraction MedicinalProductManufactured MedicinalProductPackaged
    MedicinalProductPharmaceutical MedicinalProductUndesirableEffect MessageDefinition MessageHeader
    MolecularSequence NamingSystem NutritionOrder Observation ObservationDefinition OperationDefinition
    OperationOutcome Organization OrganizationAffiliation Parameters Patient PaymentNotice PaymentReconciliation
    Person PlanDefinition Practitioner PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse
    RelatedPerson RequestGroup ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject
    RiskAssessment RiskEvidenceSynthesis Schedule SearchParameter ServiceRequest Slot Specimen SpecimenDefinition
    StructureDefinition StructureMap Subscription SubscriptionStatus Substance SubstanceNucleicAcid SubstancePolymer
    SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial SubstanceSpecification SupplyDelivery
    SupplyRequest Task TerminologyCapabilities TestReport TestScript ValueSet VerificationResult VisionPrescription
    """.split()  # noqa: SIM905 - a list of 147 lines says no more
)
"""The names of all resources of R4."""

_TABLE = "schemas/fhir_r4.csv"
_QUANTITIES = frozenset(["Age", "Count", "Distance", "Duration"])
"""Kinds that have the elements of a Quantity."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type. kind: of its value; choice: `value` for `valueString`, "" for a plain one.

    codes: of a required binding; targets: types that a Reference may point at, empty for any.
    """

    name: str
    kind: str
    many: bool
    required: bool
    choice: str
    codes: frozenset[str]
    targets: frozenset[str]

    @property
    def primitive(self) -> bool:
        """Whether its value is one text, number or boolean."""
        return self.kind[:1].islower()

    @property
    def bare(self) -> bool:
        """Whether JSON writes it without quotation marks."""
        return self.kind in BARE


@cache
def _rows() -> tuple[dict[str, str], dict[str, list[Element]]]:
    """By type: its base, and its own elements in order."""
    base: dict[str, str] = {}
    own: dict[str, list[Element]] = {}
    for row in csv.DictReader(shipped(_TABLE).decode().splitlines()):
        name = row["type"]
        if not row["element"]:
            base[name], own[name] = row["kind"], []
            continue
        codes, targets = frozenset(row["codes"].split()), frozenset(row["targets"].split())
        flags = row["many"] == "y", row["required"] == "y"
        own[name].append(Element(row["element"], row["kind"], *flags, row["choice"], codes, targets))
    return base, own


@cache
def of(name: str) -> dict[str, Element]:
    """The elements of a type by name, in FHIR's order; none for a type that the table does not have."""
    base, own = _rows()
    name = "Quantity" if name in _QUANTITIES else name
    if name not in own:
        return {}
    first = of(base[name]) if base[name] else {}
    return {**first, **{one.name: one for one in own[name]}}


@cache
def is_resource(name: str) -> bool:
    """Whether the table has a resource of that name."""
    base, _ = _rows()
    return base.get(name) in ("Resource", "DomainResource") and name != "DomainResource"


@cache
def known_names() -> frozenset[str]:
    """The names of all elements of the table: what may be said of a place."""
    _, own = _rows()
    return frozenset(one.name for elements in own.values() for one in elements)


def from_xml(root: Any) -> dict[str, Any]:
    """The resource that an XML element stands for. RecordError, with the line, for what is not FHIR."""
    space, name = _split(root.tag)
    if space != NAMESPACE:
        raise RecordError(f"the root element is not in the namespace {NAMESPACE}", place=_line(root))
    return _resource(root, name)


def _resource(element: Any, name: str) -> dict[str, Any]:
    elements = of(name) if is_resource(name) else None
    if elements is None:
        return {"resourceType": name}
    return {"resourceType": name, **_object(element, name)}


def _object(element: Any, kind: str) -> dict[str, Any]:
    """The object of an element of a complex kind."""
    made: dict[str, Any] = {key: text for key, text in element.attrib.items() if key in ("id", "url")}
    known = of(kind)
    for child in element:
        space, name = _split(child.tag)
        if space == XHTML:
            made[name] = etree.tostring(child, encoding="unicode", with_tail=False)
            continue
        found = known.get(name)
        if space != NAMESPACE or found is None:
            raise RecordError(f"{kind} has no such element", place=_line(child))
        if found.primitive:
            _primitive(made, found, child)
        else:
            value = _inner(child) if found.kind == RESOURCE else _object(child, found.kind)
            _put(made, found, name, value)
    if _solid(element.text) or any(_solid(child.tail) for child in element):
        raise RecordError("text between elements", place=_line(element))
    return made


def _primitive(made: dict[str, Any], found: Element, child: Any) -> None:
    """A primitive into the object: its value, and `_name` for an id or extensions; lists of both keep step."""
    text = child.get("value")
    beside = _object(child, "Element") if len(child) or child.get("id") is not None else {}
    value = Token(text) if found.bare and text is not None else text
    if not found.many:
        if text is not None:
            _put(made, found, found.name, value)
        if beside:
            made[f"_{found.name}"] = beside
        return
    values = made.setdefault(found.name, [])
    values.append(value)
    besides = made.get(f"_{found.name}")
    if beside and besides is None:
        besides = made[f"_{found.name}"] = [None] * (len(values) - 1)
    if besides is not None:
        besides.append(beside or None)


def _put(made: dict[str, Any], found: Element, name: str, value: Any) -> None:
    if found.many:
        made.setdefault(name, []).append(value)
    elif name in made:
        raise RecordError(f"{name} stands twice, and may stand once")
    else:
        made[name] = value


def _inner(holder: Any) -> Any:
    """The resource within `contained` or `resource`."""
    if len(holder) != 1 or _split(holder[0].tag)[0] != NAMESPACE:
        raise RecordError("one resource is expected here", place=_line(holder))
    return _resource(holder[0], _split(holder[0].tag)[1])


def _split(tag: str) -> tuple[str, str]:
    space, _, name = tag.rpartition("}")
    return space.removeprefix("{"), name


def _solid(text: str | None) -> bool:
    return bool(text and text.strip())


def _line(element: Any) -> str:
    return f"line {element.sourceline}"


__all__ = ["BARE", "NAMESPACE", "RESOURCE", "RESOURCES", "Element", "from_xml", "is_resource", "known_names", "of"]
