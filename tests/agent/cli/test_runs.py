"""Plan, run, resume, status and submit, on a simulated machine, as a person meets them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agent.authorize import Policy
from agent.config import Config
from certificates import bundle
from certificates.encoding import digest
from tests.support import agent_site, world
from tests.support.agent_site import Agent, approved, carrier, order
from tests.support.screens import SCHEMAS, invoke, key_file, tree
from tests.support.simulated_host import Plug


@pytest.fixture(name="host")
def _host(tmp_path: Path) -> Agent:
    """An agent with one small loop device."""
    return agent_site.agent(tmp_path / "site")


def charge(folder: Path, *names: str, signed: tuple[str, ...] = ()) -> Path:
    """An order on disk for the carriers named."""
    path = folder / "order.dsse.json"
    path.write_bytes(approved(order(*(carrier(name) for name in names or ("C-1",)), witnesses=()), *signed))
    return path


def check(name: str, told: Any) -> Any:
    """The output, having been held against its published form."""
    jsonschema.validate(told, json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8")))
    return told


def run(host: Agent, path: Path, *more: object) -> Any:
    key = key_file(path.parent, "P-0230")
    return check("run", tree("run", path, "--key", key, *more, site=host.site))


def status(host: Agent, *more: object) -> Any:
    return check("status", tree("status", *more, site=host.site))["runs"]


def test_a_plan_tells_everything_and_touches_nothing(host: Agent, tmp_path: Path) -> None:
    """What it is, is it safe, what now."""
    path = charge(tmp_path)
    host.site.refresh()
    told = check("plan", tree("plan", path, site=host.site))
    assert told["missing"] == []
    (one,) = told["carriers"]
    assert one["plan"]["digest"] == told["plan"]
    assert [step["kind"] for step in one["plan"]["steps"]] == ["overwrite", "read-back"]
    assert one["refusal"] is None
    page = invoke("plan", path, site=host.site).stdout
    assert f"Plan {told['plan']}. Nothing has been touched." in page
    assert status(host, "--all") == []


def test_a_draft_is_planned_and_said_not_to_be_approved(host: Agent, tmp_path: Path) -> None:
    """Approvers want to see the plan before they sign."""
    path = charge(tmp_path, signed=("P-0101",))
    result = invoke("plan", path, site=host.site)
    assert result.exit_code == 0
    assert "NOT APPROVED" in result.stdout
    told = check("plan", tree("plan", path, site=host.site))
    assert told["carriers"][0]["refusal"]["reason"] in ("hold-state-missing", "rule-not-met")
    assert told["plan"] is not None


def test_a_carrier_that_cannot_be_planned_is_exit_3(host: Agent, tmp_path: Path) -> None:
    """There is nothing here that fits."""
    path = charge(tmp_path, "C-9")
    result = invoke("plan", path, site=host.site)
    assert result.exit_code == 3
    assert "Would be refused" in result.stdout
    assert check("plan", tree("plan", path, site=host.site))["plan"] is None


def test_a_plan_in_chinese_has_chinese_headings(host: Agent, tmp_path: Path) -> None:
    """Not a translation pasted on later."""
    page = invoke("--lang", "zh", "plan", charge(tmp_path), site=host.site).stdout
    assert "销毁单" in page
    assert "未触及任何数据" in page


def test_a_run_is_proven_registered_and_told(host: Agent, tmp_path: Path) -> None:
    """Exit 0 means all three."""
    path = charge(tmp_path)
    told = run(host, path, "--confirm", "LABEL-C-1")
    (one,) = told["results"]
    assert (told["exit"], one["outcome"], one["level"], one["registered"]) == (0, "proven", "clear", True)
    assert Path(one["bundle"]).exists()
    assert [entry["state"] for entry in status(host, "--all")] == ["registered"]
    assert status(host) == []


@pytest.mark.parametrize("said", [(), ("--confirm", "LABEL-C-2"), ("--confirm", "y"), ("--confirm", "")])
def test_a_run_that_nobody_confirmed_is_refused(host: Agent, tmp_path: Path, said: tuple[str, ...]) -> None:
    """By the object's label, never by a `y`."""
    key = key_file(tmp_path, "P-0230")
    result = invoke("run", charge(tmp_path), "--key", key, *said, site=host.site)
    assert result.exit_code == 3
    assert "was not confirmed" in result.stderr
    assert [entry["state"] for entry in status(host, "--all")] == ["refused"]


def test_every_carrier_is_confirmed_by_its_own_label(tmp_path: Path) -> None:
    """One label does not stand for two disks."""
    host = agent_site.agent(tmp_path / "site", "C-1", "C-2")
    path, key = charge(tmp_path, "C-1", "C-2"), key_file(tmp_path, "P-0230")
    assert invoke("run", path, "--key", key, "--confirm", "LABEL-C-1", site=host.site).exit_code == 3
    told = run(host, path, "--confirm", "LABEL-C-1", "--confirm", "LABEL-C-2")
    assert [one["outcome"] for one in told["results"]] == ["proven", "proven"]


