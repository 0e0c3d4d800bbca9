"""The registry's nonce as the agent takes it: of its own commitment, and its own journal as it is or was."""

from __future__ import annotations

from pathlib import Path

from agent.nonces import RegistryNonces
from certificates.encoding import digest
from tests.support.agent_site import agent

COMMITMENT, EARLIER, NOW = digest(b"seed"), digest(b"journal"), digest(b"longer journal")


def test_a_resumed_run_takes_the_nonce_that_it_was_given_before(tmp_path: Path) -> None:
    """The registry gives one nonce for a commitment; the journal has grown since it was asked first."""
    desk = agent(tmp_path)
    folder = desk.site.folder(1)
    folder.make()
    nonces = RegistryNonces(desk.line, desk.ring, folder, lambda: frozenset({EARLIER, NOW}))
    first = nonces.ask(COMMITMENT, EARLIER)
    assert first is not None
    assert nonces.ask(COMMITMENT, NOW) == first


def test_a_nonce_for_another_journal_is_none(tmp_path: Path) -> None:
    """It shows no commitment of this run."""
    desk = agent(tmp_path)
    folder = desk.site.folder(1)
    folder.make()
    desk.line.registry.challenges.answer(COMMITMENT, digest(b"another journal"))
    assert RegistryNonces(desk.line, desk.ring, folder, lambda: frozenset({NOW})).ask(COMMITMENT, NOW) is None
