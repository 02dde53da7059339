"""Conferences, visits and pre-proceedings: they stand beside the episodes and refer to them.

Products nest them differently, so the record keeps them flat. Sources: CIN census and SSD, as each leaf says.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET

from hub.model.leaf import Date, Item, Leaf, Maybe
from hub.model.person import SHIELDED


class Conference(Item, kw_only=True):
    """An initial child protection conference (SSD ssd_initial_cp_conference)."""

    episode: Annotated[
        Maybe[str], Leaf("The episode it belongs to.", source="SSD icpc_referral_id", refers="episodes")
    ] = UNSET
    enquiry: Annotated[
        Maybe[str],
        Leaf("The enquiry that led to it.", source="SSD icpc_s47_enquiry_id", refers="episodes[].enquiries"),
    ] = UNSET
    plan: Annotated[Maybe[str], Leaf("The plan it made.", source="SSD icpc_cp_plan_id", refers="episodes[].plans")] = (
        UNSET
    )
    meeting: Annotated[Maybe[str], Leaf("Id of the meeting.", source="SSD icpc_icpc_meeting_id")] = UNSET
    transferred_in: Annotated[
        Maybe[bool], Leaf("The case came from another authority.", source="SSD icpc_icpc_transfer_in")
    ] = UNSET
    target: Annotated[
        Maybe[Date], Leaf("Day by which it had to be held.", source="CIN InitialCPCtarget; SSD icpc_icpc_target_date")
    ] = UNSET
    date: Annotated[
        Maybe[Date], Leaf("Day it was held.", source="CIN Section47/DateOfInitialCPC; SSD icpc_icpc_date")
    ] = UNSET
    plan_made: Annotated[
        Maybe[bool], Leaf("It made a child protection plan.", source="SSD icpc_icpc_outcome_cp_flag; Annex A list 5")
    ] = UNSET
    outcomes: Annotated[
        Maybe[list[str]],
        Leaf("What followed.", codes="conference_outcome", source="SSD icpc_icpc_outcome_json flags"),
    ] = UNSET
    comments: Annotated[
        Maybe[str], Leaf("Remarks on the outcome.", source="SSD icpc_icpc_outcome_json COMMENTS", guards=SHIELDED)
    ] = UNSET
    team: Annotated[Maybe[str], Leaf("Team that completed it.", source="SSD icpc_icpc_team", guards=SHIELDED)] = UNSET
    worker: Annotated[Maybe[str], Leaf("Worker who completed it.", source="SSD icpc_icpc_worker_id")] = UNSET


class Visit(Item, kw_only=True):
    """A social worker's visit to the child (SSD ssd_cin_visits, ssd_cp_visits, ssd_cla_visits)."""

    kind: Annotated[
        Maybe[str],
        Leaf(
            "Child in need, child protection or looked after.",
            codes="visit_kind",
            source="SSD ssd_cin_visits, ssd_cp_visits, ssd_cla_visits",
            critical=True,
        ),
    ] = UNSET
    date: Annotated[
        Maybe[Date],
        Leaf("Day of the visit.", source="SSD cinv_cin_visit_date, cppv_cp_visit_date, clav_cla_visit_date"),
    ] = UNSET
    seen: Annotated[
        Maybe[bool],
        Leaf("The child was seen.", source="SSD cinv_cin_visit_seen, cppv_cp_visit_seen, clav_cla_visit_seen"),
    ] = UNSET
    seen_alone: Annotated[
        Maybe[bool],
        Leaf("The child was seen alone.", source="SSD cinv_cin_visit_seen_alone, cppv_…, clav_…; Annex A list 7"),
    ] = UNSET
    bedroom_seen: Annotated[
        Maybe[bool],
        Leaf("The child's bedroom was seen.", source="SSD cinv_cin_visit_bedroom, cppv_cp_visit_bedroom"),
    ] = UNSET
    plan: Annotated[
        Maybe[str],
        Leaf("The plan the visit was made under.", source="SSD cppv_cp_plan_id", refers="episodes[].plans"),
    ] = UNSET
    care_period: Annotated[Maybe[str], Leaf("Id of the period of care it fell in.", source="SSD clav_cla_id")] = UNSET


