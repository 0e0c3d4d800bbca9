"""What is done with records once they are open: sampled, taken out, what held them overwritten, hunted, counted."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from typing import Literal

from certificates.statements import (
    Area,
    Check,
    Consequence,
    Extent,
    Fact,
    StepRecord,
    SurvivorsCheck,
    WithdrawalRecord,
)
from wipers.acts import Act, ConfirmSurvivors, FillFree, Given, Halted, Hunt, Sample, ScrubNames, Withdraw
from wipers.linux.barriers import sync_file_system
from wipers.linux.beneath import open_root
from wipers.linux.engines import Foreseeing, Request, Session, Survivors, Withdrawn
from wipers.linux.extents import open_below
from wipers.linux.fileacts import Wishes
from wipers.linux.filesystems import file_system_of
from wipers.linux.filewriter import FilesWriter
from wipers.linux.held import Held
from wipers.linux.manifest import Line
from wipers.linux.needlebox import NeedleBox
from wipers.linux.residue import Ground, hunt_on, sample, size_below
from wipers.linux.runstate import Begun, StateFile
from wipers.linux.streams import Streams, map_streams
from wipers.model import Advice, KeyState, Lost, Target
from wipers.needles import from_values, labels_of
from wipers.packings import PACKINGS

MOST_SPANS = 100_000
"""Stretches of held files that are kept for telling where a hit lies."""
UNTOUCHED = frozenset(
    {"target", "begun", "folder", "mode", "take", "put-back", "kept", "log-begun", "log-held", "freed"}
)
"""Phases of a withdrawal in which nothing was taken out yet."""
SETTINGS = frozenset({"mode", "redo", "settings"})
"""Phases that say how the engine was set before the withdrawal changed that."""
SERVER = 4
"""So many of the facts, the first ones, say which server or file it is."""
MOST_VALUES = 4000
"""Values asked of an engine, of which the needles are chosen."""
TICK = 0.2
"""Seconds after which it is looked again whether the engine's check is over, or the run is to stop."""


