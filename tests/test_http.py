"""HTTP: what each answer, and each lack of one, means for a parcel; nothing of a record in a URL, header or error."""

from __future__ import annotations

import json
import ssl
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from hub.connect import Connection, faults, notes, open_inlet, open_outlet
from hub.connect.http import fhir
from hub.connect.http.told import NHS_NUMBER
from hub.connect.port import no_hook
from hub.errors import DeclarationError, Refused, Unanswered, Unavailable
from hub.message import Each, NotTried, Parcel, Sent
from tests.forks import Killer, start
from tests.peers import medplum
from tests.wards import certificates, free_port
from tests.webs import Asked, Resources, Told, Web

SECRET = "Zanzibarcanary"
NUMBER = "9990001006"


def connection(home: Path = Path(), records: int = 1, **settings: Any) -> Connection:
    asked = Connection("fhir", "http", settings, home, records)
    assert faults(asked) == []
    return asked


def outlet(url: str, send: str = "post", hook: Callable[[str], None] = no_hook, **settings: Any) -> Any:
    home, records = settings.pop("home", Path()), settings.pop("records", 1)
    return open_outlet(connection(home, records, url=url, send=send, **{"timeout": 2, **settings}), hook)


def parcel(n: int = 1, data: bytes | dict[str, Any] = b"<a/>", count: int = 1, suffix: str = ".xml") -> Parcel:
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    key = uuid.uuid5(uuid.NAMESPACE_DNS, str(n)).bytes
    return Parcel(key=key, target="fhir", numbers=list(range(n, n + count)), data=content, suffix=suffix, number=n)


def one(target: Any, sent: Parcel | None = None) -> Any:
    [answer] = target.send([sent or parcel()])
    return answer


def patient(gender: str = "female", number: str = NUMBER, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "identifier": [{"system": NHS_NUMBER, "value": number}],
        "name": [{"family": SECRET}],
        "gender": gender,
        **more,
    }


def transaction(*resources: dict[str, Any], kind: str = "transaction") -> dict[str, Any]:
    entries = [{"resource": each, "request": {"method": "POST", "url": each["resourceType"]}} for each in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def outcome(code: str = "required", expression: str = "Patient.gender", severity: str = "error") -> dict[str, Any]:
    issue = {"severity": severity, "code": code, "diagnostics": SECRET, "details": {"text": SECRET}}
    return {"resourceType": "OperationOutcome", "issue": [{**issue, "expression": [expression]}]}


def answers(*statuses: Any, kind: str = "transaction-response") -> dict[str, Any]:
    told = [status if isinstance(status, dict) else {"status": status} for status in statuses]
    return {"resourceType": "Bundle", "type": kind, "entry": [{"response": each} for each in told]}


# Plain requests


def test_a_parcel_is_posted_with_a_key_that_is_the_same_however_often(opened: Any) -> None:
    web = opened(Web())
    target = opened(outlet(web.url))
    sent = parcel()
    assert one(target, sent) == Sent("200")
    assert one(target, sent) == Sent("200")
    first, second = web.got
    assert (first.method, first.path, first.body) == ("POST", "/", b"<a/>")
    assert first.headers["content-type"] == "application/xml"
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == sent.key.hex()
    assert uuid.UUID(first.headers["x-request-id"]).version == 4
    assert SECRET not in str([each.headers for each in web.got])


@pytest.mark.parametrize(
    ("status", "kind", "whole", "words"),
    [
        (200, Sent, False, ""),
        (204, Sent, False, ""),
        (400, Refused, False, "will not have it (400)"),
        (413, Refused, False, "will not have it (413)"),
        (422, Refused, False, "will not have it (422)"),
        (401, Unavailable, True, "does not let us (401)"),
        (403, Unavailable, True, "does not let us (403)"),
        (404, Unavailable, True, "look at 'url'"),
        (405, Unavailable, True, "look at 'url'"),
        (302, Unavailable, True, "name the address itself (302)"),
        (409, Unavailable, False, "just now (409)"),
        (429, Unavailable, True, "takes nothing now (429)"),
        (503, Unavailable, True, "takes nothing now (503)"),
        (500, Unanswered, False, "failed while it had it (500)"),
        (502, Unanswered, False, "failed while it had it (502)"),
        (504, Unanswered, False, "failed while it had it (504)"),
    ],
)
def test_what_a_status_means(opened: Any, status: int, kind: type, whole: bool, words: str) -> None:
    web = opened(Web(lambda asked: Told(status, SECRET.encode(), {"Location": f"http://example.org/{SECRET}"})))
    told = one(opened(outlet(web.url)))
    assert type(told) is kind
    assert getattr(told, "whole", False) is whole
    assert words in str(told)
    assert SECRET not in str(told)
    assert len(web.got) == 1, "no redirect is followed"


def test_retry_after_is_the_targets_own_wish(opened: Any) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    for said, low, high in (("7", 7, 7), (soon, 80, 90), ("99999999", 86_400, 86_400)):
        web = opened(Web(lambda asked, said=said: Told(503, headers={"Retry-After": said})))
        assert low <= one(opened(outlet(web.url))).after <= high
    for said in ("soon", "-5", "٣", ""):
        web = opened(Web(lambda asked, said=said: Told(429, headers={"Retry-After": said.encode().decode("latin-1")})))
        assert one(opened(outlet(web.url))).after is None


def test_nothing_more_is_sent_once_the_server_takes_nothing(opened: Any) -> None:
    web = opened(Web(lambda asked: Told(503)))
    told = opened(outlet(web.url)).send([parcel(1), parcel(2), parcel(3)])
    assert [type(each) for each in told] == [Unavailable, NotTried, NotTried]
    assert len(web.got) == 1


def test_a_connection_that_never_came_to_be_is_the_targets_trouble(opened: Any, tmp_path: Path) -> None:
    files = certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files["cert"], files["key"])
    web = opened(Web(context=context))
    assert isinstance(one(opened(outlet(web.url, ca=files["ca"]))), Sent)
    for url, why in (
        (f"http://127.0.0.1:{free_port()}", "connection refused"),
        (web.url, "its certificate is not trusted"),
        ("https://nowhere.invalid", "there is no machine of that name"),
        (f"https://127.0.0.1:{opened(Web()).port}", "TLS failed"),
    ):
        told = one(opened(outlet(url)))
        assert (type(told), told.whole) == (Unavailable, True)
        assert why in str(told)


