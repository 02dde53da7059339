"""The fields of a tree of `fhir_r4`: those that mappings read, and the commonest of those that they do not.

FHIR's own elements are in `schemas/fhir_r4.csv`; here stand the paths as the adapter shapes them. What is not listed is
kept all the same, and reported as drift.
"""

from __future__ import annotations

from hub.adapter import Schema

_CODE = """
{0}.codes.sct.code                                    text
{0}.codes.sct.display                                 text
{0}.coding[].system                                   text
{0}.coding[].code                                     text
{0}.coding[].display                                  text
{0}.text                                              text
"""
_CODING = """
{0}.coding.system                                     text
{0}.coding.code                                       text
{0}.coding.display                                    text
{0}.coding-more[].system                              text
{0}.coding-more[].code                                text
{0}.coding-more[].display                             text
{0}.text                                              text
"""
_EXTENSION = """
{0}extension[].url                                    text
{0}extension[].valueBoolean                           boolean
{0}extension[].valueString                            text
{0}extension[].valueCodeableConcept.coding[].system   text
{0}extension[].valueCodeableConcept.coding[].code     text
{0}extension[].valueCodeableConcept.coding[].display  text
{0}extension[].valueCodeableConcept.text              text
"""
_IDENTIFIER = """
{0}ids.person.value                                   text
{0}identifier[].system                                text
{0}identifier[].value                                 text
"""
_PERIOD = """
{0}period.start                                       text
{0}period.end                                         text
"""
_TELECOM = """
{0}telecom[].id                                       text
{0}telecom[].system                                   text
{0}telecom[].use                                      text
{0}telecom[].value                                    text
{0}telecom[].rank                                     integer
{0}telecom[].period.start                             text
{0}telecom[].period.end                               text
"""
_ADDRESS = """
{0}address[].id                                       text
{0}address[].keys.UPRN                                text
{0}address[].keys.PAF                                 text
{0}address[].extension[].url                          text
{0}address[].use                                      text
{0}address[].type                                     text
{0}address[].text                                     text
{0}address[].line[]                                   text
{0}address[].room                                     text
{0}address[].floor                                    text
{0}address[].flat                                     text
{0}address[].building                                 text
{0}address[].number                                   text
{0}address[].street                                   text
{0}address[].city                                     text
{0}address[].district                                 text
{0}address[].postalCode                               text
{0}address[].country                                  text
{0}address[].period.start                             text
{0}address[].period.end                               text
"""
_PATIENT = """
id                                                    text
meta.versionId                                        text
meta.lastUpdated                                      text
meta.codes.Confidentiality.code                       text
meta.codes.Confidentiality.display                    text
meta.restricted                                       text
meta.security[].system                                text
meta.security[].code                                  text
implicitRules                                         text
language                                              text
text.status                                           text
text.div                                              text
contained[].id                                        text
ext.EthnicCategory.valueCodeableConcept.codes.EthnicCategoryEngland.code text
ext.EthnicCategory.valueCodeableConcept.codes.EthnicCategoryEngland.display text
ext.EthnicCategory.valueCodeableConcept.text          text
ext.BirthSex.valueCodeableConcept.codes.AdministrativeGender.code text
ext.BirthSex.valueCodeableConcept.codes.AdministrativeGender.display text
ext.religion.valueCodeableConcept.text                text
ext.nationality.ext.code.valueCodeableConcept.text    text
extension[].valueCodeableConcept.codes.disability.code text
modifierExtension[].url                               text
identifier[].id                                       text
identifier[].ext.NHSNumberVerificationStatus.valueCodeableConcept.codes.NHSNumberVerificationStatusEngland.code text
identifier[].ext.NHSNumberVerificationStatus.valueCodeableConcept.codes.NHSNumberVerificationStatusEngland.display text
identifier[].ext.NHSNumberVerificationStatus.valueCodeableConcept.codes.NHSNumberVerificationStatus.code text
identifier[].ext.NHSNumberVerificationStatus.valueCodeableConcept.codes.NHSNumberVerificationStatus.version text
identifier[].ext.NHSNumberVerificationStatus.valueCodeableConcept.codes.NHSNumberVerificationStatus.display text
identifier[].ext.NHSNumberVerificationStatus.valueCodeableConcept.coding[].system text
identifier[].ext.NHSNumberVerificationStatus.valueCodeableConcept.coding[].code text
identifier[].unverified                               text
identifier[].use                                      text
identifier[].type.text                                text
identifier[].system                                   text
identifier[].hl7.authority                            text
identifier[].hl7.type                                 text
identifier[].value                                    text
identifier[].period.start                             text
identifier[].period.end                               text
identifier[].assigner.display                         text
active                                                boolean
name[].id                                             text
name[].use                                            text
name[].text                                           text
name[].family                                         text
name[].given                                          text
name[].middle                                         text
name[].prefix                                         text
name[].suffix                                         text
name[].period.start                                   text
name[].period.end                                     text
name[].extension[].url                                text
gender                                                text
birthDate                                             text
_birthDate.ext.birthTime.valueDateTime                text
_birthDate.extension[].url                            text
deceasedBoolean                                       boolean
deceasedDateTime                                      text
maritalStatus.text                                    text
multipleBirthBoolean                                  boolean
multipleBirthInteger                                  integer
photo[].contentType                                   text
photo[].url                                           text
communication[].language.codes.bcp47.code             text
communication[].language.codes.bcp47.display          text
communication[].language.codes.HumanLanguage.code     text
communication[].language.codes.HumanLanguage.version  text
communication[].language.codes.HumanLanguage.display  text
communication[].language.coding[].system              text
communication[].language.coding[].code                text
communication[].language.coding[].display             text
communication[].preferred                             text
communication[].interpreter                           boolean
communication[].nhs                                   text
generalPractitioner[].id                              text
generalPractitioner[].type                            text
generalPractitioner[].identifier.system               text
generalPractitioner[].identifier.value                text
generalPractitioner[].identifier.period.start         text
generalPractitioner[].identifier.period.end           text
generalPractitioner[].display                         text
generalPractitioner[].reference                       text
generalPractitioner[].Organization.ids.ods.value      text
generalPractitioner[].Organization.name               text
managingOrganization.reference                        text
managingOrganization.identifier.system                text
managingOrganization.identifier.value                 text
managingOrganization.display                          text
link[].type                                           text
link[].other.reference                                text
replaces[].type                                       text
replaces[].other.reference                            text
"""
_RELATED = """
RelatedPerson[].id                                    text
RelatedPerson[].contact                               text
RelatedPerson[].active                                boolean
RelatedPerson[].name.use                              text
RelatedPerson[].name.text                             text
RelatedPerson[].name.family                           text
RelatedPerson[].name.given                            text
RelatedPerson[].name.middle                           text
RelatedPerson[].name.prefix                           text
RelatedPerson[].gender                                text
RelatedPerson[].birthDate                             text
RelatedPerson[].ext.parental_responsibility.valueBoolean boolean
RelatedPerson[].ext.carer.valueBoolean                boolean
"""
_MEMBER = "CareTeam[].participant.member"
_ROLE = f"{_MEMBER}.PractitionerRole"
_TEAM = f"""
CareTeam[].id                                         text
CareTeam[].status                                     text
CareTeam[].name                                       text
CareTeam[].category.text                              text
CareTeam[].ext.lead_professional.valueBoolean         boolean
CareTeam[].participant.role.codes.involvement.code    text
CareTeam[].participant.role.coding[].system           text
CareTeam[].participant.role.coding[].code             text
CareTeam[].participant.role.coding[].display          text
CareTeam[].participant.role.text                      text
{_MEMBER}.reference                                   text
{_MEMBER}.display                                     text
{_MEMBER}.Practitioner.id                             text
{_MEMBER}.Practitioner.name.text                      text
{_MEMBER}.Practitioner.telecom.value                  text
{_MEMBER}.Organization.id                             text
{_MEMBER}.Organization.ids.ods.value                  text
{_MEMBER}.Organization.name                           text
{_ROLE}.practitioner.Practitioner.id                  text
{_ROLE}.practitioner.Practitioner.ids.staff.value     text
{_ROLE}.practitioner.Practitioner.ids.social_work_england.value text
{_ROLE}.practitioner.Practitioner.name.text           text
{_ROLE}.organization.Organization.id                  text
{_ROLE}.organization.Organization.ids.ods.value       text
{_ROLE}.organization.Organization.type.text           text
{_ROLE}.organization.Organization.name                text
{_ROLE}.organization.Organization.telecom.value       text
{_ROLE}.code.text                                     text
{_ROLE}.telecom.value                                 text
CareTeam[].participant.period.start                   text
CareTeam[].participant.period.end                     text
"""
_CASE = """
EpisodeOfCare[].id                                    text
EpisodeOfCare[].status                                text
EpisodeOfCare[].type.text                             text
Flag[].id                                             text
Flag[].episode                                        text
Flag[].code.codes.FlagCategory.code                   text
Flag[].code.codes.FlagCategory.display                text
Flag[].status                                         text
Flag[].CarePlan.id                                    text
Flag[].CarePlan.status                                text
Flag[].CarePlan.period.start                          text
Flag[].CarePlan.period.end                            text
Flag[].CarePlan.careTeam.CareTeam.id                  text
Flag[].CarePlan.careTeam.CareTeam.name                text
CarePlan[].id                                         text
CarePlan[].status                                     text
CarePlan[].intent                                     text
CarePlan[].description                                text
ServiceRequest[].id                                   text
ServiceRequest[].status                               text
ServiceRequest[].pending                              text
ServiceRequest[].intent                               text
ServiceRequest[].priority                             text
ServiceRequest[].authoredOn                           text
ServiceRequest[].requester.reference                  text
ServiceRequest[].requester.display                    text
ServiceRequest[].requester.Organization.name          text
ServiceRequest[].requester.Practitioner.name.text     text
ServiceRequest[].requester.PractitionerRole.organization.Organization.name text
ServiceRequest[].Task.status                          text
Task[].id                                             text
Task[].status                                         text
Task[].intent                                         text
Task[].focus.reference                                text
Task[].authoredOn                                     text
Encounter[].id                                        text
Encounter[].status                                    text
Encounter[].pending                                   text
Encounter[].class.system                              text
Encounter[].class.code                                text
Encounter[].class.display                             text
Encounter[].location.location.display                 text
"""
_HEALTH = """
Observation[].id                                      text
Observation[].status                                  text
Observation[].effectiveDateTime                       text
Observation[].effectivePeriod.start                   text
Observation[].effectivePeriod.end                     text
Observation[].value.text                              text
Observation[].value.string                            text
Observation[].value.unit                              text
Observation[].value.system                            text
Observation[].value.code                              text
Immunization[].id                                     text
Immunization[].status                                 text
Immunization[].occurrenceDateTime                     text
Immunization[].lotNumber                              text
Consent[].id                                          text
Consent[].status                                      text
Consent[].scope.text                                  text
Consent[].dateTime                                    text
Consent[].performer.reference                         text
Consent[].performer.display                           text
Consent[].policyRule.text                             text
Consent[].provision.type                              text
Consent[].provision.period.start                      text
Consent[].provision.period.end                        text
DocumentReference[].id                                text
DocumentReference[].ext.may_be_shared.valueBoolean    boolean
DocumentReference[].status                            text
DocumentReference[].date                              text
DocumentReference[].author.reference                  text
DocumentReference[].author.display                    text
DocumentReference[].content.attachment.creation       text
DocumentReference[].content.attachment.title          text
DocumentReference[].content.attachment.url            text
"""