def test_another_plan_than_the_one_read_is_refused(host: Agent, tmp_path: Path) -> None:
    """What was confirmed is what is done."""
    path, key = charge(tmp_path), key_file(tmp_path, "P-0230")
    said = ("--confirm", "LABEL-C-1")
    assert invoke("run", path, "--key", key, *said, "--plan", "sha256:00", site=host.site).exit_code == 3
    host.site.refresh()
    known = tree("plan", path, site=host.site)["plan"]
    assert run(host, path, *said, "--plan", known)["exit"] == 0


def test_another_key_than_the_executor_s_is_refused(host: Agent, tmp_path: Path) -> None:
    """The order names who carries it out."""
    key = key_file(tmp_path, "P-0417")
    result = invoke("run", charge(tmp_path), "--key", key, "--confirm", "LABEL-C-1", site=host.site)
    assert result.exit_code == 3


def test_progress_goes_to_stderr_and_not_at_all_when_quiet(host: Agent, tmp_path: Path) -> None:
    """stdout is the result's."""
    path, key = charge(tmp_path), key_file(tmp_path, "P-0230")
    result = invoke("run", path, "--key", key, "--confirm", "LABEL-C-1", site=host.site)
    assert "C-1  1 overwrite everything" in result.stderr
    assert "overwrite everything" not in result.stdout
    again = agent_site.agent(tmp_path / "other")
    quiet = invoke("--quiet", "run", path, "--key", key, "--confirm", "LABEL-C-1", site=again.site)
    assert (quiet.exit_code, quiet.stderr) == (0, "")


def test_a_run_whose_registry_is_away_waits_and_is_submitted_later(host: Agent, tmp_path: Path) -> None:
    """Exit 6: destroyed and certified, waiting."""
    host.line.registry.holds.state()
    host.site.refresh()
    host.line.is_cut = True
    told = run(host, charge(tmp_path), "--confirm", "LABEL-C-1")
    assert told["exit"] == 6
    assert told["results"][0]["waiting"]
    assert [entry["state"] for entry in status(host)] == ["unregistered"]
    assert invoke("submit", site=host.site).exit_code == 6
    host.line.is_cut = False
    assert tree("submit", site=host.site)["exit"] == 0
    assert status(host) == []
    assert "Nothing waits" in invoke("submit", site=host.site).stdout


@pytest.mark.parametrize(("is_offline", "code"), [(False, 6), (True, 0)])
def test_an_air_gapped_site_exports_what_waits(tmp_path: Path, is_offline: bool, code: int) -> None:
    """There exported is the normal end; elsewhere it still has to be sent."""
    host = agent_site.agent(tmp_path / "site")
    host.site.refresh()
    config = Config(keyring_root=digest(host.ring), policy=Policy(), least_free=0, offline=is_offline)
    host.site = replace(host.wire(config), registry=None)
    assert run(host, charge(tmp_path), "--confirm", "LABEL-C-1")["exit"] == 6
    told = tree("submit", "--export", tmp_path / "out", site=host.site)
    assert told["exit"] == code
    assert [Path(name).exists() for name in told["exported"]] == [True]
    assert invoke("submit", "--export", tmp_path / "out", site=host.site).exit_code == 3, "never written over"


def test_a_receipt_comes_back_on_a_medium(tmp_path: Path) -> None:
    """The registry took the exported bundle in; what waited is then registered, and the receipt fits nothing else."""
    host = agent_site.agent(tmp_path / "site")
    host.site.refresh()
    host.site = replace(host.site, registry=None)
    run(host, charge(tmp_path), "--confirm", "LABEL-C-1")
    (exported,) = tree("submit", "--export", tmp_path / "out", site=host.site)["exported"]
    envelope = bundle.unpack(Path(exported).read_bytes())[bundle.CERTIFICATE]
    receipt = host.line.registry.records.accept_certificate(envelope).receipt
    (tmp_path / "forged.tlog-proof").write_text(receipt.replace("index 0", "index 1"))
    assert invoke("import", tmp_path / "forged.tlog-proof", site=host.site).exit_code == 3
    (tmp_path / "true.tlog-proof").write_text(receipt)
    assert tree("import", tmp_path / "true.tlog-proof", site=host.site) == [{"kind": "receipt", "what": "run 1"}]
    assert status(host) == []
    assert bundle.RECEIPT in bundle.unpack(host.site.bundle(1, "C-1").read_bytes())
    assert invoke("import", tmp_path / "true.tlog-proof", site=host.site).exit_code == 3


def test_a_power_cut_is_shown_and_resumed(tmp_path: Path) -> None:
    """Somebody comes back and finds out how far it came."""
    host = agent_site.agent(tmp_path / "site", plug=Plug())
    path = charge(tmp_path)
    host.stop.set()
    host.run(path.read_bytes())
    (one,) = status(host)
    assert one["state"] == "interrupted"
    assert "stopped" in one["detail"]
    told = check("run", tree("resume", "--key", key_file(tmp_path, "P-0230"), site=host.site))
    assert (told["exit"], told["results"][0]["outcome"]) == (0, "proven")


