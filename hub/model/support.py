"""Early help, the child's voice, life events and consents."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET

from hub.model.leaf import Date, DateTime, Item, Leaf, Maybe
from hub.model.person import SHIELDED, Period


class EarlyHelp(Item, kw_only=True):
    """An early-help episode (SSD ssd_early_help_episodes)."""

    period: Annotated[
        Maybe[Period], Leaf("When it ran.", source="SSD earl_episode_start_date, earl_episode_end_date")
    ] = UNSET
    reason: Annotated[Maybe[str], Leaf("Why help was given.", source="SSD earl_episode_reason")] = UNSET
    end_reason: Annotated[Maybe[str], Leaf("Why it ended.", source="SSD earl_episode_end_reason")] = UNSET
    organisation: Annotated[
        Maybe[str], Leaf("Who gave it.", source="SSD earl_episode_organisation", guards=SHIELDED)
    ] = UNSET
    worker: Annotated[Maybe[str], Leaf("Allocated worker.", source="SSD earl_episode_worker_id")] = UNSET


class View(Item, kw_only=True):
    """What the child said (SSD ssd_voice_of_child)."""

    worries_explained: Annotated[
        Maybe[bool],
        Leaf("Someone explained why people are worried for the family.", source="SSD voch_explained_worries"),
    ] = UNSET
    story_helps: Annotated[
        Maybe[bool],
        Leaf("The story in words and pictures helps to understand.", source="SSD voch_story_help_understand"),
    ] = UNSET
    agrees: Annotated[
        Maybe[bool], Leaf("Agrees with what the worker says must happen.", source="SSD voch_agree_worker")
    ] = UNSET
    plan_safe: Annotated[
        Maybe[bool], Leaf("The plan tells everyone how to keep the child safe.", source="SSD voch_plan_safe")
    ] = UNSET
    tablet_helped: Annotated[
        Maybe[bool], Leaf("Writing or drawing on the tablet helped.", source="SSD voch_tablet_help_explain")
    ] = UNSET


class Event(Item, kw_only=True):
    """A life event: something that happened to the child (Person Standard PUB02 LifeEvent)."""

    kind: Annotated[
        Maybe[str],
        Leaf("Kind of event, such as ae-attendance or school-exclusion.", source="PUB02 LifeEvent; HL7 v2 event type"),
    ] = UNSET
    date: Annotated[Maybe[DateTime], Leaf("When it happened or began.", source="PUB02 LifeEvent; HL7 v2 PV1-44")] = (
        UNSET
    )
    end: Annotated[Maybe[DateTime], Leaf("When it ended.", source="HL7 v2 PV1-45")] = UNSET
    place: Annotated[
        Maybe[str], Leaf("Where.", source="HL7 v2 PV1-3; FHIR Encounter.location", guards=("shielded",))
    ] = UNSET
    note: Annotated[Maybe[str], Leaf("Remark of the source.", guards=SHIELDED)] = UNSET


class Consent(Item, kw_only=True):
    """A consent or refusal that reaches further than one service or form."""

    scope: Annotated[Maybe[str], Leaf("What it is about.", source="FHIR Consent.scope")] = UNSET
    given: Annotated[Maybe[bool], Leaf("Given, or refused.", source="FHIR Consent.provision.type")] = UNSET
    by: Annotated[Maybe[str], Leaf("Who gave it.", source="FHIR Consent.performer")] = UNSET
    basis: Annotated[Maybe[str], Leaf("On what ground, as recorded.", source="SI 2007/2182 regs 4 and 11")] = UNSET
    date: Annotated[Maybe[Date], Leaf("Day on which it was given or refused.", source="FHIR Consent.dateTime")] = UNSET
    period: Annotated[Maybe[Period], Leaf("When it holds.", source="FHIR Consent.provision.period")] = UNSET
    exceptions: Annotated[Maybe[str], Leaf("What it leaves out.", source="CAF consent statement")] = UNSET
