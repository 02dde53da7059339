"""The tables of the Standard Safeguarding Dataset: what stands in which, and how each row belongs to a child.

Source of names, sizes, keys and required fields: data-to-insight/ssd-data-model (commit 4987c73),
docs/admin/data_objects_specification.csv. `pers_single_unique_id` and `pers_upn` are in the deployed tables only (same
commit, Liquidlogic procedures v1.4.5, Eclipse), where the specification has `pers_common_child_id`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from hub.adapter import Cell
from hub.wire.tables import Join, Layout, Route, Table

SPECIFIED, DEPLOYED = "1", "1.4"
"""The editions. The specification gives itself no number; the deployed tables are those of v1.4."""

CAF_MARK = len("caf-000000-")
"""How much of an episode's id says that it is a common assessment, and of which child."""

# A table a paragraph: its name, `key` its own key; `by` each column that leads to the child: the person's id, or
# `column = table.column` to a row that is the child's; `-> name` puts such rows into a list of that name.
# Then its fields: `/48` the longest text, `:day`, `:int`, `:float`, `:json/1000` other types, `!` required,
# `<1.4` not in that edition, `>1.4` only from it. Not used as keys though the specification says so, because products
# repeat them: link_table_id, cinf_table_id, and the person's id in ssd_disability and ssd_immigration_status.
TEXT = """\
ssd_person key pers_person_id
    pers_person_id/48! pers_forename/255 pers_surname/255 pers_sex/20 pers_gender/10 pers_ethnicity/48 pers_dob:day
    pers_common_child_id/48<1.4 pers_single_unique_id/48>1.4 pers_upn/13>1.4 pers_legacy_id/48 pers_upn_unknown/6
    pers_send_flag/1 pers_expected_dob:day pers_death_date:day pers_is_mother/1 pers_nationality/48
ssd_family key fami_table_id
    by fami_person_id
    fami_table_id/48 fami_family_id/48! fami_person_id/48!
ssd_address key addr_table_id
    by addr_person_id
    addr_table_id/48! addr_address_json:json/1000! addr_person_id/48 addr_address_type/48 addr_address_start_date:day
    addr_address_end_date:day addr_address_postcode/15
ssd_disability key disa_table_id
    by disa_person_id
    disa_person_id/48! disa_table_id/48 disa_disability_code/48!
ssd_immigration_status key immi_immigration_status_id
    by immi_person_id
    immi_person_id/48 immi_immigration_status_id/48 immi_immigration_status/48 immi_immigration_status_start_date:day
    immi_immigration_status_end_date:day
ssd_mother key moth_table_id
    by moth_childs_person_id
    by moth_person_id -> ssd_mother_of
    moth_table_id/48! moth_person_id/48! moth_childs_person_id/48! moth_childs_dob:day
ssd_legal_status key lega_legal_status_id
    by lega_person_id
    lega_legal_status_id/48! lega_person_id/48! lega_legal_status/100 lega_legal_status_start_date:day
    lega_legal_status_end_date:day
ssd_contacts key cont_contact_id
    by cont_person_id
    cont_contact_id/48! cont_person_id/48! cont_contact_date:day cont_contact_source_code/48
    cont_contact_source_desc/255 cont_contact_outcome_json:json/4000
ssd_early_help_episodes key earl_episode_id
    by earl_person_id
    earl_episode_id/48! earl_person_id/48! earl_episode_start_date:day earl_episode_end_date:day
    earl_episode_reason/100 earl_episode_end_reason/100 earl_episode_organisation/100 earl_episode_worker_id/100
ssd_cin_episodes key cine_referral_id
    by cine_person_id
    cine_referral_id/48! cine_person_id/48! cine_referral_date:day cine_cin_primary_need_code/3
    cine_referral_source_code/48 cine_referral_source_desc/255 cine_referral_outcome_json:json/4000
    cine_referral_nfa/1 cine_close_reason/100 cine_close_date:day cine_referral_team/48 cine_referral_worker_id/100
ssd_cin_assessments key cina_assessment_id
    by cina_person_id
    cina_assessment_id/48! cina_person_id/48! cina_referral_id/48 cina_assessment_start_date:day
    cina_assessment_child_seen/1 cina_assessment_auth_date:day cina_assessment_outcome_json:json/1000
    cina_assessment_outcome_nfa/1 cina_assessment_team/48 cina_assessment_worker_id/100
ssd_assessment_factors
    by cinf_assessment_id = ssd_cin_assessments.cina_assessment_id
    cinf_table_id/48 cinf_assessment_id/48! cinf_assessment_factors_json:json/1000
ssd_cin_plans key cinp_cin_plan_id
    by cinp_person_id
    cinp_cin_plan_id/48! cinp_referral_id/48 cinp_person_id/48! cinp_cin_plan_start_date:day
    cinp_cin_plan_end_date:day cinp_cin_plan_team/48 cinp_cin_plan_worker_id/100
ssd_cin_visits key cinv_cin_visit_id
    by cinv_person_id
    cinv_cin_visit_id/48! cinv_person_id/48 cinv_cin_visit_date:day cinv_cin_visit_seen/1 cinv_cin_visit_seen_alone/1
    cinv_cin_visit_bedroom/1
ssd_s47_enquiry key s47e_s47_enquiry_id
    by s47e_person_id
    s47e_s47_enquiry_id/48! s47e_referral_id/48 s47e_person_id/48! s47e_s47_start_date:day s47e_s47_end_date:day
    s47e_s47_nfa/1 s47e_s47_outcome_json:json/1000 s47e_s47_completed_by_worker_id/100 s47e_s47_completed_by_team/48
ssd_initial_cp_conference key icpc_icpc_id
    by icpc_person_id
    icpc_icpc_id/48 icpc_icpc_meeting_id/48 icpc_s47_enquiry_id/48 icpc_person_id/48! icpc_cp_plan_id/48!
    icpc_referral_id/48 icpc_icpc_transfer_in/1 icpc_icpc_target_date:day icpc_icpc_date:day
    icpc_icpc_outcome_cp_flag/1 icpc_icpc_outcome_json:json/500 icpc_icpc_team/48 icpc_icpc_worker_id/100
ssd_cp_plans key cppl_cp_plan_id
    by cppl_person_id
    cppl_cp_plan_id/48! cppl_referral_id/48 cppl_icpc_id/48 cppl_person_id/48! cppl_cp_plan_start_date:day
    cppl_cp_plan_end_date:day cppl_cp_plan_initial_category/100 cppl_cp_plan_ola/1 cppl_cp_plan_latest_category/100
ssd_cp_visits key cppv_cp_visit_id
    by cppv_person_id
    cppv_cp_visit_id/48 cppv_person_id/48 cppv_cp_plan_id/48! cppv_cp_visit_date:day cppv_cp_visit_seen/1
    cppv_cp_visit_seen_alone/1 cppv_cp_visit_bedroom/1
ssd_cp_reviews key cppr_cp_review_id
    by cppr_person_id
    cppr_cp_review_id/48! cppr_person_id/48 cppr_cp_plan_id/48 cppr_cp_review_due:day cppr_cp_review_date:day
    cppr_cp_review_meeting_id/48 cppr_cp_review_outcome_continue_cp/1 cppr_cp_review_quorate/100
    cppr_cp_review_participation/100
ssd_cla_episodes key clae_cla_episode_id
    by clae_person_id
    clae_cla_episode_id/48! clae_person_id/48! clae_cla_episode_start_date:day clae_cla_episode_start_reason/100
    clae_cla_primary_need_code/3 clae_cla_episode_ceased_date:day clae_cla_episode_ceased_reason/255 clae_cla_id/48
    clae_referral_id/48 clae_cla_placement_id/48 clae_entered_care_date:day clae_cla_last_iro_contact_date:day
ssd_cla_convictions key clac_cla_conviction_id
    by clac_person_id
    clac_cla_conviction_id/48 clac_person_id/48! clac_cla_conviction_date:day clac_cla_conviction_offence/1000
ssd_cla_health key clah_health_check_id
    by clah_person_id
    clah_health_check_id/48 clah_person_id/48! clah_health_check_type/500 clah_health_check_date:day
    clah_health_check_status/48
ssd_cla_immunisations key clai_person_id
    by clai_person_id
    clai_person_id/48! clai_immunisations_status/1 clai_immunisations_status_date:day
ssd_cla_substance_misuse key clas_substance_misuse_id
    by clas_person_id
    clas_substance_misuse_id/48 clas_person_id/48! clas_substance_misuse_date:day clas_substance_misused/100
    clas_intervention_received/1
ssd_cla_placement key clap_cla_placement_id
    by clap_person_id
    by clap_cla_placement_id = ssd_cla_episodes.clae_cla_placement_id
    by clap_cla_id = ssd_cla_episodes.clae_cla_id
    clap_cla_placement_id/48! clap_cla_placement_start_date:day clap_cla_placement_type/100 clap_cla_placement_urn/48
    clap_cla_placement_distance:float clap_cla_id/48 clap_cla_placement_provider/48 clap_cla_placement_postcode/8
    clap_cla_placement_end_date:day clap_cla_placement_change_reason/100 clap_person_id/48
ssd_cla_reviews key clar_cla_review_id
    by clar_cla_id = ssd_cla_episodes.clae_cla_id
    by clar_cla_id = ssd_cla_placement.clap_cla_id
    clar_cla_review_id/48! clar_cla_id/48 clar_cla_review_due_date:day clar_cla_review_date:day
    clar_cla_review_cancelled/1 clar_cla_review_participation/100
ssd_cla_visits key clav_cla_visit_id
    by clav_person_id
    clav_cla_visit_id/48 clav_cla_id/48 clav_person_id/48 clav_cla_visit_date:day clav_cla_visit_seen/1
    clav_cla_visit_seen_alone/1
ssd_cla_previous_permanence key lapp_table_id
    by lapp_person_id
    lapp_table_id/48 lapp_person_id/48! lapp_previous_permanence_order_date/100 lapp_previous_permanence_option/200
    lapp_previous_permanence_la/100
ssd_cla_care_plan key lacp_table_id
    by lacp_person_id
    lacp_table_id/48 lacp_person_id/48! lacp_cla_care_plan_start_date:day lacp_cla_care_plan_end_date:day
    lacp_cla_care_plan_json:json/1000
ssd_sdq_scores key csdq_table_id
    by csdq_person_id
    csdq_table_id/48! csdq_person_id/48! csdq_sdq_completed_date:day csdq_sdq_reason/100 csdq_sdq_score/100
ssd_missing key miss_table_id
    by miss_person_id
    miss_table_id/48! miss_person_id/48 miss_missing_episode_start_date:day miss_missing_episode_type/100
    miss_missing_episode_end_date:day miss_missing_rhi_offered/2 miss_missing_rhi_accepted/2
ssd_care_leavers key clea_table_id
    by clea_person_id
    clea_table_id/48! clea_person_id/48! clea_care_leaver_eligibility/100 clea_care_leaver_in_touch/100
    clea_care_leaver_latest_contact:day clea_care_leaver_accommodation/100 clea_care_leaver_accom_suitable/100
    clea_care_leaver_activity/100 clea_pathway_plan_review_date:day clea_care_leaver_personal_advisor/100
    clea_care_leaver_allocated_team/48 clea_care_leaver_worker_id/100
ssd_permanence key perm_table_id
    by perm_person_id
    perm_table_id/48! perm_person_id/48! perm_cla_id/48 perm_adm_decision_date:day perm_ffa_cp_decision_date:day
    perm_placement_order_date:day perm_placed_for_adoption_date:day perm_matched_date:day perm_adopted_by_carer_flag/1
    perm_placed_ffa_cp_date:day perm_decision_reversed_date:day perm_placed_foster_carer_date:day
    perm_part_of_sibling_group/1 perm_siblings_placed_together:int perm_siblings_placed_apart:int
    perm_placement_provider_urn/48 perm_decision_reversed_reason/100 perm_permanence_order_date:day
    perm_permanence_order_type/100 perm_adoption_worker_id/100 perm_adopter_sex/48 perm_adopter_legal_status/100
    perm_number_of_adopters/3
ssd_professionals key prof_professional_id
    prof_professional_id/48 prof_staff_id/48 prof_professional_name/300 prof_social_worker_registration_no/48
    prof_professional_job_title/500 prof_professional_caseload:int prof_professional_department/100
    prof_full_time_equivalency:float prof_agency_worker_flag/1
ssd_involvements key invo_involvements_id
    by invo_person_id
    by invo_referral_id = ssd_cin_episodes.cine_referral_id
    invo_involvements_id/48 invo_professional_id/48 invo_professional_role_id/200 invo_professional_team/48
    invo_involvement_start_date:day invo_involvement_end_date:day invo_worker_change_reason/200 invo_person_id/48
    invo_referral_id/48
ssd_send key send_table_id
    by send_person_id
    send_table_id/48! send_upn/48! send_uln/48 send_upn_unknown/6 send_person_id/48!
ssd_ehcp_requests key ehcr_ehcp_request_id
    by ehcr_send_table_id = ssd_send.send_table_id
    ehcr_ehcp_request_id/48! ehcr_send_table_id/48 ehcr_ehcp_req_date:day ehcr_ehcp_req_outcome_date:day
    ehcr_ehcp_req_outcome/100
ssd_ehcp_assessment key ehca_ehcp_assessment_id
    by ehca_ehcp_request_id = ssd_ehcp_requests.ehcr_ehcp_request_id
    ehca_ehcp_assessment_id/48! ehca_ehcp_request_id/48 ehca_ehcp_assessment_outcome_date:day
    ehca_ehcp_assessment_outcome/100 ehca_ehcp_assessment_exceptions/100
ssd_ehcp_named_plan key ehcn_named_plan_id
    by ehcn_ehcp_asmt_id = ssd_ehcp_assessment.ehca_ehcp_assessment_id
    ehcn_named_plan_id/48! ehcn_ehcp_asmt_id/48 ehcn_named_plan_start_date:day ehcn_named_plan_ceased_date:day
    ehcn_named_plan_ceased_reason/100
ssd_ehcp_active_plans key ehcp_active_ehcp_id
    by ehcp_ehcp_request_id = ssd_ehcp_requests.ehcr_ehcp_request_id
    ehcp_active_ehcp_id/48! ehcp_ehcp_request_id/48 ehcp_active_ehcp_last_review_date:day
ssd_sen_need key senn_table_id
    by senn_active_ehcp_id = ssd_ehcp_active_plans.ehcp_active_ehcp_id
    senn_table_id/48! senn_active_ehcp_id/48 senn_active_ehcp_need_type/100 senn_active_ehcp_need_rank/1
ssd_pre_proceedings key prep_table_id
    by prep_person_id
    prep_table_id/48 prep_person_id/48! prep_plo_family_id/48! prep_pre_pro_decision_date:day
    prep_initial_pre_pro_meeting_date:day prep_pre_pro_outcome/100 prep_agree_stepdown_issue_date:day
    prep_cp_plans_referral_period:int prep_legal_gateway_outcome/100 prep_prev_pre_proc_child:int
    prep_prev_care_proc_child:int prep_pre_pro_letter_date:day prep_care_pro_letter_date:day
    prep_pre_pro_meetings_num:int prep_pre_pro_parents_legal_rep/1 prep_parents_legal_rep_point_of_issue/2
    prep_court_reference/48 prep_care_proc_court_hearings:int prep_care_proc_short_notice/1
    prep_proc_short_notice_reason/100 prep_la_inital_plan_approved/1 prep_la_initial_care_plan/100
    prep_la_final_plan_approved/1 prep_la_final_care_plan/100
ssd_voice_of_child key voch_table_id
    by voch_person_id
    voch_table_id/48 voch_person_id/48! voch_explained_worries/1 voch_story_help_understand/1 voch_agree_worker/1
    voch_plan_safe/1 voch_tablet_help_explain/1
ssd_linked_identifiers
    by link_person_id
    link_table_id/48 link_person_id/48 link_identifier_type/100 link_identifier_value/100 link_valid_from_date:day
    link_valid_to_date:day
ssd_s251_finance key s251_table_id
    by s251_cla_placement_id = ssd_cla_placement.clap_cla_placement_id
    s251_table_id/48 s251_cla_placement_id/48 s251_placeholder_1/48 s251_placeholder_2/48 s251_placeholder_3/48
    s251_placeholder_4/48
"""

