"""Who works with the child: organisations, professionals, services and the child's involvement with them.

Sources: SSD ssd_involvements and ssd_professionals, SI 2007/2182 Schedule 1 (services) and regulations 6 and 11.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET

from hub.model.leaf import Date, Decimal, Item, Leaf, Maybe, Part
from hub.model.person import Period

HIDDEN = ("shielded", "sensitive", "no_consent_to_share")


class Organisation(Part, kw_only=True):
    """A school, practice, agency or team."""

    id: Annotated[
        Maybe[str],
        Leaf("Id of the organisation: ODS code, school URN, LA and establishment number, or the source's own."),
    ] = UNSET
    name: Annotated[Maybe[str], Leaf("Name.", source="SI 2007/2182 Sch. 1 paras 7, 8")] = UNSET
    kind_text: Annotated[Maybe[str], Leaf("The source's own word for the kind of organisation.")] = UNSET
    telecom: Annotated[Maybe[str], Leaf("How to reach it, in one text.", source="SI 2007/2182 Sch. 1 para 7")] = UNSET
    address: Annotated[Maybe[str], Leaf("Where it is, in one text.", source="SI 2007/2182 Sch. 1 para 7")] = UNSET


class Professional(Part, kw_only=True):
    """A worker, as far as the child's record needs."""

    id: Annotated[
        Maybe[str], Leaf("Id of the worker in the source.", source="SSD prof_professional_id; DfE API worker_id")
    ] = UNSET
    staff_id: Annotated[Maybe[str], Leaf("Staff number.", source="SSD prof_staff_id")] = UNSET
    name: Annotated[Maybe[str], Leaf("Name.", source="SSD prof_professional_name")] = UNSET
    registration: Annotated[
        Maybe[str],
        Leaf("Social Work England registration number.", source="SSD prof_social_worker_registration_no"),
    ] = UNSET
    job_title: Annotated[Maybe[str], Leaf("Job title.", source="SSD prof_professional_job_title")] = UNSET
    department: Annotated[Maybe[str], Leaf("Department or team.", source="SSD prof_professional_department")] = UNSET
    telecom: Annotated[Maybe[str], Leaf("How to reach the worker, in one text.", source="CAF form: contact tel")] = (
        UNSET
    )
    caseload: Annotated[
        Maybe[int], Leaf("Cases held on the last 30 September.", source="SSD prof_professional_caseload")
    ] = UNSET
    full_time: Annotated[
        Maybe[Decimal], Leaf("Full-time equivalent, 1 being full time.", source="SSD prof_full_time_equivalency")
    ] = UNSET
    agency: Annotated[Maybe[bool], Leaf("An agency worker.", source="SSD prof_agency_worker_flag")] = UNSET


class Service(Part, kw_only=True):
    """What is provided and by whom."""

    id: Annotated[Maybe[str], Leaf("Id of the service in the source.")] = UNSET
    kind: Annotated[
        Maybe[str], Leaf("Kind of service, in the source's word.", source="Family Context Service Involvement")
    ] = UNSET
    name: Annotated[Maybe[str], Leaf("Name of the service.")] = UNSET
    organisation: Annotated[
        Maybe[Organisation], Leaf("Who provides it.", source="SI 2007/2182 Sch. 1 para 8; SSD invo_professional_team")
    ] = UNSET


class ServiceConsent(Part, kw_only=True):
    """On what ground a sensitive service is on the record (SI 2007/2182 reg. 11)."""

    given: Annotated[Maybe[bool], Leaf("Consent was given.", source="SI 2007/2182 reg. 11", critical=True)] = UNSET
    by: Annotated[Maybe[str], Leaf("Who gave it: the child or a parent.", source="SI 2007/2182 reg. 11")] = UNSET
    date: Annotated[Maybe[Date], Leaf("Day on which it was given or refused.")] = UNSET
    basis: Annotated[
        Maybe[str],
        Leaf(
            "Consent, or that the body suspects significant harm.",
            codes="consent_basis",
            source="SI 2007/2182 reg. 11",
            critical=True,
        ),
    ] = UNSET


class Involvement(Item, kw_only=True):
    """A worker, service or practitioner involved with the child for a time; never what they did."""

    kind: Annotated[
        Maybe[str],
        Leaf("A worker, a service or a practitioner.", codes="involvement_kind", source="record's own", critical=True),
    ] = UNSET
    service: Annotated[Maybe[Service], Leaf("The service.", source="SI 2007/2182 Sch. 1 para 8", guards=HIDDEN)] = UNSET
    professional: Annotated[
        Maybe[Professional],
        Leaf("The worker or practitioner.", source="SSD invo_professional_id, ssd_professionals", guards=HIDDEN),
    ] = UNSET
    role: Annotated[
        Maybe[str],
        Leaf(
            "Role of the worker, in the source's code or word.", source="SSD invo_professional_role_id", guards=HIDDEN
        ),
    ] = UNSET
    lead: Annotated[
        Maybe[bool], Leaf("The lead professional.", source="SI 2007/2182 Sch. 1; CAF form, lead professional")
    ] = UNSET
    period: Annotated[
        Maybe[Period],
        Leaf(
            "When they were involved.",
            source="SSD invo_involvement_start_date, invo_involvement_end_date; SSDA903 SW_DECOM, SW_DEC",
        ),
    ] = UNSET
    sensitive: Annotated[
        Maybe[bool],
        Leaf(
            "A sexual health, mental health or substance misuse service: others see only that there is one.",
            source="SI 2007/2182 reg. 6 and Sch. 1 para 15",
            critical=True,
        ),
    ] = UNSET
    consent: Annotated[
        Maybe[ServiceConsent], Leaf("Why a sensitive service may be on the record.", source="SI 2007/2182 reg. 11")
    ] = UNSET
    episode: Annotated[
        Maybe[str], Leaf("The social-care episode it belongs to.", source="SSD invo_referral_id", refers="episodes")
    ] = UNSET
    team: Annotated[
        Maybe[str], Leaf("Team of the worker, by id or name.", source="SSD invo_professional_team", guards=HIDDEN)
    ] = UNSET
    change_reason: Annotated[
        Maybe[str],
        Leaf("Why the worker changed.", source="SSD invo_worker_change_reason; SSDA903 SW_REASON"),
    ] = UNSET