def test_a_client_certificate_is_shown_where_one_is_asked_for(opened: Any, tmp_path: Path) -> None:
    files = certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=files["ca"])
    context.load_cert_chain(files["cert"], files["key"])
    context.verify_mode = ssl.CERT_REQUIRED
    web = opened(Web(context=context))
    assert isinstance(one(opened(outlet(web.url, **files))), Sent)
    assert isinstance(one(opened(outlet(web.url, ca=files["ca"]))), Unavailable)


@pytest.mark.parametrize("told", [Told(cut=True), Told(wait=30)])
def test_a_connection_that_ends_after_the_bytes_left_is_unanswered(opened: Any, told: Told) -> None:
    web = opened(Web(lambda asked: told))
    target = opened(outlet(web.url, timeout=0.5))
    answer = one(target)
    assert type(answer) is Unanswered
    assert not answer.whole
    assert len(web.got) == 1, "nothing is sent again behind the flow's back"


def test_several_without_an_answer_are_the_targets_trouble(opened: Any) -> None:
    web = opened(Web(lambda asked: Told(500)))
    target = opened(outlet(web.url))
    assert [each.whole for each in (one(target, parcel(n)) for n in (1, 2, 3))] == [False, False, True]
    assert not one(target, parcel(3)).whole
    web.tell = lambda asked: Told()
    assert isinstance(one(target, parcel(4)), Sent)
    web.tell = lambda asked: Told(500)
    assert not one(target, parcel(5)).whole


def test_a_server_that_ends_idle_connections_costs_nothing(opened: Any) -> None:
    web = opened(Web(lambda asked: Told(headers={"Connection": "close"})))
    target = opened(outlet(web.url))
    assert all(isinstance(one(target, parcel(n)), Sent) for n in range(5))


def test_an_answer_that_never_ends_is_not_read_to_its_end(opened: Any) -> None:
    web = opened(Web(lambda asked: Told(body=b"x" * 3_000_000)))
    assert type(one(opened(outlet(web.url, largest=1)))) is Unanswered


def test_a_list_that_is_refused_as_a_whole_is_sent_one_by_one(opened: Any) -> None:
    """As the DfE's service does, which names no record: one bad child must not hold up ninety-nine others."""

    def tell(asked: Asked) -> Told:
        return Told(400) if any(child["id"] == 3 for child in asked.json()) else Told(200)

    web = opened(Web(tell))
    target = opened(outlet(web.url, records=100))
    assert target.records == 100
    sent = parcel(1, json.dumps([{"id": n, "weight": 1.10} for n in range(1, 6)]).encode(), 5, ".json")
    told = one(target, sent)
    assert isinstance(told, Each)
    assert [type(each) for each in told.answers] == [Sent, Sent, Refused, Sent, Sent]
    assert len({each.headers["idempotency-key"] for each in web.got}) == 6
    assert web.got[1].body == b'[{"id": 1, "weight": 1.1}]', "each as it stood in the list"
    again = one(target, sent)
    assert web.got[1].headers["idempotency-key"] == web.got[7].headers["idempotency-key"]
    assert isinstance(again, Each)


@pytest.mark.parametrize("data", [b"[1]", b"not json", b"[1,2,3]", b'{"a": 1}', b"["])
def test_what_is_no_list_of_the_messages_is_refused_as_a_whole(opened: Any, data: bytes) -> None:
    web = opened(Web(lambda asked: Told(400)))
    assert isinstance(one(opened(outlet(web.url, records=2)), parcel(1, data, 2)), Refused)
    assert len(web.got) == 1


