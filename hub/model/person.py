"""Who the child is: identifiers, names, birth, characteristics and addresses.

Field meanings follow the national Person Standard (SocialCareData PUB01), the Standard Safeguarding Dataset (SSD), the
CIN census, the SSDA903 and SI 2007/2182 (ContactPoint), as each leaf says.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET

from hub.model.leaf import Date, Item, Leaf, Maybe, Part, PartialDate

SHIELDED = ("shielded",)


class Period(Part, kw_only=True):
    """From a day to a day, both included; an end that is UNSET or None is still open or not known."""

    start: Annotated[Maybe[Date], Leaf("First day.")] = UNSET
    end: Annotated[Maybe[Date], Leaf("Last day; none while it runs.")] = UNSET


class Identifier(Item, kw_only=True):
    """A number or code by which one system knows the child (UPN, NHS number, a council's own id)."""

    system: Annotated[
        Maybe[str],
        Leaf(
            "Whose number it is; open for HL7 authorities written `hl7:…`.",
            codes="identifier_system",
            source="Person Standard identifier; SSD ssd_linked_identifiers.link_identifier_type",
            critical=True,
        ),
    ] = UNSET
    value: Annotated[
        Maybe[str], Leaf("The number itself, as issued.", source="SSD link_identifier_value", critical=True)
    ] = UNSET
    use: Annotated[
        Maybe[str],
        Leaf("Whether it is in force.", codes="identifier_use", source="CIN UPN and FormerUPN; FHIR Identifier.use"),
    ] = UNSET
    status: Annotated[
        Maybe[str],
        Leaf(
            "How far it was verified, in the source's code.",
            source="UK Core NHSNumberVerificationStatus",
            critical=True,
        ),
    ] = UNSET
    missing: Annotated[
        Maybe[str], Leaf("Why there is no UPN.", codes="upn_unknown", source="CIN UPNunknown; SSD pers_upn_unknown")
    ] = UNSET
    period: Annotated[
        Maybe[Period], Leaf("When it was valid.", source="SSD link_valid_from_date, link_valid_to_date")
    ] = UNSET
    owner: Annotated[
        Maybe[str],
        Leaf(
            "The body that issued it; only that body may see its own number.",
            source="SI 2007/2182 Sch. 1 para 18",
            guards=SHIELDED,
        ),
    ] = UNSET
    kind_text: Annotated[Maybe[str], Leaf("The source's own word for the kind of number.")] = UNSET


class Name(Item, kw_only=True):
    """A name of the child, now or before."""

    use: Annotated[
        Maybe[str],
        Leaf("Which name it is.", codes="name_use", source="Person Standard name.use; SI 2007/2182 Sch. 1 para 1"),
    ] = UNSET
    title: Annotated[Maybe[str], Leaf("Form of address, such as Miss.")] = UNSET
    given: Annotated[Maybe[str], Leaf("First name.", source="SSD pers_forename")] = UNSET
    middle: Annotated[Maybe[str], Leaf("Further given names, separated by blanks.")] = UNSET
    family: Annotated[Maybe[str], Leaf("Surname.", source="SSD pers_surname")] = UNSET
    suffix: Annotated[Maybe[str], Leaf("What follows the surname, such as Jr.")] = UNSET
    full: Annotated[Maybe[str], Leaf("The whole name where the source keeps it in one text.")] = UNSET
    period: Annotated[Maybe[Period], Leaf("When the name was used.")] = UNSET


class Birth(Part, kw_only=True):
    """Birth, known, partly known or still expected."""

    date: Annotated[
        Maybe[PartialDate],
        Leaf(
            "Date of birth: a day, a month or a year.",
            source="CIN PersonBirthDate; SSD pers_dob; SI 2007/2182 Sch. 1 para 4",
            critical=True,
        ),
    ] = UNSET
    accuracy: Annotated[
        Maybe[str],
        Leaf(
            "Three letters for day, month and year: A accurate, E estimated, U unknown (`AAA`, `UUE`).",
            source="Person Standard dateOfBirth accuracy indicator",
        ),
    ] = UNSET
    expected: Annotated[
        Maybe[Date],
        Leaf("Day on which an unborn child is due.", source="CIN ExpectedPersonBirthDate; SSD pers_expected_dob"),
    ] = UNSET
    time: Annotated[Maybe[str], Leaf("Time of birth on that day, `HH:MM`.", source="HL7 v2 PID-7")] = UNSET


class Death(Part, kw_only=True):
    """Death of the child."""

    date: Annotated[
        Maybe[PartialDate],
        Leaf("Date of death: a day, a month or a year.", source="CIN PersonDeathDate; SSD pers_death_date"),
    ] = UNSET
    deceased: Annotated[
        Maybe[bool], Leaf("The child has died, said with or without a date.", source="Person Standard isDeceased")
    ] = UNSET


class Address(Item, kw_only=True):
    """A place where the child lives, lived or is written to."""

    use: Annotated[
        Maybe[str], Leaf("What the address is for.", codes="address_use", source="Person Standard address.use")
    ] = UNSET
    kind_text: Annotated[
        Maybe[str], Leaf("The source's own word for the kind of address.", source="SSD addr_address_type")
    ] = UNSET
    lines: Annotated[
        Maybe[list[str]],
        Leaf("The address in lines, where it is not kept in parts.", source="Person Standard line1, line2"),
    ] = UNSET
    room: Annotated[Maybe[str], Leaf("Room.", source="SSD addr_address_json ROOM")] = UNSET
    floor: Annotated[Maybe[str], Leaf("Floor.", source="SSD addr_address_json FLOOR")] = UNSET
    flat: Annotated[Maybe[str], Leaf("Flat.", source="SSD addr_address_json FLAT")] = UNSET
    building: Annotated[Maybe[str], Leaf("Name of the building.", source="SSD addr_address_json BUILDING")] = UNSET
    number: Annotated[Maybe[str], Leaf("House number.", source="SSD addr_address_json HOUSE")] = UNSET
    street: Annotated[Maybe[str], Leaf("Street.", source="SSD addr_address_json STREET")] = UNSET
    town: Annotated[Maybe[str], Leaf("Town or city.", source="SSD addr_address_json TOWN")] = UNSET
    county: Annotated[Maybe[str], Leaf("County.", source="FHIR Address.district; HL7 v2 XAD.4")] = UNSET
    country: Annotated[Maybe[str], Leaf("Country, as the source writes it.", source="FHIR Address.country")] = UNSET
    postcode: Annotated[Maybe[str], Leaf("Postcode.", source="SSD addr_address_postcode; DfE API postcode")] = UNSET
    uprn: Annotated[
        Maybe[str], Leaf("Unique property reference number.", source="SSD addr_address_json UPRN; Person Standard UPRN")
    ] = UNSET
    easting: Annotated[Maybe[str], Leaf("National Grid easting.", source="SSD addr_address_json EASTING")] = UNSET
    northing: Annotated[Maybe[str], Leaf("National Grid northing.", source="SSD addr_address_json NORTHING")] = UNSET
    status: Annotated[
        Maybe[str],
        Leaf(
            "Whether it is current, the last known, none known, or the child has left England.",
            codes="address_status",
            source="SI 2007/2182 Sch. 1 para 2",
        ),
    ] = UNSET
    return_intent: Annotated[
        Maybe[str],
        Leaf(
            "Whether a child who left England is to return within three years.",
            codes="return_intent",
            source="SI 2007/2182 Sch. 1 para 2",
        ),
    ] = UNSET
    period: Annotated[
        Maybe[Period],
        Leaf("When the child was there.", source="SSD addr_address_start_date, addr_address_end_date"),
    ] = UNSET


class Telecom(Item, kw_only=True):
    """A telephone number, e-mail address or the like."""

    system: Annotated[
        Maybe[str], Leaf("Means of contact.", codes="telecom_system", source="FHIR ContactPoint.system")
    ] = UNSET
    use: Annotated[Maybe[str], Leaf("Where it reaches.", codes="telecom_use", source="FHIR ContactPoint.use")] = UNSET
    value: Annotated[Maybe[str], Leaf("The number or address.", source="Person Standard contact")] = UNSET
    period: Annotated[Maybe[Period], Leaf("When it was in use.")] = UNSET


class Disability(Item, kw_only=True):
    """One disability; a child with none has an empty list, one who was not asked has no list."""

    code: Annotated[
        Maybe[str],
        Leaf("Kind of disability.", codes="disability", source="CIN Disability; SSD disa_disability_code"),
    ] = UNSET
    text: Annotated[Maybe[str], Leaf("The source's own words for it.")] = UNSET


class Language(Item, kw_only=True):
    """A language of the child."""

    code: Annotated[Maybe[str], Leaf("Language, as the source codes it.", source="FHIR Patient.communication")] = UNSET
    use: Annotated[
        Maybe[str], Leaf("`first`, `preferred` or `other`.", source="CAF form: child's first language; HL7 v2 PID-15")
    ] = UNSET
    interpreter: Annotated[
        Maybe[bool], Leaf("An interpreter or signer is needed.", source="CAF form; UK Core NHSCommunication")
    ] = UNSET


class Immigration(Item, kw_only=True):
    """An immigration status and when it held."""

    status: Annotated[
        Maybe[str], Leaf("Immigration status, as the source writes it.", source="SSD immi_immigration_status")
    ] = UNSET
    period: Annotated[
        Maybe[Period],
        Leaf("When it held.", source="SSD immi_immigration_status_start_date, immi_immigration_status_end_date"),
    ] = UNSET


class Asylum(Part, kw_only=True):
    """Unaccompanied asylum seeking."""

    unaccompanied: Annotated[
        Maybe[bool],
        Leaf("The child is or was an unaccompanied asylum-seeking child.", source="SSDA903 UASC; DfE API uasc_flag"),
    ] = UNSET
    ended: Annotated[
        Maybe[Date], Leaf("Day on which that status ended.", source="SSDA903 DUC; DfE API uasc_end_date")
    ] = UNSET


class Person(Part, kw_only=True):
    """The child: what the Person Standard holds, with sex and gender apart."""

    identifiers: Annotated[
        Maybe[list[Identifier]],
        Leaf(
            "Numbers by which systems know the child.", source="Person Standard identifier; SSD ssd_linked_identifiers"
        ),
    ] = UNSET
    names: Annotated[Maybe[list[Name]], Leaf("Names, former ones included.", source="SI 2007/2182 Sch. 1 para 1")] = (
        UNSET
    )
    birth: Annotated[Maybe[Birth], Leaf("Birth.", source="Person Standard dateOfBirth")] = UNSET
    death: Annotated[Maybe[Death], Leaf("Death.", source="Person Standard isDeceased, deceasedDate")] = UNSET
    sex: Annotated[Maybe[str], Leaf("Sex.", codes="sex", source="CIN Sex (from 2025); SSD pers_sex; SSDA903 SEX")] = (
        UNSET
    )
    gender: Annotated[
        Maybe[str],
        Leaf(
            "Gender.",
            codes="gender",
            source="CIN GenderCurrent (to 2024); SSD pers_gender; SI 2007/2182 Sch. 1 para 3",
        ),
    ] = UNSET
    ethnicity: Annotated[
        Maybe[str],
        Leaf("Ethnicity.", codes="ethnicity", source="CIN Ethnicity; SSDA903 ETHNIC; SSD pers_ethnicity"),
    ] = UNSET
    ethnicity_text: Annotated[Maybe[str], Leaf("The source's own, often finer, code or word for the ethnicity.")] = (
        UNSET
    )
    religion: Annotated[Maybe[str], Leaf("Religion.", source="CAF form; HL7 v2 PID-17")] = UNSET
    nationality: Annotated[Maybe[str], Leaf("Nationality or country of origin.", source="SSD pers_nationality")] = UNSET
    disabilities: Annotated[
        Maybe[list[Disability]],
        Leaf("Disabilities; an empty list or none: the child has none.", source="CIN Disabilities; SSD ssd_disability"),
    ] = UNSET
    disabled: Annotated[
        Maybe[bool],
        Leaf("The child is disabled, said with or without saying how.", source="CAF form: is the child disabled?"),
    ] = UNSET
    languages: Annotated[Maybe[list[Language]], Leaf("Languages.", source="CAF form; HL7 v2 PID-15")] = UNSET
    addresses: Annotated[
        Maybe[list[Address]],
        Leaf("Addresses now and before.", source="SSD ssd_address; SI 2007/2182 Sch. 1 para 2", guards=SHIELDED),
    ] = UNSET
    telecoms: Annotated[
        Maybe[list[Telecom]], Leaf("How to reach the child.", source="Person Standard contact", guards=SHIELDED)
    ] = UNSET
    immigration: Annotated[
        Maybe[list[Immigration]], Leaf("Immigration statuses.", source="SSD ssd_immigration_status")
    ] = UNSET
    asylum: Annotated[Maybe[Asylum], Leaf("Unaccompanied asylum seeking.", source="SSDA903 UASC file")] = UNSET
    mother: Annotated[
        Maybe[bool], Leaf("The child is herself a mother.", source="SSDA903 MOTHER; SSD pers_is_mother")
    ] = UNSET
    shielded: Annotated[
        Maybe[bool],
        Leaf(
            "Where the child is must not be found out: only name, gender, birth and number may be shown.",
            source="SI 2007/2182 (shielding)",
            critical=True,
        ),
    ] = UNSET
    restricted: Annotated[
        Maybe[bool],
        Leaf("The source lets only named workers open this record.", source="Hackney case viewer `restricted`"),
    ] = UNSET
