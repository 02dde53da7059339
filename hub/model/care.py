"""The child looked after: episodes of care, placements, reviews and missing episodes.

The unit is the national episode of care (one SSDA903 row); periods of care are derived from episodes.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET

from hub.model.leaf import Date, Decimal, Item, Leaf, Maybe, Part
from hub.model.permanence import CarePlan, Conviction, Leaving, Permanence, PreviousPermanence
from hub.model.person import SHIELDED, Period


class Placement(Part, kw_only=True):
    """Where the child is placed (SSD ssd_cla_placement)."""

    id: Annotated[
        Maybe[str],
        Leaf("Id of the placement in the source.", source="SSD clap_cla_placement_id, clae_cla_placement_id"),
    ] = UNSET
    kind: Annotated[
        Maybe[str],
        Leaf(
            "Kind of placement.",
            codes="placement",
            source="SSDA903 PLACE (PL in XML); SSD clap_cla_placement_type; DfE API placement_type",
        ),
    ] = UNSET
    kind_text: Annotated[
        Maybe[str], Leaf("The source's own word for the kind.", source="SSD clap_cla_placement_type")
    ] = UNSET
    provider: Annotated[
        Maybe[str],
        Leaf(
            "Kind of provider.",
            codes="placement_provider",
            source="SSDA903 PLACE_PROVIDER; SSD clap_cla_placement_provider",
        ),
    ] = UNSET
    provider_text: Annotated[
        Maybe[str],
        Leaf("The source's own word for the provider.", source="SSD clap_cla_placement_provider", guards=SHIELDED),
    ] = UNSET
    urn: Annotated[
        Maybe[str],
        Leaf(
            "Ofsted's number of the home or agency.", source="SSDA903 URN; SSD clap_cla_placement_urn", guards=SHIELDED
        ),
    ] = UNSET
    postcode: Annotated[
        Maybe[str],
        Leaf(
            "Postcode of the placement.",
            source="SSDA903 PL_POST; SSD clap_cla_placement_postcode",
            guards=SHIELDED,
        ),
    ] = UNSET
    home_postcode: Annotated[
        Maybe[str], Leaf("Postcode the child came from.", source="SSDA903 HOME_POST", guards=SHIELDED)
    ] = UNSET
    distance: Annotated[
        Maybe[Decimal], Leaf("Miles from home.", source="SSD clap_cla_placement_distance", guards=SHIELDED)
    ] = UNSET
    period: Annotated[
        Maybe[Period],
        Leaf("When it ran.", source="SSD clap_cla_placement_start_date, clap_cla_placement_end_date"),
    ] = UNSET
    change_reason: Annotated[
        Maybe[str],
        Leaf(
            "Why it ended.",
            codes="placement_change",
            source="SSDA903 REASON_PLACE_CHANGE; SSD clap_cla_placement_change_reason",
        ),
    ] = UNSET
    period_of_care: Annotated[Maybe[str], Leaf("Id of the period of care it belongs to.", source="SSD clap_cla_id")] = (
        UNSET
    )


class CareEpisode(Item, kw_only=True):
    """An episode of care: a stretch under one legal status in one placement (an SSDA903 episodes row)."""

    referral: Annotated[
        Maybe[str],
        Leaf("The social-care episode it belongs to.", source="SSD clae_referral_id", refers="episodes"),
    ] = UNSET
    period_of_care: Annotated[Maybe[str], Leaf("Id of the period of care it belongs to.", source="SSD clae_cla_id")] = (
        UNSET
    )
    start: Annotated[Maybe[Date], Leaf("First day.", source="SSDA903 DECOM; SSD clae_cla_episode_start_date")] = UNSET
    start_reason: Annotated[
        Maybe[str],
        Leaf("Why a new episode.", codes="care_start", source="SSDA903 RNE; SSD clae_cla_episode_start_reason"),
    ] = UNSET
    legal_status: Annotated[Maybe[str], Leaf("Legal status throughout.", codes="legal_status", source="SSDA903 LS")] = (
        UNSET
    )
    need: Annotated[
        Maybe[str],
        Leaf("Primary need.", codes="primary_need", source="SSDA903 CIN; SSD clae_cla_primary_need_code"),
    ] = UNSET
    end: Annotated[
        Maybe[Date], Leaf("Last day; none while it runs.", source="SSDA903 DEC; SSD clae_cla_episode_ceased_date")
    ] = UNSET
    end_reason: Annotated[
        Maybe[str],
        Leaf("Why it ended.", codes="care_end", source="SSDA903 REC; SSD clae_cla_episode_ceased_reason"),
    ] = UNSET
    placement: Annotated[
        Maybe[Placement], Leaf("Where the child was.", source="SSDA903 PLACE; SSD clae_cla_placement_id")
    ] = UNSET
    entered_care: Annotated[Maybe[Date], Leaf("Day the child entered care.", source="SSD clae_entered_care_date")] = (
        UNSET
    )
    last_iro_contact: Annotated[
        Maybe[Date],
        Leaf("Last contact by the independent reviewing officer.", source="SSD clae_cla_last_iro_contact_date"),
    ] = UNSET


class LoosePlacement(Item, kw_only=True):
    """A placement that no episode of care refers to."""

    placement: Annotated[Maybe[Placement], Leaf("The placement.", source="SSD ssd_cla_placement")] = UNSET


class LegalStatus(Item, kw_only=True):
    """A legal status and when it held, where the source keeps it apart from episodes (SSD ssd_legal_status)."""

    status: Annotated[
        Maybe[str], Leaf("Legal status: a code or words, as the source has it.", source="SSD lega_legal_status")
    ] = UNSET
    period: Annotated[
        Maybe[Period],
        Leaf("When it held.", source="SSD lega_legal_status_start_date, lega_legal_status_end_date"),
    ] = UNSET


class CareReview(Item, kw_only=True):
    """A review of the looked-after child (SSD ssd_cla_reviews)."""

    period_of_care: Annotated[Maybe[str], Leaf("Id of the period of care.", source="SSD clar_cla_id")] = UNSET
    due: Annotated[Maybe[Date], Leaf("Day by which it is due.", source="SSD clar_cla_review_due_date")] = UNSET
    date: Annotated[Maybe[Date], Leaf("Day it was held.", source="SSDA903 REVIEW; SSD clar_cla_review_date")] = UNSET
    cancelled: Annotated[Maybe[bool], Leaf("It was called off.", source="SSD clar_cla_review_cancelled")] = UNSET
    participation: Annotated[
        Maybe[str],
        Leaf("How the child took part (PN0 to PN7).", source="SSDA903 REVIEW_CODE; SSD clar_cla_review_participation"),
    ] = UNSET


class Missing(Item, kw_only=True):
    """The child was missing or away from the placement (SSD ssd_missing)."""

    kind: Annotated[
        Maybe[str],
        Leaf("Missing (M) or away without authorisation (A).", source="SSDA903 MISSING; SSD miss_missing_episode_type"),
    ] = UNSET
    period: Annotated[
        Maybe[Period],
        Leaf("From when to when.", source="SSDA903 MIS_START, MIS_END; SSD miss_missing_episode_start_date"),
    ] = UNSET
    interview_offered: Annotated[
        Maybe[str],
        Leaf("A return interview was offered.", codes="yes_no_na", source="SSD miss_missing_rhi_offered"),
    ] = UNSET
    interview_accepted: Annotated[
        Maybe[str],
        Leaf("It was accepted.", codes="yes_no_na", source="SSD miss_missing_rhi_accepted"),
    ] = UNSET


class Care(Part, kw_only=True):
    """All that concerns the child being looked after."""

    episodes: Annotated[
        Maybe[list[CareEpisode]], Leaf("Episodes of care.", source="SSDA903 episodes; SSD ssd_cla_episodes")
    ] = UNSET
    placements: Annotated[
        Maybe[list[LoosePlacement]],
        Leaf("Placements that no episode refers to.", source="SSD ssd_cla_placement"),
    ] = UNSET
    legal_statuses: Annotated[
        Maybe[list[LegalStatus]], Leaf("Legal statuses kept apart.", source="SSD ssd_legal_status")
    ] = UNSET
    reviews: Annotated[Maybe[list[CareReview]], Leaf("Reviews.", source="SSDA903 reviews; SSD ssd_cla_reviews")] = UNSET
    missing: Annotated[Maybe[list[Missing]], Leaf("Missing episodes.", source="SSDA903 missing; SSD ssd_missing")] = (
        UNSET
    )
    permanence: Annotated[
        Maybe[list[Permanence]], Leaf("Adoption and permanence.", source="SSDA903 ad1; SSD ssd_permanence")
    ] = UNSET
    previous_permanence: Annotated[
        Maybe[list[PreviousPermanence]],
        Leaf("Permanence orders before care.", source="SSDA903 prev_perm; SSD ssd_cla_previous_permanence"),
    ] = UNSET
    plans: Annotated[Maybe[list[CarePlan]], Leaf("Care plans.", source="SSD ssd_cla_care_plan")] = UNSET
    leaving: Annotated[Maybe[list[Leaving]], Leaf("Leaving care.", source="SSDA903 oc3; SSD ssd_care_leavers")] = UNSET
    convictions: Annotated[
        Maybe[list[Conviction]], Leaf("Convictions.", source="SSDA903 oc2 CONVICTED; SSD ssd_cla_convictions")
    ] = UNSET
