"""From the resources of a Bundle to one tree a patient, every reference followed.

A tree is the Patient with lists of what hangs on it under the types' names. In a reference, an entity (Practitioner,
Organization and the like) stands whole under its type's name; `Patient` is the tree's own patient; `CarePlan/7` is
another resource of the tree; anything else points outside and is left as it was. `replaces` holds the links of which
records of kind Merge tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters._fhir.bundle import HUB, UUID, Bundle, Entry, Record, is_sent
from adapters._fhir.links import MERGE, Replacing, is_bare, named, own_id, replacings
from adapters._fhir.shape import ENTITIES, FOLLOWS, SUBJECTS, Tree, shape, uses_in
from hub.adapter import Theirs
from hub.errors import RecordError
from hub.wire.jsontext import FALSE

FLAG_DETAIL = "http://hl7.org/fhir/StructureDefinition/flag-detail"
EPISODE = "http://hl7.org/fhir/StructureDefinition/workflow-episodeOfCare"
NHS_COMMUNICATION = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSCommunication"
INTERPRETER = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired"
NHS_LANGUAGE = (
    ("language", "valueCodeableConcept", "language"),
    ("interpreterRequired", "valueBoolean", "interpreter"),
)
MOST_NESTED = 5_000
"""Most entities that may stand within one patient's references."""


def theirs(bundle: Bundle, head: Tree, edition: str) -> Iterator[Theirs | RecordError]:
    """A record a patient, in order, after what could not be read; then one for each that takes another's place."""
    merges = replacings(bundle)
    yield from bundle.refused
    if bundle.header is not None:
        head = {**head, "MessageHeader": _Maker(bundle, Record()).header(bundle.header)}
    for record in bundle.records.values():
        if not is_bare(record) and (record.entries or not record.gone):
            yield _made(bundle, record, head, edition, None)
    for one in merges:
        yield _made(bundle, one.record, head, edition, one)
    for entry in bundle.entries:
        if entry.type in ENTITIES and not entry.used:
            told = "it hangs on no patient, and nothing that does refers to it"
            yield RecordError(told, file=bundle.file, place=f"{entry.place} ({entry.type})")


def _made(bundle: Bundle, record: Record, head: Tree, edition: str, merge: Replacing | None) -> Theirs | RecordError:
    """The record of a patient, or of its merge with another."""
    first = record.patient or record.entries[0]
    place = f"{first.place} ({first.type})"
    maker = _Maker(bundle, record)
    try:
        tree = maker.tree() if merge is None else maker.merged(merge)
    except RecordError as error:
        return RecordError(error.reason, file=bundle.file, place=place)
    updated = record.patient.resource.get("meta") if record.patient else None
    as_of = updated.get("lastUpdated") if isinstance(updated, dict) else None
    own = {**head, "as_of": as_of} if isinstance(as_of, str) else head
    kind, goes = ("Patient", "") if merge is None else (MERGE, merge.goes)
    return Theirs(kind, named(tree), tree, own, edition, place, superseded=goes)