def test_put_under_a_key_of_its_own_is_one_effect(opened: Any) -> None:
    held: dict[str, bytes] = {}

    def tell(asked: Asked) -> Told:
        if asked.method == "GET":
            return Told(200, held[asked.path]) if asked.path in held else Told(404)
        assert asked.headers["if-none-match"] == "*"
        if asked.path in held:
            return Told(412)
        held[asked.path] = asked.body
        return Told(cut=True)

    web = opened(Web(tell))
    target = opened(outlet(f"{web.url}/in/{{key}}", "put"))
    sent = parcel()
    assert type(one(target, sent)) is Unanswered
    assert one(target, sent) == Sent("there already")
    assert held == {f"/in/{sent.key.hex()}": b"<a/>"}
    held[f"/in/{sent.key.hex()}"] = b"<b/>"
    assert isinstance(one(target, sent), Refused)


def test_put_over_what_was_read(opened: Any) -> None:
    held = [1, b"<old/>"]
    meddle = {"with": b""}

    def tell(asked: Asked) -> Told:
        tag = {"ETag": f'"{held[0]}"'}
        if asked.method == "GET":
            return Told(200, held[1], tag)  # type: ignore[arg-type]
        if meddle["with"]:
            held[:] = [held[0] + 1, meddle.pop("with")]  # type: ignore[operator]
            meddle["with"] = b""
        if asked.headers["if-match"] != f'"{held[0]}"':
            return Told(412)
        held[:] = [held[0] + 1, asked.body]  # type: ignore[operator]
        return Told(200, headers={"ETag": f'"{held[0]}"'})

    web = opened(Web(tell))
    target = opened(outlet(web.url, "put", match=True))
    assert one(target) == Sent('200 "2"')
    meddle["with"] = b"<theirs/>"
    told = one(target, parcel(2, b"<c/>"))
    assert type(told) is Unavailable
    assert "changed by another" in str(told)
    assert one(target, parcel(2, b"<c/>")) == Sent('200 "4"')
    meddle["with"] = b"<d/>"
    assert one(target, parcel(3, b"<d/>")) == Sent('there already "5"'), "the 412 was our own, earlier"


# FHIR


def test_a_transaction_is_accepted_and_found_by_a_server_of_somebody_else(opened: Any, tmp_path: Path) -> None:
    program, base = medplum(tmp_path / "log")
    opened(program)
    target = opened(outlet(base, "transaction"))
    target.ready()
    entry = {"method": "PUT", "url": f"Patient?identifier={NHS_NUMBER}|{NUMBER}"}
    bundle = transaction(patient())
    bundle["entry"][0]["request"] = entry
    for _ in range(2):
        told = one(target, parcel(1, bundle, suffix=".json"))
        assert isinstance(told, Sent), told
    bad = one(target, parcel(2, transaction(patient(gender=1)), suffix=".json"))  # type: ignore[arg-type]
    assert type(bad) is Refused
    assert "400: structure at Patient.gender" in str(bad)
    inlet = opened(open_inlet(connection(url=base, search="Patient?_count=10"), no_hook))
    [arrival] = list(inlet.fetch())
    with arrival.document.open() as stream:
        found = fhir.found_resources(stream.read(), "Patient")
    assert [each["identifier"][0]["value"] for each in found] == [NUMBER], "one, though it was sent twice"


def test_a_resource_is_created_once_then_replaced_at_a_server_of_somebody_else(opened: Any, tmp_path: Path) -> None:
    program, base = medplum(tmp_path / "log")
    opened(program)
    target = opened(outlet(base, "resource"))
    assert one(target, parcel(1, patient())).receipt.startswith('201 W/"')
    assert one(target, parcel(1, patient())).receipt.startswith('there already W/"')
    assert one(target, parcel(2, patient("male"))).receipt.startswith('200 W/"')
    assert one(target, parcel(3, patient("unknown", number="9990001014"))).receipt.startswith("201")
    refused = one(target, parcel(4, {**patient(), "gender": ["x"]}))
    assert type(refused) is Refused


def test_a_resource_is_searched_by_post_and_written_if_it_is_still_what_was_read(opened: Any) -> None:
    server = Resources()
    web = opened(Web(server))
    target = opened(outlet(web.url, "resource"))
    server.lost = {"POST": 1, "PUT": 1}
    told = one(target, parcel(1, patient()))
    assert (type(told), told.after) == (Unanswered, 30.0), "it may be at it still"
    assert one(target, parcel(1, patient())).receipt == 'there already W/"1"'
    assert type(one(target, parcel(2, patient("male")))) is Unanswered
    assert one(target, parcel(2, patient("male"))).receipt == 'there already W/"2"'
    assert len(server.held) == 1
    assert all(NUMBER not in each.path + str(each.headers) for each in web.got)
    posts = [each for each in web.got if each.method == "POST" and not each.path.endswith("_search")]
    assert len(posts) == 1
    assert [each.headers["if-match"] for each in web.got if each.method == "PUT"] == ['W/"1"']


def test_a_resource_that_another_changes_in_between_is_not_overwritten(opened: Any) -> None:
    server = Resources()
    server.held["p0"] = 1, {**patient("other"), "id": "p0"}

    def tell(asked: Asked) -> Told:
        if asked.method == "PUT" and server.held["p0"][0] == 1:
            server.held["p0"] = 2, {**patient("unknown"), "id": "p0"}
        return server(asked)

    web = opened(Web(tell))
    target = opened(outlet(web.url, "resource"))
    told = one(target, parcel(1, patient()))
    assert type(told) is Unavailable
    assert not told.whole
    assert server.held["p0"][1]["gender"] == "unknown"
    assert one(target, parcel(1, patient())).receipt == '200 W/"3"'


