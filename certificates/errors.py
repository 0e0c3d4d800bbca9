"""Errors by consequence: the family answers the operator's first question: what was touched.

Failure
|- Refused        3  nothing was touched, of any carrier
|- Interrupted    4  part is destroyed; the journal knows how far; resume
|- Unproven       5  the run ended, the evidence does not support the ordered level
|- Unregistered   6  destroyed and certified, waiting in the outbox
`- Untrusted      7  a document does not hold, or no trust anchor was given
"""

from __future__ import annotations

from typing import ClassVar

from certificates.phrases import in_chinese
from certificates.reasons import REASONS
from certificates.reasons.row import Row


class Failure(Exception):
    """An outcome that a person must know: what, the state of the data, what to do next."""

    state: ClassVar[str] = ""
    """The state of the data, in English."""
    state_zh: ClassVar[str] = ""
    """The state of the data, in Chinese."""

    def __init__(self, reason: str, **facts: object) -> None:
        """Take a reason code from `REASONS` and the facts that its sentence names."""
        self.reason = reason
        self.facts = facts
        super().__init__(self.tell())

    @property
    def row(self) -> Row:
        """The reason's row: sentences in both languages."""
        return REASONS[self.reason]

    def tell(self, language: str = "en") -> str:
        """Return the message of three parts in `en` or `zh`."""
        what, advice = (self.row.zh, self.row.next_zh) if language == "zh" else (self.row.en, self.row.next_en)
        state = self.state_zh if language == "zh" else self.state
        ends = "。" if language == "zh" else ". "
        facts = _Facts(
            {name: in_chinese(str(value)) for name, value in self.facts.items()} if language == "zh" else self.facts
        )
        parts = (what.format_map(facts), state, advice.format_map(facts))
        return ends.join(part.rstrip("。. ") for part in parts if part) + ends.strip()


class _Facts(dict[str, object]):
    """Facts for a sentence; one that is missing shows as its own name rather than hiding the message."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"


class Refused(Failure):
    """Nothing was touched, of any carrier."""

    state = "Nothing was written"
    state_zh = "未写入任何数据"


class Interrupted(Failure):
    """Part is destroyed; the journal knows how far."""

    state = "Part of the data is destroyed; the journal knows how far"
    state_zh = "部分数据已销毁，进度见日志"


class Unproven(Failure):
    """The run ended, but the evidence does not support the ordered level; a certificate of the lower claim is filed."""

    state = "The run ended and a record of the lower claim is filed; the order stays open"
    state_zh = "执行已结束，较低结论的记录已归档，销毁单未关闭"


class Unregistered(Failure):
    """Destroyed and certified; the certificate waits in the outbox."""

    state = "The data is destroyed and certified; the certificate waits in the outbox"
    state_zh = "数据已销毁并已出具证书，证书在待送箱中"


class Untrusted(Failure):
    """A document does not hold, or no trust anchor was given."""

    state = "No data was touched"
    state_zh = "未触及任何数据"