class _Maker:
    """Makes the tree of one record."""

    def __init__(self, bundle: Bundle, record: Record) -> None:
        self.bundle, self.record = bundle, record
        self.left = MOST_NESTED

    def tree(self) -> Tree:
        """The Patient, and below it what hangs on it."""
        made = self.bundle.shielded(self.record, self._patient())
        below: dict[str, list[Tree]] = {}
        self._join()
        for entry in self.record.entries:
            if not entry.nested:
                below.setdefault(entry.type, []).extend(self._items(entry))
        held = made.get("contact")
        if isinstance(held, list) and held and all(isinstance(one, dict) for one in held):
            below.setdefault("RelatedPerson", []).extend(map(_contact_in, made.pop("contact")))
        return {**made, **{name: below[name] for name in SUBJECTS if name in below}}

    def header(self, entry: Entry) -> Tree:
        """A MessageHeader without what it is about, which follows from the records."""
        made = self._resource(entry, ())
        made.pop("focus", None)
        return made

    def merged(self, merge: Replacing) -> Tree:
        """Which record takes whose place; what the Patient that goes says of itself stands beside it, as it came."""
        made: Tree = {"id": merge.stays, "superseded": merge.goes}
        patient = self.record.patient
        if patient is None or own_id(patient) != merge.goes:
            return made
        said = self._resource(patient, ())
        said.pop("id", None)
        self._take_links(said)
        if said.get("active") == FALSE:
            del said["active"]
        return {**made, "Patient": said} if said else made

    def _take_links(self, made: Tree) -> list[Tree]:
        """The links that are told of by merges, out of a Patient."""
        if not self.record.followed:
            return []
        links = made.pop("link")
        left = [one for n, one in enumerate(links) if n not in self.record.followed]
        if left:
            made["link"] = left
        return [one for n, one in enumerate(links) if n in self.record.followed]

    def _patient(self) -> Tree:
        if self.record.patient is not None and not self.record.gone:
            made = self._resource(self.record.patient, ())
            _languages_in(made)
            uses_in(made)
            taken = self._take_links(made)
            return {**made, "replaces": taken} if taken else made
        if self.record.patient is not None:  # another takes its place: what hangs on it is still told of
            return _known_by(self.record.patient)
        said, text = self.record.said, self.record.said.get("reference")
        if isinstance(said.get("identifier"), dict) and not is_sent(said):
            number = {key: value for key, value in said["identifier"].items() if key in ("system", "value")}
            return uses_in({"identifier": [number]})
        own = str(text).removeprefix(UUID)
        return {"id": own.removeprefix("Patient/") if is_sent(said) else own.rpartition("/")[2]}

    def _join(self) -> None:
        """What stands within another: the plan in its flag, the team in its plan, the task in its request."""
        for entry in self.record.entries:
            if entry.type == "Flag":
                self._nest(entry, "CarePlan", _details(entry.resource))
            elif entry.type == "CarePlan":
                teams = entry.resource.get("careTeam")
                for said in teams if isinstance(teams, list) else ():
                    self._nest(entry, "CareTeam", [said])
            elif entry.type == "Task":
                found = self._mine(entry.resource.get("focus"), "ServiceRequest")
                if found is not None and "Task" not in found.resource:
                    found.resource["Task"], entry.nested = entry, True

    def _nest(self, above: Entry, name: str, said: list[Any]) -> None:
        for one in said:
            found = self._mine(one, name)
            if found is not None and not found.nested and found is not above:
                found.nested = True
                if above.type == "Flag":
                    above.resource[name] = found
                    return
                one[name] = found

    def _mine(self, said: Any, name: str) -> Entry | None:
        found = self.bundle.find(said) if isinstance(said, dict) else None
        return found if found is not None and found.type == name and found in self.record.entries else None

    def _items(self, entry: Entry) -> list[Tree]:
        """A resource as it hangs on the patient; a team of several as one for each that takes part."""
        made = self._resource(entry, ())
        more = made.pop("participant-more", None) if entry.type == "CareTeam" else None
        items = [made]
        for n, one in enumerate(more or (), 2):
            own = {"id": f"{made['id']}#{n}"} if "id" in made else {}
            items.append({**made, **own, "participant": one})
        return items

    def _resource(self, entry: Entry, stack: tuple[Entry, ...]) -> Tree:
        """A resource with its references followed, in the shape of a tree, without that to the patient."""
        resource = dict(entry.resource)
        held = resource.pop("contained", None)
        inner = {
            one["id"]: one
            for one in (held if isinstance(held, list) else ())
            if isinstance(one, dict) and isinstance(one.get("id"), str) and one.get("resourceType") in ENTITIES
        }
        used: set[str] = set()
        made = self._follow(resource, (*stack, entry), inner, used)
        left = [one for one in held if not (isinstance(one, dict) and one.get("id") in used)] if held else []
        if left:
            made["contained"] = left
        made.pop("resourceType", None)
        made.pop("id", None)
        subject = SUBJECTS.get(entry.type, "")
        if isinstance(made.get(subject), dict):
            rest = {
                key: value for key, value in made[subject].items() if key not in ("reference", "identifier", "type")
            }
            made[subject] = rest
            if not rest:
                del made[subject]
        _strip_hub(made)
        if entry.type == "Flag" and isinstance(made.get("CarePlan"), dict):
            _flag_in(made)
        return {**({"id": entry.id} if entry.id else {}), **shape(made, entry.type)}

    def _follow(self, value: Any, stack: tuple[Entry, ...], inner: Tree, used: set[str]) -> Any:
        if isinstance(value, Entry):
            return self._resource(value, stack)
        if type(value) is list:
            return [self._follow(one, stack, inner, used) for one in value]
        if type(value) is not dict:
            return value
        made = {key: self._follow(one, stack, inner, used) for key, one in value.items()}
        text = value.get("reference")
        if isinstance(text, str):
            self._refer(made, text, stack, inner, used)
        return made

    def _refer(self, made: Tree, text: str, stack: tuple[Entry, ...], inner: Tree, used: set[str]) -> None:
        """One Reference: the entity it points at stands in it, or it gets the name that this tree knows."""
        if text.startswith("#") and text[1:] in inner and len(stack) < 8:
            one = inner[text[1:]]
            used.add(text[1:])
            self._count()
            made.pop("reference")
            body = {key: value for key, value in one.items() if key not in ("resourceType", "id")}
            below = {key: value for key, value in inner.items() if key != text[1:]}
            made[one["resourceType"]] = self._follow(body, stack, below, used)
            _strip_hub(made[one["resourceType"]], keep=True)
            return
        found = self.bundle.by_url.get(text.partition("/_history/")[0])
        if found is None:
            return
        if found.type in made and found.nested:  # a team within its plan
            made.pop("reference")
        elif found is self.record.patient:
            made["reference"] = "Patient"
        elif found.type in ENTITIES and found not in stack and len(stack) < 8:
            self._count()
            made.pop("reference")
            found.used = True
            made[found.type] = self._resource(found, stack)
        elif found.id:
            made["reference"] = f"{found.type}/{found.id}"

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise RecordError(f"more than {MOST_NESTED} references to practitioners and organisations")


