"""What leaves by the secrecy gate: registration list (清点登记表) and hand-over note; it is never wiped."""

from __future__ import annotations

from agent.lines import write_durably
from agent.site import Site
from certificates.encoding import decode
from certificates.envelope import unwrap
from certificates.errors import Refused
from certificates.statements import Carrier, Order, Secrecy


def write_for(site: Site, envelope: bytes, refusal: Refused) -> None:
    """Write list and note for an order that the secrecy gate stopped; do nothing for any other refusal."""
    if refusal.reason != "secrecy-gate":
        return
    wrapped = unwrap(envelope)
    order = decode(wrapped.payload, Order)
    # Two orders may bear one number; their digests differ.
    beginning = site.state / "handover" / f"{order.id}-{wrapped.digest.removeprefix('sha256:')[:12]}"
    write_durably(beginning.with_name(beginning.name + "-registration-list.txt"), registration_list(order).encode())
    write_durably(beginning.with_name(beginning.name + "-hand-over-note.txt"), note(order).encode())


def stopped_carriers(order: Order) -> tuple[Carrier, ...]:
    """Return the carriers with an asset that is declared or suspected to hold state secrets."""
    secret = {asset.card for asset in order.assets if asset.secrecy is not Secrecy.NONE}
    return tuple(carrier for carrier in order.carriers if secret & set(carrier.assets))


def registration_list(order: Order) -> str:
    """Return the list of the stopped carriers: label, card, assets and who declared them; no names of files."""
    lines = [
        f"涉密载体清点登记表 / Registration list of carriers for destruction    {order.id}",
        f"单位 Unit: {order.unit.name}    批复 Approval: {order.approval.number}",
        "",
        "标签 Label | 载体卡片号 Card | 资产 Assets | 密级声明 Declaration | 声明人 Declared by",
    ]
    assets = {asset.card: asset for asset in order.assets}
    for carrier in stopped_carriers(order):
        held = [assets[card] for card in carrier.assets]
        declared = ", ".join(f"{asset.secrecy.value}" for asset in held)
        people = ", ".join(sorted({asset.secrecy_declared_by for asset in held}))
        lines.append(f"{carrier.label} | {carrier.card or '-'} | {', '.join(carrier.assets)} | {declared} | {people}")
    lines += [
        "",
        "清点人 Counted by: ____________    登记人 Registered by: ____________    审批人 Approved by: ____________",
    ]
    return "\n".join(lines) + "\n"


def note(order: Order) -> str:
    """Return the hand-over note for the secrecy authority's body or a designated unit."""
    count = len(stopped_carriers(order))
    return (
        f"涉密载体移交单 / Hand-over note    {order.id}\n"
        f"移交单位 From: {order.unit.name}\n"
        "接收单位 To: ______________________ (保密行政管理部门销毁工作机构或指定单位)\n"
        f"载体数量 Carriers: {count} (见清点登记表 / see the registration list)\n"
        "本工具未对上述载体进行任何读写。 This program neither read nor wrote these carriers.\n"
        "移交人 Handed over by: ____________    接收人 Received by: ____________    日期 Date: ____________\n"
    )
