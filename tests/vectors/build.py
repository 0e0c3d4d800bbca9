"""Builds the golden documents and one document per refusal: the same bytes on every machine, for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from certificates import bundle
from certificates.encoding import encode
from certificates.statements import (
    Character,
    ConstantPattern,
    DeviceIdentity,
    Drew,
    Extent,
    Fact,
    Failure,
    FilesSelector,
    KeystreamPattern,
    Level,
    Media,
    Pattern,
    Person,
    PersonKey,
    RepeatedPattern,
    Selector,
    Survey,
    SurveyedDrive,
    SurveyedMachine,
)
from tests.support import world
from tests.support.scheme_table import SCHEMES
from tests.support.story import Story, sampled, story, tell
from tests.support.world import Papers
from tests.vectors.flaws import FLAWS


def build() -> dict[str, bytes]:
    """Path below this folder -> content."""
    made = {f"golden/{name}": data for name, data in golden().items()}
    return made | {f"refused/{flaw}.json": make().write(flaw) for flaw, make in FLAWS.items()}


def golden() -> dict[str, bytes]:
    """Documents that hold, and must hold in every later version."""
    papers, by_sample, rotated = tell(story()), tell(sampled_story()), rotated_papers()
    names = {name.replace("keyrings/", "keyring-"): data for name, data in papers.entries.items()}
    return names | {
        "nonce.dsse.json": by_sample.entries[bundle.EVIDENCE + "nonce.dsse.json"],
        "selector.json": encode(selector()),
        "survey.dsse.json": world.seal(survey(), world.host()),
        "trust.json": world.trust_file(papers.trust),
        "full.expunge": papers.packed,
        "sampled.expunge": by_sample.packed,
        "stratified.expunge": tell(stratified_story()).packed,
        "raw.expunge": tell(raw_story()).packed,
        "rotated.expunge": rotated.packed,
        "shuffled.expunge": tell(shuffled_story()).packed,
        "character.expunge": tell(character_story()).packed,
        "not-proven.expunge": tell(not_proven()).packed,
    }


def survey() -> Survey:
    """A machine with a drive, as its host saw them."""
    drive = SurveyedDrive(
        id="drive-1",
        identity=DeviceIdentity("ATA", "ST1000NM0008-2F2100", "WD-WX11A123", "5000c500a1b2c3d4", 1_000_204_886_016),
        media=Media.MAGNETIC,
        sector_size=512,
        reaches=Level.CLEAR,
        why_not_more=("overwriting-alone",),
        not_reached=("remapped-sectors",),
        obstacles=("in-use",),
        facts=(Fact("bus", "sata"),),
    )
    machine = SurveyedMachine(
        "arch-07", "6.1.0", serial="CN-0F7GT2-74261", asset_tag="AT-55120", unread=("chassis-serial",)
    )
    return Survey(world.NOW, world.host().key_id, machine, (drive,), "0.1.0")


def sampled_story() -> Story:
    """Read back by sample, at positions that the registry's nonce fixed."""
    carrier = world.carrier(verification=sampled())
    return story(order=world.order(carriers=(carrier,)))


def stratified_story() -> Story:
    """Read back by a sample of every section of the drive, and where its partition had its superblocks."""
    carrier = world.carrier(verification=sampled(950_000, 1_000))
    partition = Extent(0, 1 << 20, 931 << 30)
    return story(order=world.order(carriers=(carrier,)), partitions=(partition,))


def raw_story() -> Story:
    """A drive so small that every section is one block; its bytes travel, all but those of the block that differs."""
    plain = world.carrier(verification=sampled())
    assert isinstance(plain.identity, DeviceIdentity)
    small = replace(plain, identity=replace(plain.identity, size=24 * 4096 + 512))
    order = world.order(carriers=(small,))
    return story(order=order, partitions=(), raw=True, differs=(Extent(0, 10 * 4096, 4096),), decision=None)


def shuffled_story() -> Story:
    """35 passes, words of three bytes among them; the fixed ones ran in the order that was drawn: here, backwards."""
    table = [_pattern(number, written) for number, written in enumerate(SCHEMES["gutmann-35"])]
    places = tuple(reversed(range(4, 31)))
    passes = (*table[:4], *(table[origin] for origin in places), *table[31:])
    keys = tuple(pattern.key for pattern in table if isinstance(pattern, KeystreamPattern))
    scheme = ("gutmann-35", "Gutmann 1996, 35 passes")
    order = world.order(carriers=(world.carrier(technique="gutmann-35"),))
    return story(order=order, earlier=passes[:-1], pattern=passes[-1], drew=Drew(keys, order=places), scheme=scheme)


def character_story() -> Story:
    """A character, its complement, and one that was drawn; read back by sample."""
    earlier = (ConstantPattern("00"), ConstantPattern("ff"))
    drew = Drew((), (Character("b", "6d"),))
    carrier = world.carrier(technique="dod-5220.22-m", verification=sampled())
    return story(
        order=world.order(carriers=(carrier,)),
        earlier=earlier,
        pattern=ConstantPattern("6d"),
        drew=drew,
        scheme=("dod-5220.22-m", "DoD 5220.22-M, 3 passes"),
    )


def _pattern(number: int, written: str) -> Pattern:
    if written == "random":
        return KeystreamPattern(world.secret(f"key of pass {number}").hex())
    return ConstantPattern(written) if len(written) == 2 else RepeatedPattern(written)


def not_proven() -> Story:
    """Some sectors could be neither written nor read; nobody but the executor signed yet."""
    lost = (Failure(Extent(0, 512 << 30, 4096), "EIO"),)
    return story(failures=lost, unread=lost, signers=("P-0230",), registered=False, decision=None)


def rotated_papers() -> Papers:
    """The full story, its chain carried on: every key was replaced, and replaced again."""
    return tell(story(rings=chain()))


def chain() -> tuple[bytes, ...]:
    """Keyring version 1 and two rotations, in each of which everybody's key is a new one."""
    rings = [world.keyring()]
    envelopes = [world.seal_keyring(rings[0])]
    for before, generation in (("", "second"), ("/second", "third")):
        issued = world.NOW + timedelta(days=14 * len(rings))
        new = world.next_keyring(rings[-1], persons=_rekeyed(generation), issued_at=issued)
        keepers = [named.id for named in new.signers]
        envelopes.append(world.seal(new, *(k + before for k in keepers), *(f"{k}/{generation}" for k in keepers)))
        rings.append(new)
    return tuple(envelopes)


def _rekeyed(generation: str) -> tuple[Person, ...]:
    return tuple(
        world.person(name, keys=(PersonKey(world.public(world.signer(f"{name}/{generation}")), (role,)),))
        for name, (_, _, role) in world.PEOPLE.items()
    )


def selector() -> Selector:
    """The private part of a carrier of files."""
    selects = FilesSelector("/srv/archive", ("2009", "2010/index.xml"), world.secret("labels").hex())
    return Selector("C-2", world.secret("salt").hex(), selects)
