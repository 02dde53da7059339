"""Education and health of the child, as far as social care shares them.

Sources: SSD ssd_send and the EHCP objects (after the SEN2 return), SSDA903 OC2, SI 2007/2182 paras 7 and 8, HL7 v2.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET

from hub.model.leaf import Date, DateTime, Item, Leaf, Maybe, Part
from hub.model.person import SHIELDED, Period
from hub.model.services import Organisation


class School(Item, kw_only=True):
    """A school, college or early-years place."""

    provider: Annotated[Maybe[Organisation], Leaf("The institution.", source="SI 2007/2182 Sch. 1 para 7")] = UNSET
    kind_text: Annotated[
        Maybe[str], Leaf("The source's own word for the kind of place.", source="Family Context Admission Type")
    ] = UNSET
    period: Annotated[Maybe[Period], Leaf("When the child was there.", source="SI 2007/2182 Sch. 1 para 7")] = UNSET


class NamedPlan(Item, kw_only=True):
    """A named education, health and care plan (SSD ssd_ehcp_named_plan)."""

    period: Annotated[
        Maybe[Period], Leaf("When it was in force.", source="SEN2 StartDate, CeaseDate; SSD ehcn_named_plan_start_date")
    ] = UNSET
    ceased_reason: Annotated[
        Maybe[str], Leaf("Why it ceased.", source="SEN2 CeaseReason; SSD ehcn_named_plan_ceased_reason")
    ] = UNSET


class NeedsAssessment(Item, kw_only=True):
    """An education, health and care needs assessment (SSD ssd_ehcp_assessment)."""

    outcome_date: Annotated[
        Maybe[Date],
        Leaf("Day of the outcome.", source="SEN2 AssessmentOutcomeDate; SSD ehca_ehcp_assessment_outcome_date"),
    ] = UNSET
    outcome: Annotated[
        Maybe[str], Leaf("Outcome.", source="SEN2 AssessmentOutcome; SSD ehca_ehcp_assessment_outcome")
    ] = UNSET
    exceptions: Annotated[
        Maybe[str],
        Leaf("An exception to the 20-week limit applies.", source="SSD ehca_ehcp_assessment_exceptions"),
    ] = UNSET
    plans: Annotated[Maybe[list[NamedPlan]], Leaf("Plans that followed.", source="SEN2 NamedPlan")] = UNSET


class PlanNeed(Item, kw_only=True):
    """A special educational need named in a plan (SSD ssd_sen_need)."""

    kind: Annotated[
        Maybe[str], Leaf("Kind of need, such as MLD.", source="SEN2 SENtype; SSD senn_active_ehcp_need_type")
    ] = UNSET
    rank: Annotated[Maybe[str], Leaf("1 for the first need, 2 for the second.", source="SEN2 SENtypeRank")] = UNSET


class ActivePlan(Item, kw_only=True):
    """A plan in force at the census (SSD ssd_ehcp_active_plans)."""

    last_review: Annotated[
        Maybe[Date], Leaf("Last review.", source="SEN2 LastReview; SSD ehcp_active_ehcp_last_review_date")
    ] = UNSET
    needs: Annotated[Maybe[list[PlanNeed]], Leaf("Needs it names.", source="SEN2 SENneed; SSD ssd_sen_need")] = UNSET


class PlanRequest(Item, kw_only=True):
    """A request for a needs assessment (SSD ssd_ehcp_requests)."""

    date: Annotated[Maybe[Date], Leaf("Day received.", source="SEN2 ReceivedDate; SSD ehcr_ehcp_req_date")] = UNSET
    outcome_date: Annotated[
        Maybe[Date], Leaf("Day of the outcome.", source="SEN2 RequestOutcomeDate; SSD ehcr_ehcp_req_outcome_date")
    ] = UNSET
    outcome: Annotated[Maybe[str], Leaf("Outcome.", source="SEN2 RequestOutcome; SSD ehcr_ehcp_req_outcome")] = UNSET
    assessments: Annotated[
        Maybe[list[NeedsAssessment]], Leaf("Assessments that followed.", source="SEN2 Assessment")
    ] = UNSET
    active_plans: Annotated[
        Maybe[list[ActivePlan]], Leaf("Plans in force.", source="SEN2 ActivePlans; SSD ssd_ehcp_active_plans")
    ] = UNSET


class SpecialEducation(Item, kw_only=True):
    """The child as the special educational needs return knows it (SSD ssd_send)."""

    upn: Annotated[Maybe[str], Leaf("UPN in that return.", source="SEN2 UPN; SSD send_upn")] = UNSET
    uln: Annotated[Maybe[str], Leaf("Unique learner number.", source="SEN2 UniqueLearnerNumber; SSD send_uln")] = UNSET
    unknown: Annotated[
        Maybe[str], Leaf("Why there is no UPN.", codes="upn_unknown", source="SEN2 UPNunknown; SSD send_upn_unknown")
    ] = UNSET
    requests: Annotated[
        Maybe[list[PlanRequest]], Leaf("Requests for assessment.", source="SEN2 Requests; SSD ssd_ehcp_requests")
    ] = UNSET


class Education(Part, kw_only=True):
    """Education of the child."""

    special_needs: Annotated[
        Maybe[bool], Leaf("The child has special educational needs.", source="SSD pers_send_flag")
    ] = UNSET
    schools: Annotated[
        Maybe[list[School]],
        Leaf("Where the child learns or learnt.", source="SI 2007/2182 Sch. 1 para 7", guards=SHIELDED),
    ] = UNSET
    special: Annotated[
        Maybe[list[SpecialEducation]], Leaf("Special educational needs records.", source="SSD ssd_send")
    ] = UNSET


class Practice(Item, kw_only=True):
    """A GP or dental practice."""

    provider: Annotated[Maybe[Organisation], Leaf("The practice.", source="SI 2007/2182 Sch. 1 para 8")] = UNSET
    kind: Annotated[
        Maybe[str],
        Leaf("GP, dentist or other.", codes="practice_kind", source="HL7 v2 PD1-4; FHIR generalPractitioner"),
    ] = UNSET
    period: Annotated[Maybe[Period], Leaf("When the child was registered there.")] = UNSET


class Strength(Item, kw_only=True):
    """A strengths and difficulties questionnaire (SDQ)."""

    date: Annotated[Maybe[Date], Leaf("Day completed.", source="SSD csdq_sdq_completed_date; DfE API date")] = UNSET
    score: Annotated[
        Maybe[str], Leaf("Score, 0 to 40.", source="SSDA903 SDQ_SCORE; SSD csdq_sdq_score; DfE API score")
    ] = UNSET
    reason: Annotated[
        Maybe[str], Leaf("Why there is none (SDQ1 to SDQ5).", source="SSDA903 SDQ_REASON; SSD csdq_sdq_reason")
    ] = UNSET


class Check(Item, kw_only=True):
    """A health check of a looked-after child (SSD ssd_cla_health)."""

    kind: Annotated[
        Maybe[str],
        Leaf(
            "Kind of check, in the source's word.",
            source="SSD clah_health_check_type; SSDA903 HEALTH_CHECK, TEETH_CHECK, HEALTH_ASSESSMENT",
        ),
    ] = UNSET
    date: Annotated[Maybe[Date], Leaf("Day of the check.", source="SSD clah_health_check_date")] = UNSET
    status: Annotated[Maybe[str], Leaf("Whether it was done, as recorded.", source="SSD clah_health_check_status")] = (
        UNSET
    )


class Vaccination(Item, kw_only=True):
    """One vaccination given or refused."""

    code: Annotated[
        Maybe[str], Leaf("Vaccine or procedure code, as the source has it.", source="FHIR Immunization.vaccineCode")
    ] = UNSET
    display: Annotated[Maybe[str], Leaf("The same in words.")] = UNSET
    date: Annotated[Maybe[Date], Leaf("Day given.", source="FHIR Immunization.occurrence; HL7 v2 RXA-3")] = UNSET
    status: Annotated[
        Maybe[str], Leaf("Given or not given, as recorded.", source="FHIR Immunization.status; HL7 v2 RXA-20")
    ] = UNSET


class Substance(Item, kw_only=True):
    """Substance misuse by a looked-after child (SSD ssd_cla_substance_misuse)."""

    date: Annotated[Maybe[Date], Leaf("Day recorded.", source="SSD clas_substance_misuse_date")] = UNSET
    substance: Annotated[
        Maybe[str], Leaf("Substance.", source="SSD clas_substance_misused; SSDA903 SUBSTANCE_MISUSE")
    ] = UNSET
    intervention: Annotated[
        Maybe[bool],
        Leaf("The child was helped.", source="SSD clas_intervention_received; SSDA903 INTERVENTION_RECEIVED"),
    ] = UNSET


class Observation(Item, kw_only=True):
    """A measured or observed fact."""

    code: Annotated[
        Maybe[str], Leaf("What was observed, as the source codes it.", source="FHIR Observation.code; HL7 v2 OBX-3")
    ] = UNSET
    display: Annotated[Maybe[str], Leaf("The same in words.")] = UNSET
    date: Annotated[Maybe[DateTime], Leaf("When.", source="FHIR Observation.effective; HL7 v2 OBX-14")] = UNSET
    value: Annotated[Maybe[str], Leaf("The value as recorded.", source="HL7 v2 OBX-5")] = UNSET
    unit: Annotated[Maybe[str], Leaf("Its unit.", source="HL7 v2 OBX-6")] = UNSET


class Health(Part, kw_only=True):
    """Health of the child."""

    practices: Annotated[
        Maybe[list[Practice]],
        Leaf("GP and dental practices.", source="SI 2007/2182 Sch. 1 para 8", guards=SHIELDED),
    ] = UNSET
    strengths: Annotated[
        Maybe[list[Strength]],
        Leaf("Strengths and difficulties questionnaires.", source="SSDA903 oc2; SSD ssd_sdq_scores"),
    ] = UNSET
    checks: Annotated[Maybe[list[Check]], Leaf("Health checks.", source="SSDA903 oc2; SSD ssd_cla_health")] = UNSET
    immunised: Annotated[
        Maybe[bool],
        Leaf("Vaccinations are up to date.", source="SSDA903 IMMUNISATIONS; SSD clai_immunisations_status"),
    ] = UNSET
    immunised_on: Annotated[
        Maybe[Date], Leaf("Day on which that was recorded.", source="SSD clai_immunisations_status_date")
    ] = UNSET
    vaccinations: Annotated[
        Maybe[list[Vaccination]], Leaf("Single vaccinations.", source="FHIR Immunization; HL7 v2 RXA")
    ] = UNSET
    substances: Annotated[Maybe[list[Substance]], Leaf("Substance misuse.", source="SSD ssd_cla_substance_misuse")] = (
        UNSET
    )
    observations: Annotated[
        Maybe[list[Observation]], Leaf("Measurements and observations.", source="FHIR Observation; HL7 v2 OBX")
    ] = UNSET