def test_there_is_nothing_to_resume_where_nothing_was_begun(host: Agent) -> None:
    """Refused, not silent success."""
    assert invoke("resume", site=host.site).exit_code == 3


def test_a_resume_without_the_executor_s_key_awaits_the_signature(tmp_path: Path) -> None:
    """The night watch continues; the executor signs in the morning."""
    host = agent_site.agent(tmp_path / "site")
    host.stop.set()
    host.run(charge(tmp_path).read_bytes())
    assert check("run", tree("resume", site=host.site))["exit"] == 6
    assert [entry["state"] for entry in status(host)] == ["unsigned"]
    key = key_file(tmp_path, "P-0230")
    (signed,) = tree("certificate", "sign", "--waiting", "--key", key, site=host.site)
    assert signed["missing"] == []
    assert tree("submit", site=host.site)["exit"] == 0


def test_the_kill_switch_is_the_first_line(host: Agent, tmp_path: Path) -> None:
    """It explains why nothing starts."""
    (host.folder / "kill-switch").touch()
    assert invoke("status", site=host.site).stdout.startswith("▲")
    assert tree("status", site=host.site)["kill_switch"] is True
    key = key_file(tmp_path, "P-0230")
    assert invoke("run", charge(tmp_path), "--key", key, "--confirm", "LABEL-C-1", site=host.site).exit_code == 3


def test_a_result_is_validated_shown_exported_and_audited(host: Agent, tmp_path: Path) -> None:
    """What follows a run, on the same bundle."""
    packed = run(host, charge(tmp_path), "--confirm", "LABEL-C-1")["results"][0]["bundle"]
    grounds = tmp_path / "grounds.toml"
    answers = "\n".join(
        f"{name} = false"
        for name in ("unreached_or_errors", "wrong_technique", "unqualified", "below_minimum", "scope_too_narrow")
    )
    grounds.write_text(f'reason = "read it"\n[grounds]\n{answers}\n')
    key = key_file(tmp_path, "P-0640")
    judge = ("certificate", "validate", packed, "--key", key, "--grounds", grounds, "--decision")
    assert tree(*judge, "accept", site=host.site)["bundle"] == packed
    assert "Destroyed to clear" in invoke("show", packed, site=host.site).stdout
    for form in ("text", "html", "json"):
        assert invoke("certificate", "export", packed, "--format", form).exit_code == 0
    trust = tmp_path / "trust.json"
    ring = digest(host.ring)
    log = {"origin": world.ORIGIN, "key": host.ring.logs[0].key.spki}
    trust.write_text(json.dumps({"keyrings": [ring], "logs": [log]}))
    assert invoke("audit", packed, "--trust", trust).exit_code == 0
    assert tree("audit", packed, "--trust", trust)["verdict"] == "proven"


def test_doubt_is_not_accepted(host: Agent, tmp_path: Path) -> None:
    """NIST SP 800-88 r2, 4.5.2: a ground for doubt speaks against acceptance."""
    packed = run(host, charge(tmp_path), "--confirm", "LABEL-C-1")["results"][0]["bundle"]
    grounds = tmp_path / "grounds.toml"
    names = ("unreached_or_errors", "wrong_technique", "unqualified", "below_minimum", "scope_too_narrow")
    grounds.write_text(
        'reason = "x"\n[grounds]\n' + "".join(f"{name} = {str(name == 'unqualified').lower()}\n" for name in names)
    )
    key = key_file(tmp_path, "P-0640")
    judge = ("certificate", "validate", packed, "--key", key, "--grounds", grounds, "--decision")
    result = invoke(*judge, "accept", site=host.site)
    assert result.exit_code == 3
    assert "unqualified" in result.stderr
    assert invoke(*judge, "reject", site=host.site).exit_code == 0


def test_an_audit_without_trust_is_exit_7(host: Agent, tmp_path: Path) -> None:
    """Trust comes from somewhere else than the packed, or not at all."""
    packed = run(host, charge(tmp_path), "--confirm", "LABEL-C-1")["results"][0]["bundle"]
    result = invoke("--site", tmp_path / "nowhere", "audit", packed)
    assert result.exit_code == 7


def test_journals_are_checked_and_exported(host: Agent, tmp_path: Path) -> None:
    """The wipe log, its chain verified."""
    run(host, charge(tmp_path), "--confirm", "LABEL-C-1")
    (journal,) = host.site.journals.names()
    assert "chain unbroken" in invoke("journal", "check", journal).stdout
    assert invoke("journal", "export", site=host.site).stdout.encode() == journal.read_bytes()
    lines = journal.read_bytes().split(b"\n")
    journal.write_bytes(b"\n".join([*lines[:3], *lines[4:]]))
    assert invoke("journal", "check", journal).exit_code == 7
