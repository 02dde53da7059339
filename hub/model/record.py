"""The record itself: ChildRecord, where it came from, and what it takes the place of (Merge)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType

from hub.model.caf import Caf
from hub.model.care import Care
from hub.model.casework import Contact, Episode
from hub.model.family import Family, Relationship
from hub.model.leaf import DateTime, Extra, Leaf, Maybe, Part
from hub.model.person import Person
from hub.model.protection import Conference, PreProceedings, Visit
from hub.model.services import Involvement
from hub.model.support import Consent, EarlyHelp, Event, View
from hub.model.wellbeing import Education, Health


class Source(Part, kw_only=True):
    """Where a record came from and how much of the child it covers."""

    link: Annotated[Maybe[str], Leaf("Name of the link it came from.", source="hub.toml")] = UNSET
    id: Annotated[
        Maybe[str],
        Leaf(
            "The child's id in that system.", source="CIN LAchildID; SSD pers_person_id; SSDA903 CHILD", critical=True
        ),
    ] = UNSET
    as_of: Annotated[
        Maybe[DateTime], Leaf("Moment the source speaks of.", source="document header; SI 2007/2182 Sch. 1 para 20")
    ] = UNSET
    edition: Annotated[Maybe[str], Leaf("Version of the format, seen from the record's shape.")] = UNSET
    purged: Annotated[
        Maybe[bool],
        Leaf("The source asks that all of the record be deleted.", source="DfE API purge", critical=True),
    ] = UNSET
    partial: Annotated[
        Maybe[list[str]],
        Leaf("Lists of which the source shows only some items, such as `episodes[].plans`; others set are whole."),
    ] = UNSET


class Merge(Part, kw_only=True):
    """Two records of one source are the same child; the record that says so is that of the survivor."""

    superseded: Annotated[
        Maybe[str],
        Leaf(
            "Id, in that source, of the record that goes.", source="HL7 v2 A40 MRG-1; FHIR Patient.link", critical=True
        ),
    ] = UNSET


class ChildRecord(Part, kw_only=True):
    """All that one source says of one child, or all the hub has of the child."""

    source: Annotated[Maybe[Source], Leaf("Where it came from.")] = UNSET
    merge: Annotated[
        Maybe[Merge], Leaf("Another record of the source that was found to be of the same child.", source="HL7 v2 A40")
    ] = UNSET
    person: Annotated[Maybe[Person], Leaf("Who the child is.", source="Person Standard PUB01; SSD ssd_person")] = UNSET
    relationships: Annotated[
        Maybe[list[Relationship]],
        Leaf("People around the child.", source="SI 2007/2182 Sch. 1 para 6; SSD ssd_mother"),
    ] = UNSET
    families: Annotated[Maybe[list[Family]], Leaf("Families the child belongs to.", source="SSD ssd_family")] = UNSET
    education: Annotated[Maybe[Education], Leaf("Education.", source="SI 2007/2182 Sch. 1 para 7; SSD ssd_send")] = (
        UNSET
    )
    health: Annotated[Maybe[Health], Leaf("Health.", source="SI 2007/2182 Sch. 1 para 8; SSDA903 OC2")] = UNSET
    contacts: Annotated[
        Maybe[list[Contact]], Leaf("Contacts before referral.", source="Annex A list 1; SSD ssd_contacts")
    ] = UNSET
    involvements: Annotated[
        Maybe[list[Involvement]],
        Leaf("Who works or worked with the child.", source="SI 2007/2182 Sch. 1 para 8; SSD ssd_involvements"),
    ] = UNSET
    episodes: Annotated[
        Maybe[list[Episode]], Leaf("Social-care episodes.", source="CIN CINdetails; SSD ssd_cin_episodes")
    ] = UNSET
    conferences: Annotated[
        Maybe[list[Conference]],
        Leaf("Initial child protection conferences.", source="SSD ssd_initial_cp_conference"),
    ] = UNSET
    visits: Annotated[
        Maybe[list[Visit]],
        Leaf("Visits to the child.", source="SSD ssd_cin_visits, ssd_cp_visits, ssd_cla_visits", guards=("shielded",)),
    ] = UNSET
    pre_proceedings: Annotated[
        Maybe[list[PreProceedings]],
        Leaf("Pre-proceedings.", source="CIN PreProceedingsandFGDM; SSD ssd_pre_proceedings"),
    ] = UNSET
    care: Annotated[Maybe[Care], Leaf("The child looked after.", source="SSDA903; SSD ssd_cla_episodes")] = UNSET
    early_help: Annotated[
        Maybe[list[EarlyHelp]], Leaf("Early-help episodes.", source="Annex A list 2; SSD ssd_early_help_episodes")
    ] = UNSET
    caf: Annotated[
        Maybe[list[Caf]],
        Leaf("Common assessments.", source="CAF form", guards=("no_consent_to_share",)),
    ] = UNSET
    views: Annotated[Maybe[list[View]], Leaf("The child's own views.", source="SSD ssd_voice_of_child")] = UNSET
    events: Annotated[Maybe[list[Event]], Leaf("Life events.", source="PUB02 LifeEvent")] = UNSET
    consents: Annotated[Maybe[list[Consent]], Leaf("Consents of wider reach.", source="FHIR Consent")] = UNSET
    extras: dict[str, Extra] | UnsetType = UNSET