def test_a_resource_with_an_id_of_ours_goes_to_that_id(opened: Any) -> None:
    server = Resources()
    web = opened(Web(server))
    target = opened(outlet(web.url, "resource"))
    assert one(target, parcel(1, patient(id="x1"))).receipt == '201 W/"1"'
    assert one(target, parcel(1, patient(id="x1"))).receipt == 'there already W/"1"'
    assert one(target, parcel(2, patient("male", id="x1"))).receipt == '200 W/"2"'
    assert [each.path for each in web.got if each.method != "GET"] == ["/Patient/x1"] * 2


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ({"resourceType": "Patient"}, "no identifier"),
        (
            {**patient(), "identifier": [*patient()["identifier"], *patient(number="9990001014")["identifier"]]},
            "several",
        ),
        ({"gender": "female"}, "no FHIR resource"),
        ({"resourceType": "../x"}, "no FHIR resource"),
    ],
)
def test_a_resource_that_cannot_be_told_from_others_is_refused(opened: Any, resource: Any, words: str) -> None:
    web = opened(Web(Resources()))
    told = one(opened(outlet(web.url, "resource")), parcel(1, resource))
    assert type(told) is Refused
    assert words in str(told)
    assert web.got == []


def test_an_id_that_is_a_number_of_the_person_goes_into_no_url(opened: Any) -> None:
    """As at the PDS, where a patient's id is the NHS number."""
    server = Resources()
    server.held[NUMBER] = 1, {**patient("other"), "id": NUMBER}
    web = opened(Web(server))
    for resource in (patient(id=NUMBER), patient()):
        told = one(opened(outlet(web.url, "resource")), parcel(1, resource))
        assert type(told) is Refused
        assert "goes into no URL" in str(told)
        assert NUMBER not in str(told)
    assert all(NUMBER not in each.path for each in web.got)
    assert server.held[NUMBER][1]["gender"] == "other"


def test_two_resources_there_with_one_identifier_are_not_chosen_between(opened: Any) -> None:
    server = Resources()
    for name in ("a", "b"):
        server.held[name] = 1, {**patient(), "id": name}
    told = one(opened(outlet(opened(Web(server)).url, "resource")), parcel(1, patient("male")))
    assert type(told) is Refused
    assert "has 2 resources" in str(told)


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (200, answers("201 Created", "200"), Sent, ""),
        (200, answers("201", {"status": "422", "outcome": outcome()}), Refused, "entry 2: required at Patient.gender"),
        (200, answers("201", "503"), Unavailable, "(503: entry 2)"),
        (200, answers("400", "500"), Unanswered, "(500: entry 2)"),
        (200, answers("201"), Unanswered, "did not answer for every entry"),
        (200, answers("201", "what"), Unanswered, "(500: entry 2)"),
        (200, outcome(), Refused, "(200: required at Patient.gender)"),
        (200, outcome(severity="warning"), Sent, ""),
        (200, {}, Sent, ""),
        (422, outcome(expression=f"Patient.{SECRET}"), Refused, "(422: required)"),
        (422, outcome(SECRET), Refused, "(422)"),
        (412, outcome("multiple-matches"), Refused, "several that its conditions mean (412: multiple-matches"),
    ],
)
def test_the_outcomes_of_a_transaction_by_index(opened: Any, status: int, body: Any, kind: type, words: str) -> None:
    web = opened(Web(lambda asked: Told(status, body)))
    sent = transaction(patient(), {"resourceType": "Flag"})
    told = one(opened(outlet(web.url, "transaction")), parcel(1, sent))
    assert type(told) is kind
    assert words in str(told)
    assert SECRET not in str(told)


def test_a_batch_of_several_messages_is_answered_for_each(opened: Any) -> None:
    web = opened(Web(lambda asked: Told(200, answers("201", "422", "503", kind="batch-response"))))
    sent = transaction(*[{"resourceType": "Flag"}] * 3, kind="batch")
    told = one(opened(outlet(web.url, "transaction")), parcel(1, sent, 3))
    assert isinstance(told, Each)
    assert [type(each) for each in told.answers] == [Sent, Refused, Unavailable]


def message_bundle(own: str = fhir.NIL.decode()) -> dict[str, Any]:
    header = {"resourceType": "MessageHeader", "id": own, "eventCoding": {"code": "servicerequest-request"}}
    entries = [{"fullUrl": f"urn:uuid:{own}", "resource": header}, {"resource": patient()}]
    return {"resourceType": "Bundle", "type": "message", "entry": entries}


def response(identifier: str, code: str, **more: Any) -> dict[str, Any]:
    header = {"resourceType": "MessageHeader", "response": {"identifier": identifier, "code": code}}
    return {"resourceType": "Bundle", "type": "message", "entry": [{"resource": header}, *more.get("entries", [])]}


