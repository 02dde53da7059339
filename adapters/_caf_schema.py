"""The form of a common assessment as a tree: what the adapters of its carriers (XML, Word) read and write alike.

The fields are those of the national form (social-care facts 4.2: its texts, for the schema of National eCAF is not
public). A tree is one child's. A form about several children is a tree a child: `Child` is the child's own, all else
stands in each of them, and all have one Reference and one FamilyId. What a local form asks besides is an Answer under
the heading it has there, and an element keeps the heading it has there; the mapping and its overlays know what the
headings mean.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from hub.adapter import Schema, Tree

_ADDRESS = "Line[] Room Floor Flat Building Number Street Town County Postcode Uprn"


def _address(prefix: str) -> str:
    return "".join(f"{prefix}.{name}  text\n" for name in _ADDRESS.split())


SCHEMA = Schema.parse(f"""
Reference                                       text    <=48  # unique number of the form; none: not begun yet
FamilyId                                        text    <=48  # of the family, in a form about several children
Form                                            text          # which form: CAF, or a local form's own title
Version                                         text
Started                                         date          # of the assessment

# Pre-assessment checklist
Checklist.Date                                  date
Checklist.By                                    text
Checklist.Aim[].Aim                             text !        # one of the five Every Child Matters outcomes
Checklist.Aim[].Met                             text          # yes, no or not sure, as written
Checklist.Aim[].Comment                         text
Checklist.Needed                                boolean       # is a common assessment needed?
Checklist.Comment                               text

# Identifying details
Child.Id                                        text !  <=48  # a form of one child that has none: the Reference
Child.UnbornOf                                  text          # "unborn baby of ..."
Child.Name.Title                                text
Child.Name.Given                                text
Child.Name.Middle                               text
Child.Name.Family                               text
Child.Name.Full                                 text          # where the name stands in one text
Child.OtherNames.Name[].Use                     text          # alias, former...; none: AKA or previous
Child.OtherNames.Name[].Given                   text
Child.OtherNames.Name[].Family                  text
Child.OtherNames.Name[].Full                    text
Child.Gender                                    text
Child.BirthDate                                 date
Child.ExpectedBirthDate                         date
Child.Identifiers.Identifier[].System           text !        # nhs, upn...
Child.Identifiers.Identifier[].Value            text
Child.Identifiers.Identifier[].Use              text
Child.Addresses.Address[].Use                   text
{_address("Child.Addresses.Address[]")}
Child.Addresses.Address[].Start                 date
Child.Addresses.Address[].End                   date
Child.Contacts.Contact[].System                 text          # phone, email...
Child.Contacts.Contact[].Use                    text
Child.Contacts.Contact[].Value                  text
Child.Religion                                  text
Child.Ethnicity                                 text          # the box ticked, in the form's words
Child.EthnicityText                             text
Child.ImmigrationStatus                         text
Child.FirstLanguage                             text
Child.ParentFirstLanguage                       text
Child.Disabled                                  boolean
Child.Disabilities.Disability[].Code            text
Child.Disabilities.Disability[].Text            text
Child.InterpreterRequired                       boolean       # or signer
Child.InterpreterArranged                       text
Child.SpecialRequirements                       text          # of child or parent
Child.SpecialNeeds                              boolean       # special educational needs
Child.Answers.Answer[].Section                  text          # what a local form asks about this child, as below
Child.Answers.Answer[].Heading                  text !
Child.Answers.Answer[].Text                     text

# Assessment information
Present.Person[].Name                           text
Present.Person[].Role                           text
Reason                                          text          # what has led to the child being assessed

# Parents and carers, and whom a local form's list of the family names
Family.Member[].List                            text          # carer: among parents and carers; family: in such a list
Family.Member[].Id                              text    <=48
Family.Member[].Name                            text
Family.Member[].Given                           text
Family.Member[].Family                          text
Family.Member[].Relationship                    text          # to the child, in the form's word
Family.Member[].RelationshipText                text          # where Relationship has no word for it
Family.Member[].ParentalResponsibility          boolean
Family.Member[].Cares                           boolean
Family.Member[].Gender                          text
Family.Member[].BirthDate                       date
Family.Member[].Contacts.Contact[].System       text
Family.Member[].Contacts.Contact[].Use          text
Family.Member[].Contacts.Contact[].Value        text
{_address("Family.Member[].Addresses.Address[]")}
HomeSituation                                   text          # current home and family situation

