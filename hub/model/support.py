"""Early help, the Common Assessment Framework (CAF), the child's voice, life events and consents.

The CAF follows the national form's sections; a family form is several records that share its ids.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET

from hub.model.leaf import Date, DateTime, Item, Leaf, Maybe, Part
from hub.model.person import Period
from hub.model.services import Professional


class EarlyHelp(Item, kw_only=True):
    """An early-help episode (SSD ssd_early_help_episodes)."""

    period: Annotated[
        Maybe[Period], Leaf("When it ran.", source="SSD earl_episode_start_date, earl_episode_end_date")
    ] = UNSET
    reason: Annotated[Maybe[str], Leaf("Why help was given.", source="SSD earl_episode_reason")] = UNSET
    end_reason: Annotated[Maybe[str], Leaf("Why it ended.", source="SSD earl_episode_end_reason")] = UNSET
    organisation: Annotated[Maybe[str], Leaf("Who gave it.", source="SSD earl_episode_organisation")] = UNSET
    worker: Annotated[Maybe[str], Leaf("Allocated worker.", source="SSD earl_episode_worker_id")] = UNSET


class Present(Item, kw_only=True):
    """A person present at the assessment."""

    name: Annotated[Maybe[str], Leaf("Name.", source="CAF form: people present")] = UNSET
    role: Annotated[Maybe[str], Leaf("Relation to the child, or job.", source="CAF form: people present")] = UNSET


class CafElement(Item, kw_only=True):
    """What was found under one heading of the form."""

    element: Annotated[Maybe[str], Leaf("Heading.", codes="caf_element", source="CAF form, sections 1 to 3")] = UNSET
    strengths: Annotated[Maybe[str], Leaf("Strengths found.", source="CAF form, sections 1 to 3")] = UNSET
    needs: Annotated[Maybe[str], Leaf("Needs found.", source="CAF form, sections 1 to 3")] = UNSET


class CafAction(Item, kw_only=True):
    """An agreed action of the delivery plan."""

    desired_outcome: Annotated[Maybe[str], Leaf("What it is to achieve.", source="CAF delivery plan")] = UNSET
    action: Annotated[Maybe[str], Leaf("What is to be done.", source="CAF form: agreed actions")] = UNSET
    who: Annotated[Maybe[str], Leaf("By whom.", source="CAF form: agreed actions")] = UNSET
    when: Annotated[Maybe[str], Leaf("By when, as written.", source="CAF form: agreed actions")] = UNSET


class CafReview(Item, kw_only=True):
    """A review of the delivery plan."""

    date: Annotated[Maybe[Date], Leaf("Day of the review.", source="CAF delivery plan and review")] = UNSET
    progress: Annotated[Maybe[str], Leaf("Progress and comments.", source="CAF delivery plan and review")] = UNSET
    next_steps: Annotated[Maybe[str], Leaf("Next steps.", source="CAF delivery plan and review")] = UNSET
    closed: Annotated[Maybe[Date], Leaf("Day the CAF was closed.", source="CAF delivery plan and review")] = UNSET
    closure_reason: Annotated[Maybe[str], Leaf("Why closed.", source="CAF delivery plan and review")] = UNSET
    child_comments: Annotated[Maybe[str], Leaf("The child's comments.", source="CAF delivery plan and review")] = UNSET
    parent_comments: Annotated[
        Maybe[str], Leaf("The parent's or carer's comments.", source="CAF delivery plan and review")
    ] = UNSET


class CafConsent(Part, kw_only=True):
    """The consent statement of the form."""

    store: Annotated[Maybe[bool], Leaf("The form may be stored.", source="CAF consent statement")] = UNSET
    share: Annotated[
        Maybe[bool], Leaf("It may be shared with other services.", source="CAF consent statement", critical=True)
    ] = UNSET
    exceptions: Annotated[Maybe[str], Leaf("Services it may not be shared with.", source="CAF consent statement")] = (
        UNSET
    )
    signed_by: Annotated[Maybe[str], Leaf("Who signed.", source="CAF consent statement")] = UNSET
    date: Annotated[Maybe[Date], Leaf("Day of signing.", source="CAF consent statement")] = UNSET


class Caf(Item, kw_only=True):
    """A common assessment."""

    started: Annotated[Maybe[Date], Leaf("Day the assessment started.", source="CAF form, identifying details")] = UNSET
    version: Annotated[Maybe[str], Leaf("Version number of the form.", source="CAF form, identifying details")] = UNSET
    reason: Annotated[
        Maybe[str],
        Leaf("What has led to this child being assessed.", source="CAF form, assessment information"),
    ] = UNSET
    home_situation: Annotated[
        Maybe[str], Leaf("Current home and family situation.", source="CAF form, home and family situation")
    ] = UNSET
    conclusions_strengths: Annotated[
        Maybe[str], Leaf("Conclusions: strengths.", source="CAF form, conclusions, solutions and actions")
    ] = UNSET
    conclusions_needs: Annotated[
        Maybe[str], Leaf("Conclusions: needs.", source="CAF form, conclusions, solutions and actions")
    ] = UNSET
    child_comments: Annotated[
        Maybe[str], Leaf("The child's comments.", source="CAF form, conclusions, solutions and actions")
    ] = UNSET
    parent_comments: Annotated[
        Maybe[str], Leaf("The parent's or carer's comments.", source="CAF form, conclusions, solutions and actions")
    ] = UNSET
    practitioner: Annotated[
        Maybe[Professional], Leaf("Who undertook the assessment.", source="CAF form, person undertaking assessment")
    ] = UNSET
    lead: Annotated[Maybe[Professional], Leaf("Lead professional.", source="CAF form, lead professional")] = UNSET
    contact: Annotated[
        Maybe[str],
        Leaf("Whom to ask about it, where only its existence is shared.", source="SI 2007/2182 Sch. 1 (CAF exists)"),
    ] = UNSET
    present: Annotated[Maybe[list[Present]], Leaf("People present.", source="CAF form, assessment information")] = UNSET
    elements: Annotated[Maybe[list[CafElement]], Leaf("Findings by heading.", source="CAF form, sections 1 to 3")] = (
        UNSET
    )
    actions: Annotated[Maybe[list[CafAction]], Leaf("Agreed actions.", source="CAF form, agreed actions")] = UNSET
    reviews: Annotated[Maybe[list[CafReview]], Leaf("Reviews of the plan.", source="CAF delivery plan and review")] = (
        UNSET
    )
    consent: Annotated[Maybe[CafConsent], Leaf("Consent to store and share.", source="CAF consent statement")] = UNSET


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
    note: Annotated[Maybe[str], Leaf("Remark of the source.")] = UNSET


class Consent(Item, kw_only=True):
    """A consent or refusal that reaches further than one service or form."""

    scope: Annotated[Maybe[str], Leaf("What it is about.", source="FHIR Consent.scope")] = UNSET
    given: Annotated[Maybe[bool], Leaf("Given, or refused.", source="FHIR Consent.provision.type")] = UNSET
    by: Annotated[Maybe[str], Leaf("Who gave it.", source="FHIR Consent.performer")] = UNSET
    basis: Annotated[Maybe[str], Leaf("On what ground, as recorded.", source="SI 2007/2182 regs 4 and 11")] = UNSET
    date: Annotated[Maybe[Date], Leaf("Day on which it was given or refused.", source="FHIR Consent.dateTime")] = UNSET
    period: Annotated[Maybe[Period], Leaf("When it holds.", source="FHIR Consent.provision.period")] = UNSET
    exceptions: Annotated[Maybe[str], Leaf("What it leaves out.", source="CAF consent statement")] = UNSET