@pytest.mark.parametrize(
    ("code", "named", "kind", "words"),
    [
        ("ok", "", Sent, ""),
        ("transient-error", "", Unavailable, "could not take it"),
        ("fatal-error", "", Refused, "required at Patient.gender"),
        ("ok", "another", Unanswered, "answered another message"),
    ],
)
def test_a_message_is_answered_by_a_message_that_names_it(
    opened: Any, code: str, named: str, kind: type, words: str
) -> None:
    def tell(asked: Asked) -> Told:
        own = asked.json()["entry"][0]["resource"]["id"]
        return Told(200, response(named or own, code, entries=[{"resource": outcome()}]))

    web = opened(Web(tell))
    target = opened(outlet(web.url, "message"))
    sent = parcel(1, message_bundle())
    assert target.stage(sent) == ""
    told = one(target, sent)
    assert type(told) is kind
    assert words in str(told)
    assert SECRET not in str(told)
    assert web.got[0].path == "/$process-message"
    own = web.got[0].json()["entry"][0]["resource"]["id"]
    assert uuid.UUID(own).bytes[:6] == sent.key[:6]
    assert web.got[0].json()["entry"][0]["fullUrl"] == f"urn:uuid:{own}"


@pytest.mark.parametrize("body", [b"", b"{}", json.dumps(outcome(severity="information")).encode()])
def test_a_message_may_be_taken_without_words(opened: Any, body: bytes) -> None:
    web = opened(Web(lambda asked: Told(202, body)))
    assert one(opened(outlet(web.url, "message")), parcel(1, message_bundle("x"))) == Sent("202")


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff", b"null", b'{"entry": 5}', b'{"entry": [{"resource": 1}]}'])
@pytest.mark.parametrize("send", ["transaction", "message", "resource", "post"])
def test_an_answer_of_junk_is_never_a_fault_of_ours(opened: Any, body: bytes, send: str) -> None:
    web = opened(Web(lambda asked: Told(200, body)))
    told = one(opened(outlet(web.url, send)), parcel(1, patient()))
    assert isinstance(told, Sent | Refused | Unavailable)


# Who we are


class Tokens:
    """An authorization server: `token` in the path; all else wants the last token it gave."""

    def __init__(self, public: Any) -> None:
        self.public, self.given, self.seen = public, 0, set[str]()
        self.lasts: Any = "599"
        self.refuse = False

    def __call__(self, asked: Asked) -> Told:
        if asked.path != "/token":
            good = asked.headers.get("authorization") == f"Bearer t{self.given}"
            return Told(200) if good else Told(401, SECRET.encode())
        if self.refuse:
            return Told(400, {"error": "invalid_client", "error_description": SECRET})
        form = dict(pair.split("=") for pair in asked.body.decode().split("&"))
        assert form["grant_type"] == "client_credentials"
        assert form["client_assertion_type"] == "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
        audience = f"http://{asked.headers['host']}/token"
        claims = jwt.decode(form["client_assertion"], self.public, algorithms=["RS512"], audience=audience)
        assert (claims["iss"], claims["sub"]) == ("our-key", "our-key")
        assert 0 < claims["exp"] - time.time() <= 300
        assert jwt.get_unverified_header(form["client_assertion"])["kid"] == "test-1"
        assert claims["jti"] not in self.seen, "each is used once"
        self.seen.add(claims["jti"])
        self.given += 1
        return Told(200, {"access_token": f"t{self.given}", "expires_in": self.lasts, "token_type": "Bearer"})


@pytest.fixture(scope="module")
def private_key() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any) -> str:
    kind = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return str(key.private_bytes(serialization.Encoding.PEM, *kind).decode())


def test_a_token_is_asked_for_with_a_signed_jwt_and_used_until_it_ends(
    opened: Any, private_key: Any, tmp_path: Path
) -> None:
    tokens = Tokens(private_key.public_key())
    web = opened(Web(tokens))
    (tmp_path / "private.pem").write_text(pem(private_key))
    for key in ("private.pem", pem(private_key)):
        tokens.given = 0
        auth = {"kind": "jwt", "token": f"{web.url}/token", "client": "our-key", "key": key, "kid": "test-1"}
        target = opened(outlet(web.url, auth=auth, home=tmp_path))
        assert all(isinstance(one(target, parcel(n)), Sent) for n in range(3))
        assert tokens.given == 1
        tokens.given = 7  # taken back there
        assert isinstance(one(target), Sent), "a token that is not taken any more is renewed once"
        assert tokens.given == 8
    tokens.lasts = 0
    short = opened(outlet(web.url, auth=auth, home=tmp_path))
    assert all(isinstance(one(short, parcel(n)), Sent) for n in range(3))
    assert tokens.given == 11, "one that is over is not used again"
    tokens.refuse = True
    told = one(short)
    assert (type(told), told.whole) == (Unavailable, True)
    assert "we are given no token (400 invalid_client)" in str(told)
    assert SECRET not in str(told)


