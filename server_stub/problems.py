"""A refusal as a stranger's program reads it: RFC 9457 problem documents, and which status goes with which reason."""

from __future__ import annotations

import errno
import logging
import sqlite3
from http import HTTPStatus

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from certificates.endpoints import PROBLEM, PROBLEM_TYPE
from certificates.errors import Failure, Refused

STATUS = {
    "registry-unknown": HTTPStatus.NOT_FOUND,
    "registry-conflict": HTTPStatus.CONFLICT,
    "registry-incident": HTTPStatus.CONFLICT,
    "document-too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "registry-type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "registry-input": HTTPStatus.BAD_REQUEST,
    "document-malformed": HTTPStatus.BAD_REQUEST,
    "document-not-canonical": HTTPStatus.BAD_REQUEST,
    "registry-not-ready": HTTPStatus.SERVICE_UNAVAILABLE,
    "registry-bind": HTTPStatus.MISDIRECTED_REQUEST,
    "registry-storage": HTTPStatus.INSUFFICIENT_STORAGE,
}
"""Every other reason is a well-formed document that cannot be accepted: 422."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""What the system says of a disk that takes nothing."""
NOT_TAKEN = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY}
)
"""What SQLite says then, of its file or of the journal beside it, and of one that somebody else keeps."""


def status_of(failure: Failure) -> HTTPStatus:
    """The HTTP status that goes with a failure's reason."""
    return STATUS.get(failure.reason, HTTPStatus.UNPROCESSABLE_ENTITY)


def problem(failure: Failure) -> Response:
    """The problem document of a failure, in both languages, with the facts that its sentence names."""
    status = status_of(failure)
    return JSONResponse(
        {
            "type": PROBLEM_TYPE.format(reason=failure.reason),
            "title": status.phrase,
            "status": int(status),
            "detail": failure.tell(),
            "detail_zh": failure.tell("zh"),
            "reason": failure.reason,
            "facts": {name: str(value) for name, value in failure.facts.items()},
        },
        status_code=int(status),
        media_type=PROBLEM,
    )


async def tell_failure(_: Request, error: Exception) -> Response:
    """A failure of ours becomes its problem document."""
    if not isinstance(error, Failure):
        raise error
    return problem(error)


async def tell_validation(_: Request, error: Exception) -> Response:
    """A parameter that has not the form it must have: names the parameter, repeats nothing of its value."""
    if not isinstance(error, RequestValidationError):
        raise error
    places = {".".join(str(part) for part in item["loc"]) for item in error.errors()}
    return problem(Refused("registry-input", detail=", ".join(sorted(places))))


async def tell_status(_: Request, error: Exception) -> Response:
    """What the framework itself refuses (no such path or method), in the same form."""
    if not isinstance(error, HTTPException):
        raise error
    body = {"type": "about:blank", "title": HTTPStatus(error.status_code).phrase, "status": error.status_code}
    return JSONResponse(body, status_code=error.status_code, media_type=PROBLEM, headers=error.headers)


async def tell_storage(_: Request, error: Exception) -> Response:
    """The disk or the database took nothing: whoever sent it keeps it, and who runs the registry reads why. Anything
    else that goes wrong with a file is a bug."""
    detail = _why(error)
    if detail is None:
        raise error
    logging.getLogger("uvicorn.error").error("nothing can be stored: %s", detail)
    return problem(Refused("registry-storage", detail=detail))


def _why(error: Exception) -> str | None:
    """What keeps anything from being stored; none where it is something else."""
    if isinstance(error, OSError):
        return error.strerror if error.errno in NO_ROOM else None
    found = error.orig if isinstance(error, OperationalError) else None
    code = getattr(found, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return str(found) if code in NOT_TAKEN else None


async def tell_bug(_: Request, __: Exception) -> Response:
    """An unexpected error: nothing about the inside reaches the stranger; the traceback is in the server's log."""
    body = {"type": "about:blank", "title": HTTPStatus(500).phrase, "status": 500}
    return JSONResponse(body, status_code=500, media_type=PROBLEM)
