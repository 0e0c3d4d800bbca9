"""Every command by name: the module that holds it, and what it does in both languages. Help is printed from here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One command, in a module imported only when it is used; or a group of commands."""

    module: str
    """Module with a click command named `command`; empty for a group."""
    en: str
    """What it does."""
    zh: str
    """What it does, in Chinese."""
    below: tuple[tuple[str, Row], ...] = ()
    """Commands of a group."""


def _group(en: str, zh: str, **below: Row) -> Row:
    return Row("", en, zh, tuple(below.items()))


COMMANDS: dict[str, Row] = {
    "targets": Row("targets", "List what this host has that can be destroyed.", "列出本机可销毁的对象。"),
    "survey": Row(
        "survey",
        "Say what this machine is and which drives are in it, signed by the host.",
        "说明本机及其中的硬盘，由主机签名。",
    ),
    "techniques": Row(
        "techniques", "List the techniques with their steps and citations.", "列出销毁技术及其步骤和依据。"
    ),
    "key": _group(
        "Make signing keys.",
        "生成签名密钥。",
        new=Row("key_new", "Make a signing key.", "生成签名密钥。"),
    ),
    "keyring": _group(
        "Make and check keyrings: who may say what.",
        "生成和核验密钥册：谁有权说什么。",
        new=Row("keyring_new", "Make the first keyring from TOML.", "由 TOML 生成首版密钥册。"),
        rotate=Row("keyring_rotate", "Make the next keyring from TOML.", "由 TOML 生成下一版密钥册。"),
        sign=Row("keyring_sign", "Add a keeper's signature to a keyring.", "为密钥册添加密钥管理人签名。"),
        check=Row("keyring_check", "Check a chain of keyrings.", "核验密钥册链。"),
    ),
    "show": Row(
        "show", "Show any document: what it says, who signed, what is missing.", "显示任一文件：内容、签名和缺项。"
    ),
    "order": _group(
        "Draft and sign orders.",
        "起草和签署销毁单。",
        draft=Row("order_draft", "Make an order and its selectors from TOML.", "由 TOML 生成销毁单及选择文件。"),
        sign=Row("order_sign", "Add a person's signature to an order.", "为销毁单添加签名。"),
    ),
    "fetch": Row(
        "fetch", "Take orders, holds and keyrings from the registry.", "从登记机构获取销毁单、保全状态和密钥册。"
    ),
    "import": Row(
        "take_in", "Take in orders, holds and keyrings from a medium.", "从介质导入销毁单、保全状态和密钥册。"
    ),
    "plan": Row(
        "plan", "Show exactly what run would do; touch nothing.", "显示 run 将执行的全部步骤，不触及任何数据。"
    ),
    "run": Row(
        "run", "Destroy what an order names. The one destructive command.", "按销毁单执行销毁。唯一会销毁数据的命令。"
    ),
    "resume": Row("resume", "Continue what a journal shows as begun.", "继续日志中已开始的执行。"),
    "replay": Row(
        "replay", "Destroy again the records that a restore brought back.", "再次销毁因恢复备份而重现的记录。"
    ),
    "pause": Row(
        "pause", "Let runs wait, and with --lift go on; nothing is written meanwhile.", "暂停执行；用 --lift 继续。"
    ),
    "cancel": Row("cancel", "End runs that go on, as interrupted.", "结束正在进行的执行，记为已中断。"),
    "status": Row(
        "status", "Show what runs, waits, is unsigned or unregistered.", "显示执行中、等待、待签名或未登记的事项。"
    ),
    "certificate": _group(
        "Sign, validate and export certificates.",
        "签署、验收和导出证书。",
        sign=Row("certificate_sign", "Add the executor's or a witness's signature.", "添加执行人或监销人签名。"),
        validate=Row("certificate_validate", "Accept or reject a result.", "验收：接受或拒绝结果。"),
        export=Row("certificate_export", "Write a certificate in a human form.", "将证书导出为可读形式。"),
    ),
    "submit": Row("submit", "Hand in what waits in the outbox.", "提交待送箱中的证书。"),
    "verify": Row(
        "verify", "Read back a medium that others wiped; certifies nothing.", "回读他人擦除的介质；不作证明。"
    ),
    "audit": Row("audit", "Judge bundles offline, a line a check.", "离线核验证据包，每项检查一行。"),
    "journal": _group(
        "Check and export journals.",
        "核验和导出日志。",
        check=Row("journal_check", "Check a journal's chain.", "核验日志链。"),
        export=Row("journal_export", "Write a journal for another program.", "将日志导出给其他程序。"),
    ),
    "hold": _group(
        "Set, lift and list holds.",
        "设置、解除和列出保全。",
        add=Row("hold_add", "Set a hold: a signed 'do not destroy'.", "设置保全：签名的禁止销毁令。"),
        lift=Row("hold_lift", "Lift a hold; lifting starts nothing.", "解除保全；解除不会启动任何销毁。"),
        list=Row("hold_list", "List the holds that this site knows.", "列出本站点已知的保全。"),
    ),
}
"""In the order in which a person meets them."""
