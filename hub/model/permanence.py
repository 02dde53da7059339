"""What becomes of a looked-after child: permanence, care plans, leaving care, and convictions.

Sources: SSDA903 files AD1, PlacedAdoption, PrevPerm, OC2 and OC3, and SSD, as each leaf says.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET

from hub.model.leaf import Date, Item, Leaf, Maybe
from hub.model.person import SHIELDED, Period


class Permanence(Item, kw_only=True):
    """The way to adoption or another permanence order (SSD ssd_permanence; SSDA903 AD1 and PlacedAdoption)."""

    referral: Annotated[
        Maybe[str], Leaf("The social-care episode it belongs to.", source="DfE API adoption", refers="episodes")
    ] = UNSET
    period_of_care: Annotated[Maybe[str], Leaf("Id of the period of care.", source="SSD perm_cla_id")] = UNSET
    decided: Annotated[
        Maybe[Date],
        Leaf(
            "Day of the agency's decision that the child should be placed for adoption.",
            source="SSDA903 DATE_INT; SSD perm_adm_decision_date; DfE API initial_decision_date",
        ),
    ] = UNSET
    ffa_decided: Annotated[
        Maybe[Date],
        Leaf("Day of the decision for fostering for adoption.", source="SSD perm_ffa_cp_decision_date"),
    ] = UNSET
    placement_order: Annotated[
        Maybe[Date], Leaf("Day of the placement or freeing order.", source="SSD perm_placement_order_date")
    ] = UNSET
    matched: Annotated[
        Maybe[Date],
        Leaf("Day the child was matched to adopters.", source="SSDA903 DATE_MATCH; SSD perm_matched_date"),
    ] = UNSET
    placed: Annotated[
        Maybe[Date],
        Leaf("Day the child was placed.", source="SSDA903 DATE_PLACED; SSD perm_placed_for_adoption_date"),
    ] = UNSET
    ffa_placed: Annotated[
        Maybe[Date], Leaf("Day of the fostering-for-adoption placement.", source="SSD perm_placed_ffa_cp_date")
    ] = UNSET
    by_carer: Annotated[
        Maybe[bool],
        Leaf("Adopted by the former foster carer.", source="SSDA903 FOSTER_CARE; SSD perm_adopted_by_carer_flag"),
    ] = UNSET
    reversed: Annotated[
        Maybe[Date],
        Leaf(
            "Day it was decided not to place after all.",
            source="SSDA903 DATE_PLACED_CEASED; SSD perm_decision_reversed_date",
        ),
    ] = UNSET
    reversed_reason: Annotated[
        Maybe[str],
        Leaf("Why not (RD1 to RD4).", source="SSDA903 REASON_PLACED_CEASED; SSD perm_decision_reversed_reason"),
    ] = UNSET
    with_carer_since: Annotated[
        Maybe[Date],
        Leaf("Day first placed with the carer who adopted.", source="SSD perm_placed_foster_carer_date"),
    ] = UNSET
    sibling_group: Annotated[
        Maybe[bool], Leaf("The child is one of a sibling group.", source="SSD perm_part_of_sibling_group")
    ] = UNSET
    siblings_together: Annotated[
        Maybe[int],
        Leaf("Children of the group placed together, this one included.", source="SSD perm_siblings_placed_together"),
    ] = UNSET
    siblings_apart: Annotated[
        Maybe[int], Leaf("Siblings placed elsewhere.", source="SSD perm_siblings_placed_apart")
    ] = UNSET
    provider_urn: Annotated[
        Maybe[str],
        Leaf("Ofsted's number of the agency.", source="SSD perm_placement_provider_urn", guards=SHIELDED),
    ] = UNSET
    order_date: Annotated[
        Maybe[Date], Leaf("Day of the permanence order.", source="SSD perm_permanence_order_date")
    ] = UNSET
    order_kind: Annotated[Maybe[str], Leaf("Kind of order.", source="SSD perm_permanence_order_type")] = UNSET
    worker: Annotated[Maybe[str], Leaf("Adoption social worker.", source="SSD perm_adoption_worker_id")] = UNSET
    adopter_sex: Annotated[
        Maybe[str],
        Leaf("Sex of the adopters (M1 F1 MM FF MF).", source="SSDA903 SEX_ADOPTR; SSD perm_adopter_sex"),
    ] = UNSET
    adopter_status: Annotated[
        Maybe[str],
        Leaf("Legal status of the adopters.", source="SSDA903 LS_ADOPTR; SSD perm_adopter_legal_status"),
    ] = UNSET
    adopters: Annotated[
        Maybe[str], Leaf("Number of adopters.", source="SSDA903 NB_ADOPTR; SSD perm_number_of_adopters")
    ] = UNSET


class PreviousPermanence(Item, kw_only=True):
    """A permanence order the child had before entering care (SSDA903 PrevPerm)."""

    date: Annotated[
        Maybe[str],
        Leaf(
            "Day of the order as recorded, which may be partial (`zz/05/2019`).",
            source="SSDA903 DATE_PERM; SSD lapp_previous_permanence_order_date",
        ),
    ] = UNSET
    option: Annotated[
        Maybe[str],
        Leaf(
            "Kind of order (P1 to P4, Z1: not the placement codes).",
            source="SSDA903 PREV_PERM; SSD lapp_previous_permanence_option",
        ),
    ] = UNSET
    authority: Annotated[
        Maybe[str],
        Leaf("Authority that arranged it.", source="SSDA903 LA_PERM; SSD lapp_previous_permanence_la"),
    ] = UNSET


class CarePlan(Item, kw_only=True):
    """A care plan and the permanence it aims at (SSD ssd_cla_care_plan)."""

    period: Annotated[
        Maybe[Period],
        Leaf("When it was in force.", source="SSD lacp_cla_care_plan_start_date, lacp_cla_care_plan_end_date"),
    ] = UNSET
    permanence: Annotated[
        Maybe[list[str]],
        Leaf("Permanence aimed at.", codes="care_plan", source="SSD lacp_cla_care_plan_json keys"),
    ] = UNSET


class Leaving(Item, kw_only=True):
    """A care leaver's situation (SSD ssd_care_leavers; SSDA903 OC3)."""

    referral: Annotated[
        Maybe[str], Leaf("The social-care episode it belongs to.", source="DfE API care_leavers", refers="episodes")
    ] = UNSET
    eligibility: Annotated[
        Maybe[str], Leaf("Eligibility category.", source="SSD clea_care_leaver_eligibility; Annex A list 9")
    ] = UNSET
    in_touch: Annotated[
        Maybe[str],
        Leaf(
            "Whether the council is in touch (YES NO DIED REFU NREQ RHOM).",
            source="SSDA903 IN_TOUCH; SSD clea_care_leaver_in_touch",
        ),
    ] = UNSET
    contact_date: Annotated[
        Maybe[Date],
        Leaf("Last contact.", source="SSD clea_care_leaver_latest_contact; DfE API contact_date"),
    ] = UNSET
    accommodation: Annotated[
        Maybe[str],
        Leaf(
            "Kind of accommodation: one letter in the DfE API, with the suitability digit in the SSDA903.",
            source="SSDA903 ACCOM; SSD clea_care_leaver_accommodation",
        ),
    ] = UNSET
    suitable: Annotated[
        Maybe[str], Leaf("Whether it is suitable, as recorded.", source="SSD clea_care_leaver_accom_suitable")
    ] = UNSET
    activity: Annotated[
        Maybe[str],
        Leaf("Main activity (F1 to G6, 0).", source="SSDA903 ACTIV; SSD clea_care_leaver_activity"),
    ] = UNSET
    review_date: Annotated[
        Maybe[Date], Leaf("Last review of the pathway plan.", source="SSD clea_pathway_plan_review_date")
    ] = UNSET
    advisor: Annotated[Maybe[str], Leaf("Personal adviser.", source="SSD clea_care_leaver_personal_advisor")] = UNSET
    team: Annotated[
        Maybe[str], Leaf("Allocated team.", source="SSD clea_care_leaver_allocated_team", guards=SHIELDED)
    ] = UNSET
    worker: Annotated[Maybe[str], Leaf("Allocated worker.", source="SSD clea_care_leaver_worker_id")] = UNSET


class Conviction(Item, kw_only=True):
    """An offence of the looked-after child (SSD ssd_cla_convictions)."""

    date: Annotated[
        Maybe[Date], Leaf("Day of the offence.", source="SSD clac_cla_conviction_date; SSDA903 CONVICTED")
    ] = UNSET
    offence: Annotated[Maybe[str], Leaf("What it was.", source="SSD clac_cla_conviction_offence")] = UNSET