def _known_by(patient: Entry) -> Tree:
    """No more of a Patient than by what it is known."""
    if patient.id:
        return {"id": patient.id}
    listed = patient.resource["identifier"]  # not empty: it says whose place is taken by its own id
    number = next(one for one in listed if isinstance(one, dict) and isinstance(one.get("value"), str))
    return {"identifier": [{key: value for key, value in number.items() if key in ("system", "value")}]}


def _strip_hub(made: Tree, keep: bool = False) -> None:
    """Take the hub's own identifier away; keep: its value becomes the id (of what is contained, which has none)."""
    held = made.get("identifier")
    if not isinstance(held, list):
        return
    own = [one for one in held if isinstance(one, dict) and str(one.get("system", "")).startswith(HUB)]
    if own and keep:
        made["id"] = own[0].get("value", "")
    if own and len(own) == len(held):
        del made["identifier"]
    elif own:
        made["identifier"] = [one for one in held if one not in own]


def _details(flag: Tree) -> list[Any]:
    held = flag.get("extension")
    found = [one for one in held if isinstance(one, dict)] if isinstance(held, list) else []
    return [one.get("valueReference") for one in found if one.get("url") == FLAG_DETAIL]


def _flag_in(flag: Tree) -> None:
    """A flag whose plan stands in it: without the reference to it, and with the episode that the plan belongs to."""
    plan = flag["CarePlan"]
    name = f"CarePlan/{plan.get('id', '')}"
    _drop_extension(flag, FLAG_DETAIL, name)
    wrong = plan.get("status") == flag.get("status") == "entered-in-error"
    if wrong or (plan.get("status") == "completed" and FOLLOWS["Flag"](flag)["status"] == "inactive"):
        del plan["status"]
    for one in plan.get("extension") or ():
        said = one.get("valueReference") if isinstance(one, dict) and one.get("url") == EPISODE else None
        text = said.get("reference") if isinstance(said, dict) and len(said) == 1 else None
        if isinstance(text, str) and text.startswith("EpisodeOfCare/"):
            flag["episode"] = text.partition("/")[2]
            _drop_extension(plan, EPISODE, text)
            return


def _drop_extension(holder: Tree, url: str, text: str) -> None:
    reference = {"url": url, "valueReference": {"reference": text}}
    left = [one for one in holder.get("extension") or () if one != reference]
    if left:
        holder["extension"] = left
    else:
        holder.pop("extension", None)


def _contact_in(contact: Tree) -> Tree:
    """A contact of the Patient as a related person, marked as one."""
    made = {**contact, "contact": "true"}
    if isinstance(made.get("address"), dict):
        made["address"] = [made["address"]]
    return made


def _languages_in(patient: Tree) -> None:
    """Both ways in which UK systems say languages and interpreters as one list, `nhs` marking PDS's."""
    held = patient.get("extension")
    spoken = patient.get("communication")
    items = list(spoken) if isinstance(spoken, list) else []
    left = []
    for one in held if isinstance(held, list) else ():
        url = one.get("url") if isinstance(one, dict) else None
        if url == INTERPRETER and set(one) == {"url", "valueBoolean"} and "interpreter" not in (items or [{}])[0]:
            items[:1] = [{**(items or [{}])[0], "interpreter": one["valueBoolean"]}]
        elif url == NHS_COMMUNICATION and (said := _nhs_language(one)):
            items.append(said)
        else:
            left.append(one)
    if items and all(isinstance(one, dict) for one in items):
        patient["communication"] = [_preferred(one) for one in items]
        patient["extension"] = left
        if not left:
            del patient["extension"]


def _preferred(one: Tree) -> Tree:
    """An item whose mark is a text, by which a mapping can choose."""
    return {**one, "preferred": str(one["preferred"])} if isinstance(one.get("preferred"), str) else one


def _nhs_language(one: Tree) -> Tree:
    """PDS's language extension as an item of the list; none where it is not as PDS writes it."""
    parts = one.get("ext")
    if set(one) != {"url", "ext"} or not isinstance(parts, dict):
        return {}
    found: Tree = {"nhs": "true"}
    for name, key, ours in NHS_LANGUAGE:
        said = parts.get(name)
        if said is not None:
            if set(said) != {key}:
                return {}
            found[ours] = said[key]
    return found if len(found) == len(parts) + 1 else {}


__all__ = ["EPISODE", "FLAG_DETAIL", "INTERPRETER", "NHS_COMMUNICATION", "NHS_LANGUAGE", "theirs"]
