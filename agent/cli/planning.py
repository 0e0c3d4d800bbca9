"""Plans for people and programs: what was found, what would be done, what it reaches, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agent.cli import orders
from agent.cli.catalogue import sentence, unreached
from agent.cli.copies_sheet import copies_lines, copies_tree, steps_lines, steps_of, steps_tree, warnings
from agent.cli.desk import site_of
from agent.cli.exits import describe
from agent.cli.files_sheet import files_lines, files_tree, obstacle_lines, sampling_lines
from agent.cli.fillings import writes
from agent.cli.records_sheet import records_lines, records_tree
from agent.cli.screen import Screen
from agent.cli.sheets import local, roles, rows, size_text
from agent.expecting import USUAL, seconds_of_step, seconds_together, size_of_step
from agent.files import read_file
from agent.reading import Document, expect
from agent.site import Site
from agent.turns import Handed
from agent.workflow import Chosen, Planned, digest_of, plan
from certificates import bundle
from certificates.claims import ceiling
from certificates.encoding import format_time
from certificates.envelope import MIB
from certificates.errors import Refused
from certificates.render.words import number, term
from certificates.statements import Carrier, Order, PersonRole, SampledVerification
from wipers.model import Overwrite, Plan, ReadBack, Target
from wipers.techniques import find_technique

NODES = ("device", "image", "volume", "luks")
"""Kinds that may lie at a device node, which is no secret; the path of anything else may tell what is in it."""


def read_chosen(order: Path, carriers: tuple[str, ...], after: Iterable[str | Path] = ()) -> Chosen:
    """Return the order in a file with the selectors beside it, and what was handed over of other hosts."""
    handed = tuple(Handed(Path(one).name, read_file(Path(one), bundle.MAX_SIZE)) for one in after)
    return Chosen(read_file(order, MIB), orders.read_selectors(order), carriers, handed)


def show_plan(screen: Screen, order: Path, carriers: tuple[str, ...], after: Iterable[Path] = ()) -> int:
    """Print the plan of an order; return 3 when a carrier cannot be planned, 0 otherwise."""
    site = site_of(screen)
    chosen = read_chosen(order, carriers, after)
    document = expect(chosen.envelope, Order)
    planned = plan(site, chosen)
    plans = tuple(one.plan for one in planned if one.plan is not None)
    digest = digest_of(plans) if len(plans) == len(planned) else None
    missing = orders.missing_on(document, site.documents.chain())
    steps = steps_of(site, chosen, order)
    lines = [*_head(screen, site, document, missing), *_carriers(screen, planned), *steps_lines(screen, steps)]
    lines += [*warnings(screen, document.statement), "", *_together(screen, plans)]
    told, is_in_steps = " --carrier ".join((str(order), *carriers)), bool(steps) and any(one.refusal for one in planned)
    lines += _foot(screen, told, digest, is_in_steps=is_in_steps)
    tree = _tree(document, planned, digest, missing)
    screen.show("\n".join(lines), tree | {"order_of_steps": steps_tree(steps)})
    return 0 if digest is not None else 3


def _head(screen: Screen, site: Site, document: Document, missing: list[str]) -> list[str]:
    order: Order = document.statement
    until = screen.word("plan.until", at=local(order.expires_at))
    owners = {key.key.id: person.id for person in site.documents.chain().current.persons for key in person.keys}
    signed = [owners.get(key_id) for key_id in document.key_ids]
    speakers = [person for person in order.persons if person.id in signed]
    lines = [f"{screen.word('order')} {order.id}  {order.unit.name}, {order.approval.number}   {until}"]
    lines.append(screen.word("plan.signed", who=roles(screen, speakers) or screen.word("signers.nobody")))
    if missing:
        lines.append("▲ " + screen.word("plan.not-approved", missing="; ".join(missing)))
    return [*lines, _holds(screen, site)]


def _holds(screen: Screen, site: Site) -> str:
    """Return how fresh the hold state is."""
    if not site.config.policy.has_register:
        return screen.word("plan.no-register")
    state = site.documents.hold_state(site.documents.chain())
    if state is None:
        return screen.word("plan.no-holds-known")
    return screen.word("plan.holds", count=len(state.statement.holds), at=local(state.statement.as_of))


def _carriers(screen: Screen, planned: tuple[Planned, ...]) -> list[str]:
    lines: list[str] = []
    for position, one in enumerate(planned, start=1):
        carrier = one.carrier
        level = term("level", carrier.level.value, screen.language)
        head = screen.word("plan.carrier", number=position, count=len(planned), carrier=carrier.id, level=level)
        lines += ["", head]
        if one.target is not None and one.plan is not None:
            lines += carrier_lines(screen, carrier, one.target, one.plan)
        if one.refusal is not None:
            told = sentence(one.refusal, screen.language)
            lines += rows([(screen.word("plan.refused"), "▲ " + told)], indent=2)
            lines += (
                [*obstacle_lines(screen, one.target), *copies_lines(screen, one.target)] if one.plan is None else []
            )
    return lines


def carrier_lines(screen: Screen, carrier: Carrier, target: Target, made: Plan) -> list[str]:
    """Return target and steps of one carrier; names of files are never among them."""
    say, language = screen.word, screen.language
    reached = ceiling(made.method, made.media)
    steps = [(str(count), *step) for count, step in enumerate(_steps(screen, made), start=1)]
    pairs = [
        (say("plan.found"), _found(screen, target)),
        (say("target.free"), say("target.nothing")),
        *records_lines(screen, target, made),
        *files_lines(screen, target),
        *sampling_lines(screen, target, made),
        *((say("plan.steps") if count == "1" else " ", f"{count}  {what}  {time}") for count, what, time in steps),
        (say("plan.policies"), ", ".join(made.policies or ())),
        (say("technique.warning"), find_technique(made.technique, carrier.scheme).warning or ""),
        (say("plan.reaches"), term("level", reached.value if reached else "none", language)),
        (say("plan.digest"), made.digest),
        *((say("plan.not-shown"), unreached(one, language)) for one in made.residual),
    ]
    return rows(pairs, indent=2)


def _found(screen: Screen, target: Target) -> str:
    """Return the target in a line: a device by its node and identity, all else by counts and numbers."""
    language = screen.language
    kind = term("kind", target.kind, language)
    is_node = target.kind in NODES and target.location.startswith("/dev/")
    location = target.location if is_node else kind
    facts = [fact.value for fact in target.facts if fact.value and fact.name in ("vendor", "model", "serial")]
    parts = [location, *facts, size_text(target.size), term("media", target.media.value, language)]
    if target.objects != 1 and target.kind != "records":
        parts.append(screen.word("selected", count=number(target.objects), size=number(target.size)))
    return "  ".join(parts)


def _steps(screen: Screen, made: Plan) -> list[tuple[str, str]]:
    """Return (what, how long) of each step."""
    found = []
    for place, step in enumerate(made.steps):
        seconds = seconds_of_step(made, step)
        speed = f"{USUAL[made.media] / 1_000_000:,.0f} MB/s"
        time = screen.word("plan.about", time=duration(seconds), speed=speed) if size_of_step(made, step) else ""
        found.append((step_name(screen, made, place), time))
    return found


def step_name(screen: Screen, made: Plan, place: int) -> str:
    """Return what a step does, in words; which filling it writes is not known where the run draws that."""
    match made.steps[place]:
        case Overwrite(area=area) if made.shuffled and place in made.shuffled:
            return screen.word(f"step.overwrite.{area}", what=screen.word("filling.one-of", count=len(made.shuffled)))
        case Overwrite(area=area, filling=filling):
            return screen.word(f"step.overwrite.{area}", what=writes(filling, screen.language))
        case ReadBack(area=area, verification=verification):
            is_sampled = isinstance(verification, SampledVerification)
            return screen.word(f"step.{'sample' if is_sampled else 'read-back'}.{area}")
        case step:
            return screen.word(f"step.{step.kind}")


def duration(seconds: int) -> str:
    """Return seconds as people say them: 3 min, 2 h 10 min."""
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _together(screen: Screen, plans: tuple[Plan, ...]) -> list[str]:
    """Return how long all carriers take at once, where there are several."""
    if len(plans) < 2:
        return []
    return [screen.word("plan.together", count=len(plans), time=duration(seconds_together(plans)))]


def _foot(screen: Screen, order: str, digest: str | None, *, is_in_steps: bool) -> list[str]:
    if digest is None:
        return [screen.word("plan.incomplete")]
    how = screen.word("turns.next") if is_in_steps else screen.word("plan.next", order=order)
    return [screen.word("plan.made", digest=digest), how]


def _tree(
    document: Document, planned: tuple[Planned, ...], digest: str | None, missing: list[str]
) -> dict[str, object]:
    order: Order = document.statement
    persons: tuple[PersonRole, ...] = order.persons
    return {
        "order": {"id": order.id, "version": order.version, "digest": document.digest},
        "expires_at": format_time(order.expires_at),
        "persons": [{"id": one.id, "role": one.role.value} for one in persons],
        "missing": missing,
        "plan": digest,
        "seconds_expected": seconds_together(one.plan for one in planned if one.plan is not None),
        "carriers": [_carrier_tree(one) for one in planned],
    }


def _carrier_tree(one: Planned) -> dict[str, object]:
    carrier = one.carrier
    tree: dict[str, object] = {
        "carrier": carrier.id,
        "kind": carrier.identity.kind,
        "level": carrier.level.value,
        "plan": _plan_tree(one.plan) if one.plan else None,
        "refusal": describe(one.refusal) if isinstance(one.refusal, Refused) else None,
    }
    more = {"measured": records_tree(one.target), "copies": copies_tree(one.target), "files": files_tree(one.target)}
    return tree | {name: told for name, told in more.items() if told is not None}


def _plan_tree(made: Plan) -> dict[str, object]:
    reached = ceiling(made.method, made.media)
    return {
        "digest": made.digest,
        "technique": made.technique,
        "policies": list(made.policies or ()),
        "media": made.media.value,
        "size": made.size,
        "objects": made.objects,
        "identity": {fact.name: fact.value for fact in made.facts},
        "steps": [
            {
                "number": count,
                "kind": step.kind,
                "size": size_of_step(made, step),
                "seconds_expected": seconds_of_step(made, step),
            }
            for count, step in enumerate(made.steps)
        ],
        "reaches": reached.value if reached else None,
        "not_reached": [one.code for one in made.residual],
    }
