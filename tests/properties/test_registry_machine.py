"""Whatever is handed in, in whatever order, restarts and damage to the order of things included: the log only grows.

The machine plays hosts, people and an agent that keeps the last checkpoint. A model of a list and a few sets says what
the registry must answer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from certificates import notes, receipts
from certificates.encoding import digest
from certificates.errors import Failure
from certificates.notes import Checkpoint
from server_stub.checking import check_store
from server_stub.records import Registered
from tests.server_stub.world import ORIGIN, SOME, Desk, World
from tests.server_stub.world import world as make_world

NUMBERS = st.integers(1, 6)
LABELS = st.sampled_from(["LABEL-1", "LABEL-2"])


def told(call: Callable[[], Registered]) -> Registered | str:
    """What a call gave, or the reason of its refusal."""
    try:
        return call()
    except Failure as refusal:
        return refusal.reason


class RegistryMachine(RuleBasedStateMachine):
    """One registry on disk, restarted now and then."""

    documents = Bundle("documents")
    holds = Bundle("holds")

    @initialize()
    def begin(self) -> None:
        self.place = tempfile.TemporaryDirectory()
        self.url = f"sqlite:///{Path(self.place.name) / 'registry.sqlite'}"
        self.world: World = make_world(self.url, Desk(hosts=("host", "other")))
        self.receipts: dict[str, tuple[str, str]] = {}
        self.numbers: dict[tuple[str, int], str] = {}
        self.in_force: set[str] = set()
        self.agent = Checkpoint(ORIGIN, 0, b"")
        self.agent = self.newest()
        self.last_state = 0

    @rule(target=documents, number=NUMBERS, host=st.sampled_from(["host", "other"]), label=LABELS)
    def submit(self, number: int, host: str, label: str) -> bytes:
        """A certificate: registered, known, or an incident."""
        envelope = self.world.desk.sealed_certificate(number, host, carrier_label=label)
        name = digest(self.world.desk.certificate(number, host, carrier_label=label))
        holder = self.numbers.get((host, number))
        answer = told(lambda: self.world.registry.records.accept_certificate(envelope))
        if isinstance(answer, str):
            assert (answer, holder in (None, name)) == ("registry-incident", False)
            return envelope
        assert holder in (None, name)
        assert answer.is_new == (holder is None)
        self.numbers[host, number] = name
        self.keep(name, envelope, answer.receipt)
        return envelope

    @rule(envelope=documents)
    def validate(self, envelope: bytes) -> None:
        """A verdict on something that was registered, or was not."""
        validation = self.world.desk.sealed_validation(envelope)
        name = digest(self.world.desk.validation(envelope))
        answer = told(lambda: self.world.registry.records.accept_validation(validation))
        if isinstance(answer, str):
            assert answer == "registry-unknown"
            assert self.world.desk.validation(envelope).certificate not in self.receipts
            return
        self.keep(name, validation, answer.receipt)

    @rule(target=holds, number=NUMBERS)
    def hold(self, number: int) -> str:
        """A hold; setting one that was lifted does not set it again."""
        name, is_new = self.world.registry.holds.accept(self.world.desk.sealed_hold(f"hold-{number}"))
        if is_new:
            self.in_force.add(name)
        return name

    @rule(name=consumes(holds))
    def lift(self, name: str) -> None:
        """A lift."""
        self.world.registry.holds.lift(self.world.desk.sealed_lift(name))
        self.in_force.discard(name)

    @rule()
    def follow(self) -> None:
        """The agent moves to the newest checkpoint, and demands that it extends the one it had."""
        text = self.world.registry.consistency(self.agent.size)
        self.agent = receipts.check_consistency_text(text, self.agent, [self.world.log_key])

    @rule(number=NUMBERS)
    def challenge(self, number: int) -> None:
        """The same question, the same answer."""
        head = digest(b"%d" % number)
        ask = self.world.registry.challenges.answer
        assert ask(SOME, head) == ask(SOME, head)

    @rule()
    def restart(self) -> None:
        """The process ends, and another opens the same database."""
        self.world.store.close()
        self.world = make_world(self.url, self.world.desk)

    @invariant()
    def every_receipt_still_holds(self) -> None:
        for name, (envelope, receipt) in self.receipts.items():
            assert self.world.registry.records.receipt(name) == receipt
            entry = receipts.check_receipt(receipt, name, envelope, [self.world.log_key])
            assert entry.checkpoint.size <= len(self.receipts)
        assert self.newest().size == len(self.receipts)

    @invariant()
    def holds_are_those_in_force(self) -> None:
        assert {name for name, _ in self.world.registry.holds.in_force()} == self.in_force

    def keep(self, name: str, envelope: bytes, receipt: str) -> None:
        """The same document never gets two receipts."""
        assert self.receipts.setdefault(name, (digest(envelope), receipt)) == (digest(envelope), receipt)

    def newest(self) -> Checkpoint:
        return notes.check_checkpoint(notes.parse_note(self.world.registry.checkpoint()), [self.world.log_key])

    def teardown(self) -> None:
        if hasattr(self, "world"):
            findings = check_store(self.world.store, self.world.log_key, self.world.desk.root, None)
            self.world.store.close()
            self.place.cleanup()
            assert all(finding.holds for finding in findings)


RegistryMachine.TestCase.settings = settings(max_examples=8, stateful_step_count=15, deadline=None)
TestRegistry = RegistryMachine.TestCase