SCHEMA = Schema.parse(
    _PATIENT
    + _EXTENSION.format("")
    + _TELECOM.format("")
    + _ADDRESS.format("")
    + _RELATED
    + _CODING.format("RelatedPerson[].relationship")
    + "".join(part.format("RelatedPerson[].") for part in (_EXTENSION, _IDENTIFIER, _TELECOM, _ADDRESS, _PERIOD))
    + _TEAM
    + _EXTENSION.format("CareTeam[].")
    + _PERIOD.format("CareTeam[].")
    + _CASE
    + _CODE.format("Flag[].code")
    + _CODE.format("Flag[].CarePlan.category")
    + _CODE.format("CarePlan[].category")
    + _CODE.format("ServiceRequest[].code")
    + _CODE.format("ServiceRequest[].reasonCode")
    + _CODE.format("Task[].code")
    + _CODE.format("Encounter[].reasonCode")
    + "".join(_PERIOD.format(f"{name}[].") for name in ("EpisodeOfCare", "Flag", "CarePlan", "Encounter"))
    + _HEALTH
    + _CODE.format("Observation[].valueCodeableConcept")
    + _CODING.format("Observation[].code")
    + _CODING.format("Immunization[].vaccineCode")
    + "DocumentReference[].type.codes.document.code text\n"
    + _CODE.format("DocumentReference[].type"),
    bare=True,
)
"""The fields of a record of kind Patient."""
MERGE = Schema.parse(
    """
id                                                    text !
superseded                                            text !
"""
    + "".join(f"Patient.{line}\n" for line in _PATIENT.splitlines() if line and not line.startswith("id ")),
    bare=True,
)
"""The fields of a record of kind Merge; `Patient` is the one that another took the place of."""

__all__ = ["MERGE", "SCHEMA"]