def test_who_we_are_by_secret_password_and_fixed_token(opened: Any) -> None:
    def tell(asked: Asked) -> Told:
        if asked.path == "/token":
            assert asked.body == b"grant_type=client_credentials&scope=all&client_id=a%26b&client_secret=s%3D"
            return Told(200, {"access_token": "given"})
        return Told(200 if asked.headers.get("authorization") else 401)

    web = opened(Web(tell))
    told = [
        {"kind": "secret", "token": f"{web.url}/token", "client": "a&b", "secret": "s=", "scope": "all"},
        {"kind": "basic", "user": "us", "password": "pass"},
        {"kind": "bearer", "value": "abc"},
    ]
    for auth in told:
        assert isinstance(one(opened(outlet(web.url, auth=auth, headers={"X-Key": "k"}))), Sent)
    said = [each.headers["authorization"] for each in web.got if each.path != "/token"]
    assert said == ["Bearer given", "Basic dXM6cGFzcw==", "Bearer abc"]
    assert all(each.headers["x-key"] == "k" for each in web.got if each.path != "/token")


@pytest.mark.parametrize("token", [5, "", "a\nb", "\u00e9", "a b"])
def test_an_answer_that_is_no_token_is_the_targets_trouble(opened: Any, token: Any) -> None:
    web = opened(Web(lambda asked: Told(200, {"access_token": token, "expires_in": 300})))
    auth = {"kind": "secret", "token": f"{web.url}/token", "client": "a", "secret": "s"}
    told = one(opened(outlet(web.url, auth=auth)))
    assert (type(told), told.whole) == (Unavailable, True)
    assert [asked.path for asked in web.got] == ["/token"]


def test_a_key_that_cannot_sign_is_said_when_the_hub_starts(tmp_path: Path) -> None:
    (tmp_path / "private.pem").write_text("-----BEGIN nothing")
    auth = {"kind": "jwt", "token": "https://a/token", "client": "c", "key": "private.pem", "kid": "k"}
    with pytest.raises(DeclarationError, match="the key of its 'auth' cannot sign"):
        outlet("https://a", auth=auth, home=tmp_path)


# Fetching by search


class Pages:
    """A FHIR server with pages of a search. `tell` of a Web."""

    def __init__(self) -> None:
        self.pages = [["a"], ["b"], ["c"]]
        self.since: list[str] = []

    def __call__(self, asked: Asked) -> Told:
        at = int(asked.path.rpartition("page=")[2]) if "page=" in asked.path else 0
        if "_lastUpdated" in asked.path:
            self.since.append(asked.path.rpartition("_lastUpdated=")[2])
        entries = [
            {
                "resource": {
                    "resourceType": "Patient",
                    "id": name,
                    "meta": {"lastUpdated": f"2025-01-0{at + 1}T00:00:00Z"},
                }
            }
            for name in self.pages[at]
        ]
        link = [{"relation": "next", "url": f"Patient?page={at + 1}"}] if at + 1 < len(self.pages) else []
        stamp = datetime.now(UTC).isoformat()  # another one each time
        return Told(
            200, {"resourceType": "Bundle", "type": "searchset", "timestamp": stamp, "link": link, "entry": entries}
        )


def drained(source: Any) -> list[str]:
    names = []
    for arrival in source.fetch():
        with arrival.document.open() as stream:
            names += [each["id"] for each in fhir.found_resources(stream.read(), "Patient")]
        source.settle(arrival)
    return names


def test_the_pages_of_a_search_come_in_order_and_once(opened: Any) -> None:
    server = Pages()
    web = opened(Web(server))
    asked = connection(url=web.url, search="Patient?_count=1")
    source = opened(open_inlet(asked))
    assert drained(source) == ["a", "b", "c"]
    assert not source.pending()
    assert drained(source) == []
    assert server.since == ["ge2025-01-02T23:59:00%2B00:00"], "only what changed since is asked for, or was shown late"
    server.pages[0].append("d")
    assert drained(source) == ["a", "d"]
    assert [name for name in drained(opened(open_inlet(asked))) if name] == ["a", "d", "b", "c"]


def found(*times: str, link: list[dict[str, str]] | None = None) -> Told:
    """A page of a search, with a patient of each of these times; the clock of its server says noon."""
    entries = [
        {"resource": {"resourceType": "Patient", "id": f"p{n}", "meta": {"versionId": "1", "lastUpdated": time}}}
        for n, time in enumerate(times)
    ]
    body = {"resourceType": "Bundle", "type": "searchset", "link": link or [], "entry": entries}
    return Told(200, body, {"Date": "Wed, 01 Jan 2025 12:00:00 GMT"})


