"""The common assessment (CAF): the national form's sections, and what local forms ask besides.

What is the assessment's own stands here. Who the child is stands in the person; parents and carers are relationships,
the lead professional and the services involvements. A family form is several records that share the id of the
assessment and that of the family.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET

from hub.model.leaf import Date, Item, Leaf, Maybe, Part


class CafAim(Item, kw_only=True):
    """One Every Child Matters outcome of the checklist."""

    aim: Annotated[Maybe[str], Leaf("Which outcome.", source="CAF pre-assessment checklist", codes="ecm_outcome")] = (
        UNSET
    )
    met: Annotated[
        Maybe[str],
        Leaf(
            "Whether the child seems to be progressing towards it.",
            source="CAF pre-assessment checklist",
            codes="yes_no_unsure",
        ),
    ] = UNSET
    comment: Annotated[Maybe[str], Leaf("Comment.", source="CAF pre-assessment checklist")] = UNSET


class CafChecklist(Part, kw_only=True):
    """The checklist before an assessment: is one needed?"""

    date: Annotated[Maybe[Date], Leaf("Day on which it was filled in.", source="CAF pre-assessment checklist")] = UNSET
    by: Annotated[Maybe[str], Leaf("Who filled it in.", source="CAF pre-assessment checklist")] = UNSET
    aims: Annotated[Maybe[list[CafAim]], Leaf("Outcome by outcome.", source="CAF pre-assessment checklist")] = UNSET
    needed: Annotated[Maybe[bool], Leaf("A common assessment is needed.", source="CAF pre-assessment checklist")] = (
        UNSET
    )
    comment: Annotated[Maybe[str], Leaf("Why, or what else is to be done.", source="CAF pre-assessment checklist")] = (
        UNSET
    )


class Present(Item, kw_only=True):
    """A person present at the assessment or at a review."""

    name: Annotated[Maybe[str], Leaf("Name.", source="CAF form: people present")] = UNSET
    role: Annotated[Maybe[str], Leaf("Relation to the child, or job.", source="CAF form: people present")] = UNSET


class CafAssessor(Item, kw_only=True):
    """A person who undertook the assessment."""

    name: Annotated[Maybe[str], Leaf("Name.", source="CAF form, person undertaking assessment")] = UNSET
    role: Annotated[Maybe[str], Leaf("Role.", source="CAF form, person undertaking assessment")] = UNSET
    organisation: Annotated[Maybe[str], Leaf("Organisation.", source="CAF form, person undertaking assessment")] = UNSET
    phone: Annotated[Maybe[str], Leaf("Telephone.", source="CAF form, person undertaking assessment")] = UNSET
    email: Annotated[Maybe[str], Leaf("E-mail address.", source="CAF form, person undertaking assessment")] = UNSET
    address: Annotated[Maybe[str], Leaf("Address, in one text.", source="CAF form, person undertaking assessment")] = (
        UNSET
    )


class CafElement(Item, kw_only=True):
    """What was found under one heading of the form."""

    element: Annotated[
        Maybe[str],
        Leaf(
            "Heading; one that only a local form has is kept in its own words.",
            source="CAF form, sections 1 to 3",
            codes="caf_element",
        ),
    ] = UNSET
    strengths: Annotated[
        Maybe[str],
        Leaf("Strengths found; what is working well.", source="CAF form, sections 1 to 3; Signs of Safety forms"),
    ] = UNSET
    needs: Annotated[
        Maybe[str],
        Leaf("Needs found; what people are worried about.", source="CAF form, sections 1 to 3; Signs of Safety forms"),
    ] = UNSET
    next_steps: Annotated[Maybe[str], Leaf("What needs to happen.", source="Signs of Safety forms")] = UNSET
    score: Annotated[
        Maybe[str],
        Leaf("Score on the form's own scale, as written.", source="local early-help forms; Signs of Safety forms"),
    ] = UNSET


class CafAction(Item, kw_only=True):
    """An agreed action of the delivery plan."""

    need: Annotated[Maybe[str], Leaf("The need it answers.", source="local early-help forms: plan")] = UNSET
    desired_outcome: Annotated[Maybe[str], Leaf("What it is to achieve.", source="CAF delivery plan")] = UNSET
    action: Annotated[Maybe[str], Leaf("What is to be done.", source="CAF form: agreed actions")] = UNSET
    who: Annotated[Maybe[str], Leaf("By whom.", source="CAF form: agreed actions")] = UNSET
    when: Annotated[Maybe[str], Leaf("By when, as written.", source="CAF form: agreed actions")] = UNSET
    aim: Annotated[
        Maybe[str], Leaf("The Every Child Matters outcome it serves.", source="CAF delivery plan", codes="ecm_outcome")
    ] = UNSET
    progress: Annotated[Maybe[str], Leaf("Progress and comments.", source="CAF delivery plan and review")] = UNSET
    completed: Annotated[Maybe[Date], Leaf("Day on which it was done.", source="local early-help forms: plan")] = UNSET


class CafReview(Item, kw_only=True):
    """A review of the delivery plan."""

    date: Annotated[Maybe[Date], Leaf("Day of the review.", source="CAF delivery plan and review")] = UNSET
    meeting_held: Annotated[
        Maybe[bool], Leaf("The team around the child met.", source="CAF review form (Croydon 2014)")
    ] = UNSET
    last_assessment: Annotated[
        Maybe[Date], Leaf("Day of the last assessment.", source="CAF review form (Croydon 2014)")
    ] = UNSET
    present: Annotated[Maybe[list[Present]], Leaf("People present.", source="CAF delivery plan and review")] = UNSET
    progress: Annotated[Maybe[str], Leaf("Progress and comments.", source="CAF delivery plan and review")] = UNSET
    next_steps: Annotated[Maybe[str], Leaf("Next steps.", source="CAF delivery plan and review")] = UNSET
    next_review: Annotated[
        Maybe[Date], Leaf("Day on which the plan is reviewed again.", source="CAF delivery plan and review")
    ] = UNSET
    child_comments: Annotated[Maybe[str], Leaf("The child's comments.", source="CAF delivery plan and review")] = UNSET
    parent_comments: Annotated[
        Maybe[str], Leaf("The parent's or carer's comments.", source="CAF delivery plan and review")
    ] = UNSET


class CafSignature(Item, kw_only=True):
    """A signature under the consent statement."""

    capacity: Annotated[
        Maybe[str],
        Leaf(
            "As what the person signed: child, parent or assessor.",
            source="CAF consent statement",
            codes="caf_signatory",
        ),
    ] = UNSET
    name: Annotated[Maybe[str], Leaf("Who signed.", source="CAF consent statement")] = UNSET
    date: Annotated[Maybe[Date], Leaf("Day of signing.", source="CAF consent statement")] = UNSET


class CafConsent(Part, kw_only=True):
    """The consent statement of the form."""

    store: Annotated[Maybe[bool], Leaf("The form may be stored.", source="CAF consent statement")] = UNSET
    share: Annotated[
        Maybe[bool], Leaf("It may be shared with other services.", source="CAF consent statement", critical=True)
    ] = UNSET
    share_with: Annotated[Maybe[list[str]], Leaf("Services it may be shared with.", source="CAF consent statement")] = (
        UNSET
    )
    exceptions: Annotated[
        Maybe[str],
        Leaf("Services it may not be shared with, and what else is left out.", source="CAF consent statement"),
    ] = UNSET
    signatures: Annotated[Maybe[list[CafSignature]], Leaf("Signatures.", source="CAF consent statement")] = UNSET


class CafAnswer(Item, kw_only=True):
    """What a local form asks and the national form does not: the heading and what stands under it."""

    about: Annotated[
        Maybe[str],
        Leaf(
            "Said of the child alone (`child`), in a form about several; unset: of all.",
            source="local CAF forms",
            codes="caf_about",
        ),
    ] = UNSET
    section: Annotated[Maybe[str], Leaf("Section of the form it stands in.", source="local CAF forms")] = UNSET
    heading: Annotated[Maybe[str], Leaf("Heading or question, in the form's words.", source="local CAF forms")] = UNSET
    text: Annotated[Maybe[str], Leaf("What stands there.", source="local CAF forms")] = UNSET


class Caf(Item, kw_only=True):
    """A common assessment. Its id is the form's unique reference number, one for all children of a family form."""

    form: Annotated[
        Maybe[str],
        Leaf("Which form: that of the national framework, or a local one's title.", source="CAF form, title"),
    ] = UNSET
    version: Annotated[Maybe[str], Leaf("Version number of the form.", source="CAF form, identifying details")] = UNSET
    started: Annotated[Maybe[Date], Leaf("Day the assessment started.", source="CAF form, identifying details")] = UNSET
    checklist: Annotated[
        Maybe[CafChecklist], Leaf("The checklist before it.", source="CAF pre-assessment checklist")
    ] = UNSET
    unborn_of: Annotated[
        Maybe[str], Leaf("Whose unborn baby it is about, as written.", source="CAF form, identifying details")
    ] = UNSET
    parent_language: Annotated[
        Maybe[str], Leaf("The parent's first language.", source="CAF form, identifying details")
    ] = UNSET
    interpreter_arranged: Annotated[
        Maybe[str],
        Leaf("Whether an interpreter or signer has been arranged, as written.", source="CAF form, identifying details"),
    ] = UNSET
    special_requirements: Annotated[
        Maybe[str], Leaf("Special requirements of child or parent.", source="CAF form, identifying details")
    ] = UNSET
    present: Annotated[Maybe[list[Present]], Leaf("People present.", source="CAF form, assessment information")] = UNSET
    reason: Annotated[
        Maybe[str], Leaf("What has led to this child being assessed.", source="CAF form, assessment information")
    ] = UNSET
    home_situation: Annotated[
        Maybe[str], Leaf("Current home and family situation.", source="CAF form, home and family situation")
    ] = UNSET
    assessors: Annotated[
        Maybe[list[CafAssessor]],
        Leaf("Who undertook the assessment.", source="CAF form, person undertaking assessment"),
    ] = UNSET
    contact: Annotated[
        Maybe[str],
        Leaf("Whom to ask about it, where only its existence is shared.", source="SI 2007/2182 Sch. 1 (CAF exists)"),
    ] = UNSET
    elements: Annotated[Maybe[list[CafElement]], Leaf("Findings by heading.", source="CAF form, sections 1 to 3")] = (
        UNSET
    )
    conclusions_strengths: Annotated[
        Maybe[str], Leaf("Conclusions: strengths.", source="CAF form, conclusions, solutions and actions")
    ] = UNSET
    conclusions_needs: Annotated[
        Maybe[str], Leaf("Conclusions: needs.", source="CAF form, conclusions, solutions and actions")
    ] = UNSET
    conclusions: Annotated[
        Maybe[str], Leaf("Conclusions, where strengths and needs are not parted.", source="local CAF forms")
    ] = UNSET
    actions: Annotated[Maybe[list[CafAction]], Leaf("Agreed actions.", source="CAF form: agreed actions")] = UNSET
    child_comments: Annotated[
        Maybe[str], Leaf("The child's comments.", source="CAF form, conclusions, solutions and actions")
    ] = UNSET
    parent_comments: Annotated[
        Maybe[str], Leaf("The parent's or carer's comments.", source="CAF form, conclusions, solutions and actions")
    ] = UNSET
    consent: Annotated[Maybe[CafConsent], Leaf("Consent to store and share.", source="CAF consent statement")] = UNSET
    reviews: Annotated[Maybe[list[CafReview]], Leaf("Reviews of the plan.", source="CAF delivery plan and review")] = (
        UNSET
    )
    closed: Annotated[Maybe[Date], Leaf("Day the CAF was closed.", source="CAF delivery plan and review")] = UNSET
    closure_reason: Annotated[Maybe[str], Leaf("Why closed.", source="CAF delivery plan and review")] = UNSET
    closure_child_comments: Annotated[
        Maybe[str], Leaf("The child's comments at closure.", source="CAF delivery plan and review")
    ] = UNSET
    closure_parent_comments: Annotated[
        Maybe[str], Leaf("The parent's or carer's comments at closure.", source="CAF delivery plan and review")
    ] = UNSET
    answers: Annotated[Maybe[list[CafAnswer]], Leaf("What a local form asks besides.", source="local CAF forms")] = (
        UNSET
    )