class RecordsWriter:
    """A database engine's session, and after the withdrawal the files that held what was ordered."""

    def __init__(
        self,
        request: Request,
        target: Target,
        session: Session,
        *,
        held: Held,
        state: StateFile,
        box: NeedleBox,
        left: tuple[Held, ...] = (),
    ) -> None:
        """Touch nothing yet. `left`: what withdrawals before this one held that do not go on."""
        self._request = request
        self._target = target
        self._session = session
        self._held = held
        self._left_by_others = left
        self._state = state
        self._box = box
        self._files: FilesWriter | None = None
        self._left = ExitStack()
        self._checking: Future[tuple[str, bool]] | None = None

    @property
    def sector_size(self) -> int:
        return self._target.sector_size

    @property
    def place(self) -> Literal["device", "below-file-system"]:
        return "below-file-system"

    def close(self) -> None:
        """Give the files back; the session is closed by whoever opened it."""
        self._left.close()

    def facts(self) -> tuple[Fact, ...]:
        return self._session.facts()

    def layout(self, area: Area) -> Iterable[Extent]:
        return self._files.layout("whole") if area == "held" and self._files is not None else ()

    def read(self, stream: int, offset: int, buffer: memoryview) -> None:
        self._held_files.read(stream, offset, buffer)

    def write(self, stream: int, offset: int, buffer: memoryview) -> None:
        self._held_files.write(stream, offset, buffer)

    def flush(self) -> None:
        self._held_files.flush()

    def settle(self) -> None:
        if self._files is not None:
            self._files.settle()

    def moved(self) -> tuple[Extent, ...]:
        return self._files.moved() if self._files is not None else ()

    def physical_extents(self) -> Iterable[bytes]:
        return self._held_files.physical_extents()

    def release(self) -> int:
        return self._held_files.release()

    def key_state(self) -> KeyState:
        raise TypeError("records hold no keys of their own")

    def advice(self) -> Advice:
        return Advice()

    def temperature(self) -> int | None:
        return None

    def status(self) -> bytes:
        """Nothing: a database is no drive."""
        return b""

    def prepare(self, extent: Extent) -> None:
        """Nothing: every extent takes writes in any order."""

    def act(self, step: Act, given: Given) -> StepRecord | Check:
        match step:
            case Sample():
                return self._sample(step, given)
            case Withdraw():
                return self._withdraw(step, given)
            case Hunt():
                return self._hunt(given)
            case ConfirmSurvivors():
                return self._confirm(given)
            case FillFree() | ScrubNames():
                return self._held_files.act(step, given)

    def labels(self) -> Iterator[frozenset[str]] | None:
        """By what the rows that are there would be known, had they been sampled; see `acts.Recognised`."""
        if any(line.phase not in UNTOUCHED for line in self._held.manifest.lines):
            return None
        return labels_of(self._session.values(MOST_VALUES), self._request.key)

    def take_over(self) -> None:
        """The held files are numbered streams: as they were numbered before a crash, else as they are now."""
        folder = self._held.path
        if folder is None:
            raise Lost("target-lost", where="the held files", detail="their directory was never noted")
        begun = self._state.load()
        is_released = begun is not None and begun.streams is None
        if is_released:
            # Released, and removed with the last step, which a crash kept from being noted.
            folder.mkdir(mode=0o700, exist_ok=True)
        root = open_root(str(folder))
        self._left.callback(os.close, root)
        if not is_released:
            self._held.check_folder(root)
        is_saved = begun is not None
        if begun is None:
            begun = self._begin(root)
            self._held.manifest.write("lay", spans=_lay(begun.streams))
            self._state.save(begun)
        found = file_system_of(root, self._request.machine)
        storage = open_below(found, root)
        if storage is not None:
            self._left.enter_context(storage)
        self._files = FilesWriter(
            root,
            found,
            storage,
            begun,
            self._state,
            is_saved=is_saved,
            identify=self._session.facts,
            machine=self._request.machine,
            wishes=Wishes(label_key=self._request.key, box=self._box),
        )
        self._left.callback(self._files.close)

    @property
    def _held_files(self) -> FilesWriter:
        if self._files is None:
            raise Lost("target-lost", where="the held files", detail="nothing was taken out yet")
        return self._files

    def _sample(self, step: Sample, given: Given) -> StepRecord:
        values = self._session.values
        key = self._request.key
        if isinstance(self._session, Foreseeing):
            self._session.foresee(self._held, given)
        with self._folder() as root:
            below = size_below(file_system_of(root, self._request.machine), root)
        return sample(step, given, self._box, lambda drawn: from_values(values(MOST_VALUES), drawn), key, below=below)

    @contextmanager
    def _folder(self) -> Iterator[int]:
        """A descriptor of the held directory, or of the engine's own before there is one."""
        where, held = self._request.where, self._held.path
        # Noted, and a crash kept it from being made.
        is_there = held is not None and held.is_dir()
        root = open_root(str(held if is_there else where if where.is_dir() else where.parent))
        try:
            yield root
        finally:
            os.close(root)

    def _withdraw(self, step: Withdraw, given: Given) -> WithdrawalRecord:
        line = self._held.manifest.last("withdrawn")
        if line is None:
            self._note_target()
            done = self._session.withdraw(self._held, given, step.method)
            for other in self._left_by_others:
                self._held.adopt(other)
            line = self._noted(done)
        if self._files is None:
            self.take_over()
        begun = self._state.load()
        if begun is None:
            raise Lost("target-lost", where="the held files", detail="their list is gone")
        return WithdrawalRecord(
            step=given.number,
            rows=line.facts["rows"],
            objects=begun.objects,
            size=begun.size,
            locked_milliseconds=line.facts["locked"],
            ended_at=given.now(),
            consequences=tuple(Consequence(code, count) for code, count in line.facts["consequences"]),
            left=tuple(line.facts["left"]),
        )

    def _note_target(self) -> None:
        """What was found is durable before anything changes: a resume will find less."""
        if self._held.manifest.last("target") is None:
            target = self._target
            self._held.manifest.write(
                "target",
                facts=[[fact.name, fact.value] for fact in target.facts],
                rows=target.objects,
                size=target.size,
                preferred=(target.preferred or "copy-forward"),
                residual=[[one.code, one.count] for one in target.residual],
            )
            for other in self._left_by_others:
                self._note_settings(other)

    def _note_settings(self, other: Held) -> None:
        """What the engine had set otherwise before a withdrawal that does not go on is given back by this one."""
        begun, ours = other.manifest.last("target"), self._target.facts
        if begun is None or other.manifest.last("withdrawn") is not None:
            return
        if begun.facts["facts"][:SERVER] != [[fact.name, fact.value] for fact in ours[:SERVER]]:
            return
        for line in other.manifest.lines:
            if line.phase in SETTINGS and self._held.manifest.last(line.phase) is None:
                self._held.manifest.write(line.phase, **line.facts)

    def _noted(self, done: Withdrawn) -> Line:
        if still := self._held.linked_elsewhere():
            detail = f"{len(still)} of the held files have another name too"
            raise Lost("engine-failed", where=self._request.carrier, detail=detail)
        self._held.manifest.write(
            "withdrawn",
            rows=done.rows,
            locked=done.locked_milliseconds,
            consequences=[[one.code, one.count] for one in done.consequences],
            left=list(done.left),
            before=[done.before.tables, done.before.rows, done.before.digest],
            after=[done.after.tables, done.after.rows, done.after.digest],
        )
        return self._held.manifest.lines[-1]

    def _begin(self, root: int) -> Begun:
        """The held files with the blocks they have, all of them on the storage."""
        sync_file_system(root)
        streams = map_streams(root, file_system_of(root, self._request.machine), self._held.names(), is_held=True)
        if problems := streams.tree.problems:
            detail = ", ".join(f"{reason} ({count})" for reason, count in problems.items())
            raise Lost("engine-failed", where=self._request.carrier, detail=detail)
        names = streams.tree.names
        return Begun(self._target.facts, streams.size, len(streams), names, secrets.token_hex(16), streams)

    def _hunt(self, given: Given) -> Check:
        with self._folder() as root:
            found = file_system_of(root, self._request.machine)
        places: dict[int, str] = {}
        for path, place in self._session.files():
            # A server at work removes files of its log whenever it likes.
            with suppress(FileNotFoundError):
                places[path.stat().st_ino] = place
        ground = Ground(found, self._spans(), places)
        packings = (*PACKINGS, *self._session.packings())
        self._checking = self._begin_check()
        return hunt_on((ground,), given, self._box, self._request.key, self._request.machine, packings=packings)

    def _begin_check(self) -> Future[tuple[str, bool]]:
        """The engine checks its files while the storage is hunted over: the one computes where the other reads, and
        neither changes anything."""
        beside = ThreadPoolExecutor(1, thread_name_prefix="engine-check")
        self._left.callback(beside.shutdown)
        checking = beside.submit(self._session.check)
        self._left.callback(self._cut_check, checking)
        return checking

    def _cut_check(self, checking: Future[tuple[str, bool]]) -> None:
        """It is over, also where nobody waits for it any more, and the session may be closed."""
        while not checking.done():
            self._session.cut_check()
            wait((checking,), TICK)

    def _checked(self, given: Given) -> tuple[str, bool]:
        """What the engine's check says, waited for until the run is to stop; raises Halted."""
        # The hunt may have been done before a crash.
        checking = self._checking or self._begin_check()
        while not wait((checking,), TICK).done:
            if given.stop.is_set():
                raise Halted
        return checking.result()

    def _spans(self) -> tuple[tuple[str, int, int], ...]:
        """Where the held files lay: a hit there is one in the carrier itself."""
        line = self._held.manifest.last("lay")
        spans = line.facts["spans"] if line is not None else ()
        return tuple(("carrier", physical, length) for physical, length in spans)

    def _confirm(self, given: Given) -> SurvivorsCheck:
        line = self._held.manifest.last("withdrawn")
        if line is None:
            raise Lost("target-lost", where="the survivors", detail="nothing was taken out yet")
        before, after = Survivors(*line.facts["before"]), Survivors(*line.facts["after"])
        engine_check, is_sound = self._checked(given)
        self._held.remove()
        return SurvivorsCheck(
            step=given.number,
            tables=before.tables,
            rows_before=before.rows,
            rows_after=after.rows,
            digest_before=before.digest,
            digest_after=after.digest,
            engine_check=engine_check,
            is_sound=is_sound,
            ended_at=given.now(),
        )


def _lay(streams: Streams | None) -> list[tuple[int, int]]:
    """Where the held files' blocks are: after the release nobody else could tell."""
    if streams is None:
        return []
    return [(span.physical, span.length) for one in range(len(streams)) for span in streams.spans(one)][:MOST_SPANS]
