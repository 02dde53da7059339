"""From the queue to a target: consume, claim (T3), map, write, stage, keep the bytes (T4), send, finish (T5), ack."""

from __future__ import annotations

import random
from time import monotonic

import structlog
from msgspec.structs import replace

from hub.connect import Outlet
from hub.errors import Refused, Unanswered, Unavailable, fault
from hub.message import Answer, Cause, Each, Message, NotTried, One, Parcel, Sent, Told
from hub.pipeline.link import Link
from hub.pipeline.packing import Made, parked
from hub.pipeline.worker import Flow
from hub.pipeline.writing import knowing_of, write
from hub.queue import Consumer, Delivery
from hub.store import Claim, Claimed, Outcome

log = structlog.get_logger("hub.deliver")

TAKE = 0.5
"""Seconds to wait for a first message."""
LOOK = 0.2
"""Seconds between two looks while nothing may be sent."""
PAUSE = (5.0, 300.0)
"""Shortest and longest pause of a target that cannot be reached, in seconds; it doubles from one to the next."""
WAIT = (2.0, 3600.0)
"""Shortest and longest wait of one message that could not be sent, in seconds; it doubles with each attempt."""

UNSAID = "the target's connection did not say what became of it"


class Deliverer:
    """What is owed to one target, sent. `step` is called again and again; it may be killed anywhere."""

    def __init__(self, flow: Flow, link: Link) -> None:
        self.flow, self.link = flow, link
        self.name = f"target {link.name}"
        self._consumer: Consumer | None = None
        self._held: list[Delivery] = []
        self._slot: tuple[int, int] | None = None
        self._free = 0.0
        self._pauses = 0
        self._worker = 0
        self._blamed: set[int] = set()
        self._own: set[int] = set()

    def step(self) -> bool:
        """Send one batch; whether there was anything to do."""
        if self.flow.wait(max(0.0, min(self._free - monotonic(), 1.0))) or monotonic() < self._free:
            return True
        with self.flow.gate.through() as worker:
            self._worker = worker
            if worker and self._may_send():
                return self._send_some()
        self.close()
        self._free = monotonic() + LOOK
        return False

    def _send_some(self) -> bool:
        """Send one batch, inside the gate."""
        if self._consumer is None:
            self._consumer = self.flow.queue.consume(self.link.name, 2 * self.link.batch)
        self._held = self._held or self._consumer.take(self.link.batch, TAKE)
        if not self._held:
            return False
        try:
            self._use({one.message.number: one.message for one in self._held})
        except Exception:
            self._give_back()
            raise
        self._consumer.ack(self._held)
        self._held = []
        return True

    def _use(self, messages: dict[int, Message]) -> None:
        """Send what can be claimed of these; what took a worker down before goes alone, after all others."""
        claimed = self._claim(messages, list(messages))
        self._carry(claimed, messages)
        for number in claimed.crashed:
            if number in messages and not self.flow.breaking:
                self._carry(self._claim(messages, [number], alone=True), messages)

    def close(self) -> None:
        """Give back what was consumed and not used, the slot, and the connection that it stood for."""
        self._held = []
        self._outlet.close()
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        slot, self._slot = self._slot, None
        if slot is not None:
            self.flow.store.release_slot(self.link.name, slot[0], slot[1])

    def _may_send(self) -> bool:
        """Whether the hour, the target's pause and its slots let something go now."""
        if not self.link.is_hour():
            return False
        if self.flow.store.paused(self.link.name) > 0:
            return False
        return self.link.at_once is None or self._has_slot(self.link.at_once)

    def _has_slot(self, at_once: int) -> bool:
        """Whether one of the target's connections is this worker's; a slot goes with its worker's lease."""
        worker = self._worker
        if self._slot is None or self._slot[0] != worker:
            slot = self.flow.store.lease_slot(self.link.name, worker, at_once)
            self._slot = (worker, slot) if slot is not None else None
        return self._slot is not None

    def _claim(self, messages: dict[int, Message], numbers: list[int], *, alone: bool = False) -> Claimed:
        """Claim some."""
        hints = [(number, messages[number].id) for number in numbers]
        return self.flow.store.claim(self._worker, self.link.name, hints, alone=alone)

    def _carry(self, claimed: Claimed, messages: dict[int, Message]) -> None:
        """Take claimed messages all the way to an outcome."""
        claims, outcomes = claimed.claims, []
        if not claims:
            return
        again = {one.parcel.number: one.parcel for one in claims if one.parcel is not None}
        fresh = self._messages([one for one in claims if one.parcel is None], messages)
        knowing = knowing_of(self.flow.store, self.flow.ring, {one.number: (one.child, one.carries) for one in claims})
        made = write(self.link, self.flow.links, self.flow.ring, fresh, self.flow.mapping, knowing)
        staged, stopped = self._stage(made)
        outcomes += made.outcomes
        kept = self.flow.store.prepare(self._worker, staged) if staged else []
        ready = list(again.values()) + [one for one in kept if one is not None]
        for parcel, mine in zip(staged, kept, strict=True):
            if mine is None:  # others have them; or nobody has, where the clock jumped and the lease was renewed since
                self._outlet.discard(parcel)
                outcomes += [Outcome(number, "ready", counted=False) for number in parcel.numbers]
        answers = self._send(ready)
        for parcel in made.parcels[len(staged) :]:
            ready.append(parcel)
            answers.append(stopped or NotTried())
        attempts = {one.number: one.attempts for one in claims}
        said: list[One] = []
        for parcel, answer in zip(ready, answers, strict=True):
            said += answer.answers if isinstance(answer, Each) else [answer]
            outcomes += self._outcomes(parcel, answer, attempts)
        self._react(said, claimed.probe)
        self._finish(outcomes)
        self._pace(len(claims))

    def _messages(self, claims: list[Claim], known: dict[int, Message]) -> list[Message]:
        """Messages in line order. What the queue did not bring, or brought with another's record, is looked up."""
        good = {one.number: known[one.number] for one in claims if _is_the_same(one, known.get(one.number))}
        lacking = [one.number for one in claims if one.number not in good]
        good.update((one.number, one) for one in (self.flow.store.body(lacking) if lacking else ()))
        return [good[one.number] for one in claims]

    @property
    def _outlet(self) -> Outlet:
        assert self.link.outlet is not None
        return self.link.outlet

    def _stage(self, made: Made) -> tuple[list[Parcel], Unavailable | None]:
        """Put bytes aside at the target, where it can; those done, and what ended it. One that it fails with is parked:
        nothing of it has left."""
        done: list[Parcel] = []
        for parcel in list(made.parcels):
            try:
                parcel.token = self._outlet.stage(parcel)
            except Unavailable as error:
                return done, error
            except MemoryError:
                raise
            except Exception as error:
                made.parcels.remove(parcel)
                made.outcomes += [parked(number, fault(error)) for number in parcel.numbers]
            else:
                done.append(parcel)
        return done, None

    def _send(self, parcels: list[Parcel]) -> list[Answer]:
        """Send while the lease is sure to outlast it and our mappings are in force; the rest goes later, as it is."""
        answers: list[Answer] = []
        step = max(self._outlet.parcels, 1)
        for start in range(0, len(parcels), step):
            some = parcels[start : start + step]
            stop = answers and isinstance(answers[-1], Unavailable) and answers[-1].whole
            self.flow.hook("send.before", len(some))
            shut = not self.flow.gate.worker
            if stop or shut or not self.flow.worker.safe(self._worker, self._outlet.limit):
                answers += [NotTried()] * len(some)
                continue
            try:
                said = list(map(self._judged, some, self._outlet.send(some)))
            except Exception as error:
                said = [Unanswered(fault(error).reason)] * len(some)
            answers += said + [Unanswered(UNSAID)] * (len(some) - len(said))
            self.flow.hook("send.after", len(some))
        return answers

    def _judged(self, parcel: Parcel, answer: Answer) -> Answer:
        """The answer to a parcel. What is said of the whole target is that parcel's own trouble, if it was said of it
        before and others passed since: or it would keep all others for ever."""
        if isinstance(answer, Unavailable) and answer.whole:
            if not self._own.isdisjoint(parcel.numbers):
                return type(answer)(str(answer), after=answer.after)
            self._blamed.update(parcel.numbers)
        elif isinstance(answer, Sent | Refused):
            self._own |= self._blamed
            self._own.difference_update(parcel.numbers)
            self._blamed.clear()
        return answer

    def _outcomes(self, parcel: Parcel, answer: Answer, attempts: dict[int, int]) -> list[Outcome]:
        """What an answer means for the messages of a parcel. Those of one answer go again together, in the same bytes,
        so none is parked, its attempts over, while others still go: the one that was tried least often counts."""
        tries = [attempts.get(number, 0) + 1 for number in parcel.numbers]
        told = parcel.told or [[] for _ in tries]
        if not isinstance(answer, Each):
            each = zip(parcel.numbers, told, strict=True)
            return [self._outcome(number, min(tries), answer, knows) for number, knows in each]
        outcomes = list(map(self._outcome, parcel.numbers, tries, answer.answers, told))
        for n, piece in enumerate(answer.pieces):
            if not isinstance(answer.answers[n], Sent | Refused):
                outcomes[n] = replace(outcomes[n], piece=piece)
        return outcomes

    def _outcome(self, number: int, attempts: int, answer: One, told: list[Told]) -> Outcome:
        """What an answer means for a message (FLOW: reactions)."""
        if isinstance(answer, Sent):
            return Outcome(number, "sent", receipt=answer.receipt, told=told)
        if isinstance(answer, Refused):
            return Outcome(number, "parked", cause=Cause("send", str(answer), target=self.link.name, answer="refused"))
        if isinstance(answer, NotTried):
            return Outcome(number, "ready", counted=False)
        arrived = isinstance(answer, Unanswered)
        if answer.whole:
            return Outcome(number, "ready", counted=False, may_arrived=arrived, last=True)
        cause = self._cause(answer)
        if attempts >= self.link.attempts:
            return Outcome(number, "parked", cause=cause, may_arrived=arrived)
        longest = min(WAIT[0] * 2 ** (attempts - 1), WAIT[1])
        due = answer.after if answer.after is not None else longest * random.uniform(0.5, 1.0)
        return Outcome(number, "waiting", cause=cause, due=due, may_arrived=arrived)

    def _cause(self, answer: Unavailable) -> Cause:
        kind = "unanswered" if isinstance(answer, Unanswered) else "unavailable"
        return Cause("send", str(answer), target=self.link.name, answer=kind)

    def _react(self, answers: list[One], probe: bool) -> None:
        """Pause the target when it is the target that failed; let it go on when something arrived."""
        whole = next((one for one in answers if isinstance(one, Unavailable) and one.whole), None)
        if whole is not None:
            self._pauses += 1
            longest = min(PAUSE[0] * 2 ** (self._pauses - 1), PAUSE[1])
            seconds = whole.after if whole.after is not None else longest * random.uniform(0.5, 1.0)
            self.flow.until_stored(lambda: self.flow.store.pause(self.link.name, seconds, self._cause(whole)))
            log.warning("target paused", target=self.link.name, seconds=round(seconds), reason=str(whole))
        elif any(isinstance(one, Sent | Refused) for one in answers):
            self._pauses = 0
            if probe and self.flow.until_stored(lambda: self.flow.store.resume(self.link.name)):
                log.info("target is back", target=self.link.name)

    def _finish(self, outcomes: list[Outcome]) -> None:
        """Mark what became of each, for as long as it takes: the target has them, and only this process knows."""
        worker, store = self._worker, self.flow.store
        following = self.flow.until_stored(lambda: store.finish(worker, self.link.name, outcomes))
        self.flow.publish(following or [])

    def _give_back(self) -> None:
        """After a failure in the middle nobody knows what is ours: it is made ready again, with no attempt counted."""
        worker, store = self._worker, self.flow.store
        self.flow.until_stored(lambda: store.give_back(worker, self.link.name))

    def _pace(self, sent: int) -> None:
        if self.link.rate:
            self._free = max(self._free, monotonic()) + sent / self.link.rate


def _is_the_same(claim: Claim, found: Message | None) -> bool:
    """Whether a message off the queue is the one that was kept: who can write to the broker could swap two."""
    if found is None:
        return False
    return (found.bound, found.source, found.kind) == (claim.bound, claim.source, claim.kind)


__all__ = ["Deliverer"]