IGNORED = {
    "ssd_department": "teams of the council with no child in them; rows of children name a team by its id",
    "ssd_version_log": "the history of the tables themselves; no child in it",
    "ssd_api_data_staging": "what was sent to the DfE and its receipts, made from the other tables",
}

# The keys of JSON cells (ssd-data-model, deployment extracts). A list: the cell is an array of texts.
_FLAGS = {
    "addr_address_json": "ROOM FLOOR FLAT BUILDING HOUSE STREET TOWN UPRN EASTING NORTHING",
    "cont_contact_outcome_json": "NEW_REFERRAL_FLAG EXISTING_REFERRAL_FLAG CP_ENQUIRY_FLAG NFA_FLAG"
    " NON_AGENCY_ADOPTION_FLAG PRIVATE_FOSTERING_FLAG ADVICE_FLAG MISSING_FLAG OLA_CP_FLAG OTHER_OUTCOMES_EXIST_FLAG"
    " NUMBER_OF_OUTCOMES COMMENTS",
    "cine_referral_outcome_json": "SINGLE_ASSESSMENT_FLAG NFA_FLAG STRATEGY_DISCUSSION_FLAG CLA_REQUEST_FLAG"
    " NON_AGENCY_ADOPTION_FLAG PRIVATE_FOSTERING_FLAG CP_TRANSFER_IN_FLAG CP_CONFERENCE_FLAG CARE_LEAVER_FLAG"
    " OTHER_OUTCOMES_EXIST_FLAG NUMBER_OF_OUTCOMES COMMENTS",
    "cina_assessment_outcome_json": "NFA_FLAG NFA_S47_END_FLAG STRATEGY_DISCUSSION_FLAG CLA_REQUEST_FLAG"
    " PRIVATE_FOSTERING_FLAG LEGAL_ACTION_FLAG PROV_OF_SERVICES_FLAG PROV_OF_SB_CARE_FLAG SPECIALIST_ASSESSMENT_FLAG"
    " REFERRAL_TO_OTHER_AGENCY_FLAG OTHER_ACTIONS_FLAG OTHER_OUTCOMES_EXIST_FLAG TOTAL_NO_OF_OUTCOMES COMMENTS",
    "s47e_s47_outcome_json": "NFA_FLAG LEGAL_ACTION_FLAG PROV_OF_SERVICES_FLAG PROV_OF_SB_CARE_FLAG CP_CONFERENCE_FLAG"
    " NFA_CONTINUE_SINGLE_FLAG MONITOR_FLAG OTHER_OUTCOMES_EXIST_FLAG TOTAL_NO_OF_OUTCOMES OUTCOME_COMMENTS",
    "icpc_icpc_outcome_json": "NFA_FLAG REFERRAL_TO_OTHER_AGENCY_FLAG SINGLE_ASSESSMENT_FLAG PROV_OF_SERVICES_FLAG"
    " CP_FLAG OTHER_OUTCOMES_EXIST_FLAG TOTAL_NO_OF_OUTCOMES COMMENTS",
    "lacp_cla_care_plan_json": "REMAINSUP RETURN1M RETURN6M RETURNEV LTRELFR LTFOST18 RESPLMT SUPPLIV ADOPTION"
    " OTHERPLN",
}
_PROFESSIONAL = Join("invo_professional_id", "ssd_professionals", "professional")
_TYPES = {"day": "datetime", "int": "integer", "float": "decimal", "json": "group", "": "text"}
_FIELD = re.compile(r"([a-z0-9_]+)(?::([a-z]+))?(?:/(\d+))?(!?)(?:<([\d.]+))?(?:>([\d.]+))?")