@pytest.mark.parametrize(
    ("times", "since"),
    [
        (["2025-01-01T11:00:00Z", "2025-01-01T12:00:30Z"], "2025-01-01T11:59:00"),
        (["2025-01-01T11:00:00Z", "2999-01-01T00:00:00Z"], "2025-01-01T11:59:00"),
        (["2025-01-01T11:00:00Z", "yesterday"], "2025-01-01T10:59:00"),
        (["2025-01-01T11:00:00Z", "2025-01-01"], "2025-01-01T10:59:00"),
        (["2025-01-01T10:00:00-01:00", "2025-01-01T10:30:00Z"], "2025-01-01T10:59:00"),
    ],
    ids=["changed while pages were read", "far ahead", "no time", "a day", "other zones"],
)
def test_what_changed_since_the_search_began_is_asked_for_again(opened: Any, times: list[str], since: str) -> None:
    """A page that was read early may have changed while the last was read: its change is older than the newest."""
    link = [{"relation": "next", "url": "Patient?page=1"}]
    web = opened(Web(lambda asked: found(times[1]) if "page=1" in asked.path else found(times[0], link=link)))
    source = opened(open_inlet(connection(url=web.url, search="Patient")))
    drained(source)
    drained(source)
    [asked] = [one.path for one in web.got if "_lastUpdated" in one.path]
    told = datetime.fromisoformat(asked.rpartition("ge")[2].replace("%2B", "+")).astimezone(UTC)
    assert told.isoformat().removesuffix("+00:00") == since


@pytest.mark.parametrize(
    "body", [b"<html>Sign in</html>", b"", b'{"resourceType": "OperationOutcome"}', b'{"resourceType": "Patient"}']
)
def test_an_answer_to_a_search_that_is_no_bundle_does_not_say_that_nothing_is_there(opened: Any, body: bytes) -> None:
    """Or the child would be created a second time."""
    web = opened(Web(lambda asked: Told(200, body) if asked.path.endswith("_search") else Told(201)))
    answer = one(outlet(web.url, "resource"), parcel(1, patient()))
    assert type(answer) is Unavailable
    assert "no Bundle" in str(answer)
    assert [asked.path for asked in web.got] == ["/Patient/_search"]


@pytest.mark.parametrize("send", ["transaction", "message", "resource"])
def test_a_web_page_is_no_answer_to_what_a_fhir_server_is_sent(opened: Any, send: str) -> None:
    """Somebody between us and the server may want a person to sign in, and say so with 200."""
    page = Told(200, b"<html>Sign in</html>", {"Content-Type": "text/html; charset=utf-8"})
    empty = Told(200, {"resourceType": "Bundle", "type": "searchset"})
    web = opened(Web(lambda asked: empty if asked.path.endswith("_search") else page))
    answer = one(outlet(web.url, send), parcel(1, patient()))
    assert type(answer) is Unanswered
    assert "web page" in str(answer)


@pytest.mark.parametrize("body", [b"<html/>", b"{}", b'{"resourceType": "OperationOutcome"}'])
def test_what_is_not_the_resource_is_not_written_over(opened: Any, body: bytes) -> None:
    web = opened(Web(lambda asked: Told(200, body)))
    assert type(one(outlet(web.url, "resource"), parcel(1, patient(id="p1")))) is Unavailable
    assert [asked.method for asked in web.got] == ["GET"]


def test_trouble_with_the_token_is_not_said_of_the_server(opened: Any) -> None:
    web = opened(Web())
    told = {"kind": "secret", "token": f"http://127.0.0.1:{free_port()}/token", "client": "c", "secret": "s"}
    answer = one(outlet(web.url, auth=told))
    assert (type(answer), answer.whole) == (Unavailable, True)
    assert "the server of 'token'" in str(answer)
    assert "'url'" not in str(answer)


def test_what_comes_back_to_what_it_was_is_given_again_though_the_server_tells_no_versions(opened: Any) -> None:
    held = {"resourceType": "Patient", "id": "a", "gender": "male"}
    web = opened(
        Web(lambda asked: Told(200, {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": held}]}))
    )
    source, names = opened(open_inlet(connection(url=web.url, search="Patient"))), []
    for gender in ("male", "male", "female", "female", "male", "male", "female"):
        held["gender"] = gender
        lost = [arrival.name for arrival in source.fetch()]  # not settled: it is given again
        for arrival in source.fetch():
            assert [arrival.name] == lost
            names.append((gender, arrival.name))
            source.settle(arrival)
    assert [gender for gender, _ in names] == ["male", "female", "male", "female"]
    assert len({name for _, name in names}) == 4, "the store would take what it knows the name of for kept"
    again = opened(open_inlet(connection(url=web.url, search="Patient")))
    held["gender"] = "male"
    assert next(again.fetch()).name == names[0][1], "kept before the restart, most likely"


def test_a_page_that_was_not_kept_is_given_again_under_the_same_name(opened: Any) -> None:
    web = opened(Web(Pages()))
    source = opened(open_inlet(connection(url=web.url, search="Patient")))
    first = next(source.fetch())
    assert source.pending()
    second = next(source.fetch())
    assert first.name == second.name
    source.settle(second)
    assert drained(source) == ["b", "c"]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Told(503), "takes nothing now"),
        (Told(400), "will not have it"),
        (Told(200, b"nothing"), "no Bundle"),
        (Told(cut=True), "connection broke"),
    ],
)
def test_a_search_that_fails_is_waited_for(opened: Any, told: Told, words: str) -> None:
    web = opened(Web(lambda asked: told))
    source = opened(open_inlet(connection(url=web.url, search="Patient")))
    with pytest.raises(Unavailable, match=words) as error:
        drained(source)
    assert type(error.value) is Unavailable


