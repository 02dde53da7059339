"""The people around the child and the families the child belongs to."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET

from hub.model.leaf import Item, Leaf, Maybe, Part
from hub.model.person import SHIELDED, Address, Birth, Period, Telecom


class RelatedPerson(Part, kw_only=True):
    """A person around the child, one level deep: no relationships of their own."""

    id: Annotated[
        Maybe[str], Leaf("Id of that person in the source.", source="SSD moth_person_id, moth_childs_person_id")
    ] = UNSET
    name: Annotated[
        Maybe[str], Leaf("Whole name where the source keeps it in one text.", source="SI 2007/2182 Sch. 1 para 6")
    ] = UNSET
    given: Annotated[Maybe[str], Leaf("First name.")] = UNSET
    family: Annotated[Maybe[str], Leaf("Surname.")] = UNSET
    birth: Annotated[Maybe[Birth], Leaf("Birth of that person.", source="SSD moth_childs_dob; SSDA903 MC_DOB")] = UNSET
    sex: Annotated[Maybe[str], Leaf("Sex.", codes="sex")] = UNSET
    gender: Annotated[Maybe[str], Leaf("Gender.", codes="gender")] = UNSET
    telecoms: Annotated[
        Maybe[list[Telecom]],
        Leaf("How to reach that person.", source="SI 2007/2182 Sch. 1 para 6", guards=SHIELDED),
    ] = UNSET
    addresses: Annotated[
        Maybe[list[Address]],
        Leaf("Where that person lives.", source="SI 2007/2182 Sch. 1 para 6", guards=SHIELDED),
    ] = UNSET


class Relationship(Item, kw_only=True):
    """A person's relationship towards this child: role is the other person's (`mother`: she is the child's mother)."""

    role: Annotated[
        Maybe[str],
        Leaf(
            "What the other person is to the child.",
            codes="relationship",
            source="NHS MIM PersonRelationshipType; Person Standard relatedPerson",
        ),
    ] = UNSET
    role_text: Annotated[Maybe[str], Leaf("The source's own word for the role.")] = UNSET
    parental_responsibility: Annotated[
        Maybe[bool],
        Leaf("That person has parental responsibility.", source="SI 2007/2182 Sch. 1 para 6; CAF form, parents/carers"),
    ] = UNSET
    carer: Annotated[Maybe[bool], Leaf("That person cares for the child.", source="SI 2007/2182 Sch. 1 para 6")] = UNSET
    person: Annotated[Maybe[RelatedPerson], Leaf("The other person.")] = UNSET
    listed: Annotated[
        Maybe[str],
        Leaf(
            "Where a form names that person: among parents and carers, or in the list of the family.",
            codes="caf_list",
            source="CAF form, parents/carers; local early-help forms: family list",
        ),
    ] = UNSET
    period: Annotated[Maybe[Period], Leaf("When the relationship held.")] = UNSET


class Family(Item, kw_only=True):
    """A family or household group, shared by the records of its children."""

    family: Annotated[
        Maybe[str],
        Leaf("Id of the family, the same in each child's record.", source="SSD fami_family_id", critical=True),
    ] = UNSET