@dataclass(frozen=True)
class Spec:
    """One table: how it is gathered, its person column (""), its JSON columns, and its fields as cells below `path`."""

    table: Table
    person: str
    json: tuple[str, ...]
    fields: tuple[Cell, ...]

    @property
    def single(self) -> bool:
        """Whether a child has at most one row, because the child's id is the key."""
        return bool(self.person) and self.table.key == self.person

    def cells(self, path: str, *, without: tuple[str, ...] = ()) -> list[Cell]:
        """Its fields below a path of the tree, the person's id left out, which the adapter fills in."""
        found = [Cell(path, "group")] if path else []
        prefix = f"{path}." if path else ""
        for cell in self.fields:
            if cell.path == self.person or cell.path in without:
                continue
            name = prefix + cell.path
            if cell.path == "cinf_assessment_factors_json":
                found.append(Cell(f"{name}[]", "text", cell.required))
                continue
            found.append(Cell(name, cell.type, cell.required, cell.length, cell.since, cell.until))
            found += [Cell(f"{name}.{key}") for key in _FLAGS.get(cell.path, "").split()]
        return found


def _specs() -> dict[str, Spec]:
    found: dict[str, Spec] = {}
    for paragraph in re.split(r"\n(?=\S)", TEXT.strip()):
        head, *lines = paragraph.splitlines()
        name, _, key = head.partition(" key ")
        routes = tuple(_route(line.strip()[3:]) for line in lines if line.strip().startswith("by "))
        words = " ".join(line for line in lines if not line.strip().startswith("by "))
        fields = tuple(_cell(word) for word in words.split())
        joins = (_PROFESSIONAL,) if name == "ssd_involvements" else ()
        table = Table(name, tuple(cell.path for cell in fields), key, routes, joins)
        person = routes[0].column if routes and not routes[0].parent else ""
        found[name] = Spec(table, person, tuple(cell.path for cell in fields if cell.type == "group"), fields)
    return found


