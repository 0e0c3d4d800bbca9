"""What the registry answers, and what keeps it from starting."""

from __future__ import annotations

from certificates.reasons.row import Row

REASONS: dict[str, Row] = {
    "registry-bind": Row(
        "{address} is not a loopback address, and hosts cannot prove yet who they are",
        "Bind to 127.0.0.1 or ::1, and carry documents from elsewhere with 'import'",
        "{address} 不是环回地址，而主机目前尚无法证明身份",
        "请绑定 127.0.0.1 或 ::1，其他来源的文件请用 import 导入",
    ),
    "registry-carrier": Row(
        "The certificate does not answer its order: {detail}",
        "Compare the certificate with the order that it names",
        "证书与其销毁单不符：{detail}",
        "请将证书与其所列销毁单核对",
    ),
    "registry-conflict": Row(
        "The same content is registered in another envelope ({digest})",
        "Use the receipt of the registered one",
        "相同内容已以另一信封登记（{digest}）",
        "请使用已登记者的回执",
    ),
    "registry-damaged": Row(
        "{what}",
        "Stop the registry and compare it with its backups and with the receipts that hosts hold",
        "{what}",
        "请停止登记机构，并与备份及各主机所持回执核对",
    ),
    "registry-exists": Row(
        "{where} exists already",
        "Leave it as it is, or choose another directory: keys and roots are never replaced in place",
        "{where} 已存在",
        "请保留原样或另选目录：密钥与信任根不得原地替换",
    ),
    "registry-incident": Row(
        "Host {host} used {kind} {number} before, for something else",
        "Find out whether the host was restored from a backup or copied; the incident is recorded",
        "主机 {host} 曾将 {kind} {number} 用于其他内容",
        "请查明该主机是否由备份恢复或被复制；该事件已记录",
    ),
    "registry-input": Row(
        "The request does not have the form it must have: {detail}",
        "See the description at /openapi.json",
        "请求格式不符：{detail}",
        "请参阅 /openapi.json 中的说明",
    ),
    "registry-keyring": Row(
        "The keyring cited ({digest}) is not one this registry knows",
        "Import the keyring at the registry, then submit again",
        "所引用的密钥册（{digest}）不为本登记机构所知",
        "请先在登记机构导入该密钥册，再行提交",
    ),
    "registry-not-ready": Row(
        "The registry is not set up: {what}",
        "Run 'expunge-registry init' and 'expunge-registry keyring import' first",
        "登记机构尚未就绪：{what}",
        "请先执行 expunge-registry init 与 expunge-registry keyring import",
    ),
    "registry-storage": Row(
        "The registry cannot store anything: {detail}. What it acknowledged before was on its disk by then",
        "Have its operators make room or mend its disk; what was sent waits in the outbox, and is sent again",
        "登记机构无法写入存储：{detail}。此前已确认的内容当时均已落盘",
        "请其运维人员清理空间或修复磁盘；已提交的内容仍在发件箱中，稍后会再次提交",
    ),
    "registry-type": Row(
        "The content type {given} is not taken here",
        "Send {expected}",
        "此处不接受内容类型 {given}",
        "请使用 {expected}",
    ),
    "registry-unknown": Row(
        "The registry has no {what}",
        "Check the name; what was never handed in cannot be had",
        "登记机构没有 {what}",
        "请核对名称；未曾提交者无法取得",
    ),
}
