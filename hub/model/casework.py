"""Social-care casework: contacts, and episodes from referral to closure with what nests in them everywhere.

Sources: CIN census elements and SSD fields, as each leaf says.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET

from hub.model.leaf import Date, Item, Leaf, Maybe, Part
from hub.model.person import SHIELDED, Period


class Contact(Item, kw_only=True):
    """A first contact with the council about the child, before any referral (SSD ssd_contacts)."""

    date: Annotated[Maybe[Date], Leaf("Day of the contact.", source="SSD cont_contact_date; Annex A list 1")] = UNSET
    source: Annotated[
        Maybe[str],
        Leaf("Who made contact, in the source's code: products mix codes here.", source="SSD cont_contact_source_code"),
    ] = UNSET
    source_text: Annotated[
        Maybe[str], Leaf("Who made contact, in words.", source="SSD cont_contact_source_desc", guards=SHIELDED)
    ] = UNSET
    outcomes: Annotated[
        Maybe[list[str]],
        Leaf("What followed.", codes="contact_outcome", source="SSD cont_contact_outcome_json flags"),
    ] = UNSET
    comments: Annotated[
        Maybe[str], Leaf("Remarks on the outcome.", source="SSD cont_contact_outcome_json COMMENTS", guards=SHIELDED)
    ] = UNSET


class Referral(Part, kw_only=True):
    """The referral that opened the episode."""

    date: Annotated[Maybe[Date], Leaf("Day of the referral.", source="CIN CINreferralDate; SSD cine_referral_date")] = (
        UNSET
    )
    source: Annotated[
        Maybe[str],
        Leaf("Who referred.", codes="referral_source", source="CIN ReferralSource; SSD cine_referral_source_code"),
    ] = UNSET
    source_text: Annotated[
        Maybe[str], Leaf("Who referred, in words.", source="SSD cine_referral_source_desc", guards=SHIELDED)
    ] = UNSET
    need: Annotated[
        Maybe[str],
        Leaf("Primary need.", codes="primary_need", source="CIN PrimaryNeedCode; SSD cine_cin_primary_need_code"),
    ] = UNSET
    nfa: Annotated[
        Maybe[bool],
        Leaf("The referral led to no further action.", source="CIN ReferralNFA; SSD cine_referral_nfa"),
    ] = UNSET
    outcomes: Annotated[
        Maybe[list[str]],
        Leaf("What followed.", codes="referral_outcome", source="SSD cine_referral_outcome_json flags"),
    ] = UNSET
    comments: Annotated[
        Maybe[str], Leaf("Remarks on the outcome.", source="SSD cine_referral_outcome_json COMMENTS", guards=SHIELDED)
    ] = UNSET
    team: Annotated[Maybe[str], Leaf("Team that handled it.", source="SSD cine_referral_team", guards=SHIELDED)] = UNSET
    worker: Annotated[Maybe[str], Leaf("Worker who handled it.", source="SSD cine_referral_worker_id")] = UNSET


class Closure(Part, kw_only=True):
    """The end of the episode."""

    date: Annotated[
        Maybe[Date], Leaf("Day on which the case closed.", source="CIN CINclosureDate; SSD cine_close_date")
    ] = UNSET
    reason: Annotated[
        Maybe[str],
        Leaf("Why it closed.", codes="closure_reason", source="CIN ReasonForClosure; SSD cine_close_reason"),
    ] = UNSET


class Assessment(Item, kw_only=True):
    """A child and family assessment under section 17 (SSD ssd_cin_assessments)."""

    start: Annotated[
        Maybe[Date],
        Leaf("Day it began.", source="CIN AssessmentActualStartDate; SSD cina_assessment_start_date"),
    ] = UNSET
    review: Annotated[
        Maybe[Date], Leaf("Day of the internal review point.", source="CIN AssessmentInternalReviewDate")
    ] = UNSET
    authorised: Annotated[
        Maybe[Date],
        Leaf("Day it was authorised.", source="CIN AssessmentAuthorisationDate; SSD cina_assessment_auth_date"),
    ] = UNSET
    factors: Annotated[
        Maybe[list[str]],
        Leaf(
            "Factors identified at the end of the assessment.",
            codes="assessment_factor",
            source="CIN AssessmentFactors; SSD cinf_assessment_factors_json",
        ),
    ] = UNSET
    factors_id: Annotated[
        Maybe[str], Leaf("Id of the separate row that holds the factors.", source="SSD cinf_table_id")
    ] = UNSET
    child_seen: Annotated[
        Maybe[bool], Leaf("The child was seen during it.", source="SSD cina_assessment_child_seen; Annex A list 4")
    ] = UNSET
    outcomes: Annotated[
        Maybe[list[str]],
        Leaf("What followed.", codes="assessment_outcome", source="SSD cina_assessment_outcome_json flags"),
    ] = UNSET
    comments: Annotated[
        Maybe[str], Leaf("Remarks on the outcome.", source="SSD cina_assessment_outcome_json COMMENTS", guards=SHIELDED)
    ] = UNSET
    nfa: Annotated[Maybe[bool], Leaf("It led to no further action.", source="SSD cina_assessment_outcome_nfa")] = UNSET
    team: Annotated[Maybe[str], Leaf("Team that completed it.", source="SSD cina_assessment_team", guards=SHIELDED)] = (
        UNSET
    )
    worker: Annotated[Maybe[str], Leaf("Worker who completed it.", source="SSD cina_assessment_worker_id")] = UNSET


class Enquiry(Item, kw_only=True):
    """A child protection enquiry under section 47 (SSD ssd_s47_enquiry)."""

    start: Annotated[
        Maybe[Date],
        Leaf("Day of the strategy discussion that began it.", source="CIN S47ActualStartDate; SSD s47e_s47_start_date"),
    ] = UNSET
    end: Annotated[Maybe[Date], Leaf("Day it ended.", source="SSD s47e_s47_end_date")] = UNSET
    nfa: Annotated[Maybe[bool], Leaf("It led to no further action.", source="SSD s47e_s47_nfa")] = UNSET
    conference_required: Annotated[
        Maybe[bool],
        Leaf(
            "An initial child protection conference is needed.",
            source="CIN ICPCnotRequired, which says the opposite; DfE API icpc_required_flag",
        ),
    ] = UNSET
    outcomes: Annotated[
        Maybe[list[str]],
        Leaf("What followed.", codes="enquiry_outcome", source="SSD s47e_s47_outcome_json flags"),
    ] = UNSET
    comments: Annotated[
        Maybe[str],
        Leaf("Remarks on the outcome.", source="SSD s47e_s47_outcome_json OUTCOME_COMMENTS", guards=SHIELDED),
    ] = UNSET
    team: Annotated[
        Maybe[str], Leaf("Team that completed it.", source="SSD s47e_s47_completed_by_team", guards=SHIELDED)
    ] = UNSET
    worker: Annotated[Maybe[str], Leaf("Worker who completed it.", source="SSD s47e_s47_completed_by_worker_id")] = (
        UNSET
    )


class PlanReview(Item, kw_only=True):
    """A review of a child protection plan (SSD ssd_cp_reviews)."""

    due: Annotated[Maybe[Date], Leaf("Day by which it is due.", source="SSD cppr_cp_review_due")] = UNSET
    date: Annotated[Maybe[Date], Leaf("Day it was held.", source="CIN CPPreviewDate; SSD cppr_cp_review_date")] = UNSET
    meeting: Annotated[Maybe[str], Leaf("Id of the meeting.", source="SSD cppr_cp_review_meeting_id")] = UNSET
    continued: Annotated[Maybe[bool], Leaf("The plan goes on.", source="SSD cppr_cp_review_outcome_continue_cp")] = (
        UNSET
    )
    quorate: Annotated[
        Maybe[str], Leaf("Whether enough agencies were there, as recorded.", source="SSD cppr_cp_review_quorate")
    ] = UNSET
    participation: Annotated[
        Maybe[str], Leaf("How the child took part, as recorded.", source="SSD cppr_cp_review_participation")
    ] = UNSET


class Plan(Item, kw_only=True):
    """A child in need plan or a child protection plan."""

    kind: Annotated[
        Maybe[str],
        Leaf(
            "Child in need or child protection.",
            codes="plan_kind",
            source="CIN CINPlanDates and ChildProtectionPlans; SSD ssd_cin_plans and ssd_cp_plans",
            critical=True,
        ),
    ] = UNSET
    period: Annotated[
        Maybe[Period],
        Leaf(
            "When it was in force.",
            source="CIN CINPlanStartDate, CINPlanEndDate, CPPstartDate, CPPendDate; SSD cinp_…, cppl_…",
        ),
    ] = UNSET
    initial_category: Annotated[
        Maybe[str],
        Leaf(
            "Category of abuse when the plan began.",
            codes="abuse_category",
            source="CIN InitialCategoryOfAbuse; SSD cppl_cp_plan_initial_category",
        ),
    ] = UNSET
    latest_category: Annotated[
        Maybe[str],
        Leaf(
            "Category of abuse now, or when the plan ended.",
            codes="abuse_category",
            source="CIN LatestCategoryOfAbuse; SSD cppl_cp_plan_latest_category",
        ),
    ] = UNSET
    initial_category_text: Annotated[
        Maybe[str], Leaf("The source's own words for the first category.", source="SSD cppl_cp_plan_initial_category")
    ] = UNSET
    latest_category_text: Annotated[
        Maybe[str], Leaf("The source's own words for the latest category.", source="SSD cppl_cp_plan_latest_category")
    ] = UNSET
    previous: Annotated[
        Maybe[int], Leaf("Child protection plans the child had before.", source="CIN NumberOfPreviousCPP")
    ] = UNSET
    other_authority: Annotated[Maybe[bool], Leaf("The plan is another authority's.", source="SSD cppl_cp_plan_ola")] = (
        UNSET
    )
    conference: Annotated[
        Maybe[str],
        Leaf("The conference that made it.", source="SSD cppl_icpc_id", refers="conferences"),
    ] = UNSET
    team: Annotated[Maybe[str], Leaf("Team that holds it.", source="SSD cinp_cin_plan_team", guards=SHIELDED)] = UNSET
    worker: Annotated[Maybe[str], Leaf("Worker who holds it.", source="SSD cinp_cin_plan_worker_id")] = UNSET
    reviews: Annotated[
        Maybe[list[PlanReview]], Leaf("Reviews of the plan.", source="CIN Reviews; SSD ssd_cp_reviews")
    ] = UNSET


class Episode(Item, kw_only=True):
    """A social-care episode: from a referral to its closure (CIN CINdetails, SSD ssd_cin_episodes)."""

    referral: Annotated[Maybe[Referral], Leaf("The referral that opened it.", source="CIN CINdetails")] = UNSET
    closure: Annotated[Maybe[Closure], Leaf("How it ended.", source="CIN CINclosureDate, ReasonForClosure")] = UNSET
    assessments: Annotated[
        Maybe[list[Assessment]], Leaf("Assessments in it.", source="CIN Assessments; SSD ssd_cin_assessments")
    ] = UNSET
    enquiries: Annotated[
        Maybe[list[Enquiry]], Leaf("Section 47 enquiries in it.", source="CIN Section47; SSD ssd_s47_enquiry")
    ] = UNSET
    plans: Annotated[
        Maybe[list[Plan]],
        Leaf(
            "Plans in it, of both kinds.",
            source="CIN CINPlanDates, ChildProtectionPlans; SSD ssd_cin_plans, ssd_cp_plans",
        ),
    ] = UNSET