def test_the_next_page_of_another_server_is_not_asked_for(opened: Any) -> None:
    link = [{"relation": "next", "url": "https://example.org/fhir?page=2"}]
    web = opened(Web(lambda asked: Told(200, {"resourceType": "Bundle", "type": "searchset", "link": link})))
    with pytest.raises(Unavailable, match="on another server"):
        drained(opened(open_inlet(connection(url=web.url, search="Patient"))))


@pytest.mark.parametrize("pages", [1, 2])
def test_a_search_whose_pages_lead_in_a_circle_ends_and_is_waited_for(opened: Any, pages: int) -> None:
    def tell(asked: Asked) -> Told:
        if len(web.got) > 3 * pages + 3:
            return Told(500)
        link = [{"relation": "next", "url": f"{web.url}/Patient?name=Amara&page={len(web.got) % pages}"}]
        entry = [{"resource": {"resourceType": "Patient", "id": f"p{len(web.got) % pages}"}}]
        return Told(200, {"resourceType": "Bundle", "type": "searchset", "entry": entry, "link": link})

    web = opened(Web(tell))
    source = opened(open_inlet(connection(url=web.url, search="Patient")))
    with pytest.raises(Unavailable, match="one before it") as error:
        drained(source)
    assert "Amara" not in str(error.value)
    assert len(web.got) == pages + 1, "each page once, the first also by its other address"
    assert not source.pending(), "the next fetch begins at the first page"


# Killed


@pytest.mark.parametrize("step", ["send.before-bytes", "answer.read"])
def test_killed_while_creating_the_resource_is_there_once(opened: Any, step: str) -> None:
    server = Resources()
    web = opened(Web(server))
    sent = parcel(1, patient())
    wait = start(lambda: outlet(web.url, "resource", Killer(step)).send([sent]))
    assert wait() is None
    assert isinstance(one(opened(outlet(web.url, "resource")), sent), Sent)
    assert len(server.held) == 1
    assert server.held["p0"][0] == 1


# Settings


@pytest.mark.parametrize(
    ("settings", "key", "words"),
    [
        ({}, "", "no 'url'"),
        ({"url": "https://a"}, "", "'send' (transaction"),
        ({"url": "http://a", "send": "post"}, "url", "without TLS"),
        ({"url": "https://u:p@a", "send": "post"}, "url", "say it in 'auth'"),
        ({"url": "ftp://a", "send": "post"}, "url", "an address"),
        ({"url": "https://a", "send": "pst"}, "send", "'transaction' or 'message'"),
        ({"url": "https://a/{key}", "send": "post"}, "url", "'{key}' alone"),
        ({"url": "https://a/{id}", "send": "put"}, "url", "'{key}' alone"),
        ({"url": "https://a", "send": "post", "match": True}, "match", "this is about 'send = 'put''"),
        ({"url": "https://a", "search": "https://b/Patient"}, "search", "a search below the url"),
        ({"url": "https://a", "send": "post", "headers": {"Authorization": "x"}}, "headers", "the connection's own"),
        ({"url": "https://a", "send": "post", "auth": {"kind": "magic"}}, "auth", "must be one of jwt"),
        ({"url": "https://a", "send": "post", "auth": {"kind": "basic", "user": "u"}}, "auth", "it has no 'password'"),
        (
            {"url": "https://a", "send": "post", "auth": {"kind": "bearer", "vlaue": "v"}},
            "auth",
            "did you mean 'value'?",
        ),
        ({"url": "https://a", "send": "post", "auth": {"kind": "bearer", "value": "a\n"}}, "auth", "value: this"),
        ({"url": "https://a", "send": "post", "headers": {"Api-Key": "\u00a39"}}, "headers", "ASCII"),
        ({"url": "https://a", "send": "post", "content": "text/\u00a3"}, "content", "ASCII"),
        ({"url": "https://a", "send": "post", "ca": "none.pem"}, "ca", "no such file"),
        ({"url": "https://a", "send": "post", "timeuot": 5}, "timeuot", "did you mean 'timeout'?"),
    ],
)
def test_a_setting_that_is_wrong_is_said(settings: dict[str, Any], key: str, words: str) -> None:
    found = faults(Connection("fhir", "http", settings))
    assert any(each.key == key and words in each.reason for each in found), found
    assert "p@a" not in str(found)


def test_records_over_the_network_without_tls_are_noted() -> None:
    assert notes(connection(url="http://example.org", send="post", plain=True)) != []
    assert notes(connection(url="https://example.org", send="post")) == []


def test_the_doctor_asks_without_sending(opened: Any) -> None:
    web = opened(Web(lambda asked: Told(200 if asked.path == "/metadata" else 405)))
    for send in ("post", "put", "transaction"):
        opened(outlet(web.url, send)).ready()
    assert {each.method for each in web.got} == {"GET", "OPTIONS"}
    web.tell = lambda asked: Told(403)
    for send in ("post", "transaction"):
        with pytest.raises(Unavailable, match="does not let us"):
            opened(outlet(web.url, send)).ready()


def test_no_secret_is_in_the_repr_of_a_connection() -> None:
    asked = connection(url="https://a", send="post", auth={"kind": "bearer", "value": SECRET})
    assert SECRET not in repr(asked) + repr(open_outlet(asked))