def _route(text: str) -> Route:
    way, _, into = text.partition(" -> ")
    column, _, target = way.partition(" = ")
    parent, _, match = target.partition(".")
    return Route(column, parent, match, into)


def _cell(word: str) -> Cell:
    found = _FIELD.fullmatch(word)
    assert found is not None, word
    name, kind, size, required, until, since = found.groups()
    before = SPECIFIED if until else ""
    return Cell(name, _TYPES[kind or ""], bool(required), int(size or 0), since or "", before)


SPECS = _specs()
LAYOUT = Layout(tuple(spec.table for spec in SPECS.values()), IGNORED, frozenset({"-1"}))


def schema_cells() -> tuple[Cell, ...]:
    """Every field of a child's tree."""
    found = SPECS["ssd_person"].cells("")
    nested = {"ssd_professionals", "ssd_person"}
    for name, spec in SPECS.items():
        if name in nested:
            continue
        found += spec.cells(name if spec.single else f"{name}[]")
        if name == "ssd_mother":
            found += [Cell("ssd_mother_of[]", "group")]
            found += [Cell(f"ssd_mother_of[].{cell.path}", cell.type, length=cell.length) for cell in spec.fields
                      if cell.path != "moth_person_id"]  # fmt: skip
        if name == "ssd_early_help_episodes":
            found += [
                replace(cell, length=cell.length - CAF_MARK) if cell.path.endswith(".earl_episode_id") else cell
                for cell in spec.cells("ssd_early_help_caf[]")
            ]
        if name == "ssd_cin_assessments":
            found += SPECS["ssd_assessment_factors"].cells(f"{name}[].factors", without=("cinf_assessment_id",))
        if name == "ssd_cla_episodes":
            found += SPECS["ssd_cla_placement"].cells(f"{name}[].placement")
        if name == "ssd_involvements":
            found += SPECS["ssd_professionals"].cells(f"{name}[].professional")
    return tuple(found)