# Who assessed, and the lead professional
Assessors.Assessor[].Name                       text
Assessors.Assessor[].Role                       text
Assessors.Assessor[].Organisation               text
Assessors.Assessor[].Phone                      text
Assessors.Assessor[].Email                      text
Assessors.Assessor[].Address                    text
Leads.Lead[].Sector                             text          # health: a health practitioner
Leads.Lead[].Name                               text
Leads.Lead[].Role                               text
Leads.Lead[].Organisation                       text
Leads.Lead[].Contact                            text          # telephone and e-mail address, in one text
Contact                                         text          # whom to ask about the form

# Services working with the child
Services.Gp[].Id                                text    <=48
Services.Gp[].Name                              text
Services.Gp[].Contact                           text
Services.Education[].Id                         text    <=48
Services.Education[].Name                       text
Services.Education[].Contact                    text
Services.Other[].Kind                           text
Services.Other[].Name                           text
Services.Other[].Organisation                   text
Services.Other[].Practitioner                   text
Services.Other[].Role                           text
Services.Other[].Contact                        text
Services.Other[].Start                          date
Services.Other[].End                            date

# The assessment, a heading of the form's three domains each; a form's own headings stand here as they are
Elements.Element[].Heading                      text !
Elements.Element[].Strengths                    text          # Signs of Safety: working well
Elements.Element[].Needs                        text          # Signs of Safety: worried about
Elements.Element[].NextSteps                    text          # Signs of Safety: what needs to happen
Elements.Element[].Score                        text          # as written, such as 3 of 1 to 5

# Conclusions, solutions and actions; the delivery plan
Conclusions.Strengths                           text
Conclusions.Needs                               text
Conclusions.Text                                text          # where they are not parted
Actions.Action[].Need                           text
Actions.Action[].DesiredOutcome                 text
Actions.Action[].Action                         text
Actions.Action[].Who                            text
Actions.Action[].When                           text          # as written: a day, or "by half term"
Actions.Action[].Aim                            text          # Every Child Matters outcome
Actions.Action[].Progress                       text
Actions.Action[].Completed                      date
Comments.Child                                  text
Comments.Parent                                 text

# Consent statement
Consent.Store                                   boolean
Consent.Share                                   boolean
Consent.ShareWith.Service[]                     text
Consent.Exceptions                              text
Consent.Signatures.Signature[].Capacity         text          # child, parent or assessor
Consent.Signatures.Signature[].Name             text
Consent.Signatures.Signature[].Date             date

# Reviews of the delivery plan, and closure
Reviews.Review[].Date                           date
Reviews.Review[].MeetingHeld                    boolean       # of the team around the child
Reviews.Review[].LastAssessment                 date
Reviews.Review[].Present.Person[].Name          text
Reviews.Review[].Present.Person[].Role          text
Reviews.Review[].Progress                       text
Reviews.Review[].NextSteps                      text
Reviews.Review[].ChildComments                  text
Reviews.Review[].ParentComments                 text
Reviews.Review[].NextReview                     date
Closure.Date                                    date
Closure.Reason                                  text
Closure.ChildComments                           text
Closure.ParentComments                          text

# What a local form asks besides: by the heading it has there, and the section that stands in
Answers.Answer[].Section                        text
Answers.Answer[].Heading                        text !
Answers.Answer[].Text                           text
""")
"""The fields of a Form in the order of the XSD; what repeats has `[]`."""


def parted(form: Tree) -> list[Tree]:
    """The trees of a form: one for each of `Children.Child[]`, each with a copy of all that they share.

    What stands in the child's `Own` takes the place of the shared field of that name.
    """
    shared = {name: value for name, value in form.items() if name != "Children"}
    trees = []
    for child in form["Children"]["Child"]:
        own = child.get("Own") or {}
        said = {name: value for name, value in child.items() if name != "Own"}
        trees.append(copy.deepcopy({**shared, **own, "Child": said}))
    return trees


def joined(trees: Sequence[Tree]) -> Tree:
    """The form of trees that have one Reference: what is the same in all stands once, the rest is the child's `Own`."""
    first, *others = trees
    shared = {
        name: value for name, value in first.items() if name != "Child" and all(value == o.get(name) for o in others)
    }
    children = []
    for tree in trees:
        own = {name: value for name, value in tree.items() if name != "Child" and name not in shared}
        children.append({**tree.get("Child", {}), "Own": own} if own else tree.get("Child", {}))
    return {**shared, "Children": {"Child": children}}