class PreProceedings(Item, kw_only=True):
    """Public law pre-proceedings, the family group meeting, and the care proceedings that followed.

    Sources: SSD ssd_pre_proceedings and the CIN 2026 block PreProceedingsandFGDM.
    """

    episode: Annotated[Maybe[str], Leaf("The episode it belongs to.", source="CIN CINdetails", refers="episodes")] = (
        UNSET
    )
    family: Annotated[Maybe[str], Leaf("Id of the family in the proceedings.", source="SSD prep_plo_family_id")] = UNSET
    decided: Annotated[
        Maybe[Date],
        Leaf("Day it was decided to enter.", source="CIN PPStartDate; SSD prep_pre_pro_decision_date"),
    ] = UNSET
    letter_sent: Annotated[
        Maybe[Date],
        Leaf("Day the letter before proceedings was sent.", source="CIN LBPSentDate; SSD prep_pre_pro_letter_date"),
    ] = UNSET
    first_meeting: Annotated[
        Maybe[Date],
        Leaf("Day of the first meeting.", source="CIN InitialPPMeetingDate; SSD prep_initial_pre_pro_meeting_date"),
    ] = UNSET
    family_meeting_offered: Annotated[
        Maybe[bool], Leaf("A family group decision-making meeting was offered.", source="CIN FGDMMeetingOffer")
    ] = UNSET
    family_meeting_held: Annotated[
        Maybe[bool], Leaf("That family meeting took place.", source="CIN FGDMMeetingFac")
    ] = UNSET
    meetings: Annotated[
        Maybe[int],
        Leaf("Review meetings after the first.", source="CIN ReviewMeetingsCount; SSD prep_pre_pro_meetings_num"),
    ] = UNSET
    step_decision: Annotated[
        Maybe[Date],
        Leaf(
            "Day it was agreed to step down or to issue.",
            source="CIN StepDecisionDate; SSD prep_agree_stepdown_issue_date",
        ),
    ] = UNSET
    outcome: Annotated[
        Maybe[str], Leaf("How pre-proceedings ended.", source="CIN PPOutcome; SSD prep_pre_pro_outcome")
    ] = UNSET
    court_applied: Annotated[Maybe[Date], Leaf("Day of application to court.", source="CIN CourtAppDate")] = UNSET
    care_letter: Annotated[
        Maybe[Date],
        Leaf(
            "Day the letter to issue care proceedings was sent.",
            source="CIN LetterInitCPDate; SSD prep_care_pro_letter_date",
        ),
    ] = UNSET
    gateway_outcome: Annotated[
        Maybe[str], Leaf("Outcome of the legal gateway or panel.", source="SSD prep_legal_gateway_outcome")
    ] = UNSET
    plans_in_referral: Annotated[
        Maybe[int],
        Leaf("Child protection plans in this referral period.", source="SSD prep_cp_plans_referral_period"),
    ] = UNSET
    previous_periods: Annotated[
        Maybe[int], Leaf("Earlier periods of pre-proceedings.", source="SSD prep_prev_pre_proc_child")
    ] = UNSET
    previous_proceedings: Annotated[
        Maybe[int], Leaf("Earlier periods of care proceedings.", source="SSD prep_prev_care_proc_child")
    ] = UNSET
    parents_represented: Annotated[
        Maybe[str],
        Leaf("Parents had a lawyer during pre-proceedings.", source="SSD prep_pre_pro_parents_legal_rep"),
    ] = UNSET
    represented_at_issue: Annotated[
        Maybe[str],
        Leaf("Parents had a lawyer when proceedings were issued.", source="SSD prep_parents_legal_rep_point_of_issue"),
    ] = UNSET
    court_reference: Annotated[Maybe[str], Leaf("The court's reference number.", source="SSD prep_court_reference")] = (
        UNSET
    )
    hearings: Annotated[Maybe[int], Leaf("Court hearings held so far.", source="SSD prep_care_proc_court_hearings")] = (
        UNSET
    )
    short_notice: Annotated[
        Maybe[str], Leaf("Issued on a short notice application.", source="SSD prep_care_proc_short_notice")
    ] = UNSET
    short_notice_reason: Annotated[
        Maybe[str], Leaf("Why at short notice.", source="SSD prep_proc_short_notice_reason")
    ] = UNSET
    initial_plan_approved: Annotated[
        Maybe[str],
        Leaf("The initial hearing approved the council's plan.", source="SSD prep_la_inital_plan_approved"),
    ] = UNSET
    initial_plan: Annotated[
        Maybe[str], Leaf("The council's care plan at the initial hearing.", source="SSD prep_la_initial_care_plan")
    ] = UNSET
    final_plan_approved: Annotated[
        Maybe[str],
        Leaf("The final hearing approved the council's plan.", source="SSD prep_la_final_plan_approved"),
    ] = UNSET
    final_plan: Annotated[
        Maybe[str], Leaf("The council's care plan at the final hearing.", source="SSD prep_la_final_care_plan")
    ] = UNSET
