# ruff: noqa: E501  a sentence stands on one line, whatever its length
"""What checks showed, and what an audit calls its own checks, in English and Chinese."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "check.full-read-back": (
        "Full read-back {place}: {matched} of {size} bytes match, {mismatched} differ, {unread} unread.",
        "全部回读（{place}）：共 {size} 字节，{matched} 字节相符，{mismatched} 字节不符，{unread} 字节未能读取。",
    ),
    "check.sampled-read-back": (
        "{read} of {blocks} blocks of {block_size} bytes read {place}, {matched} matched: with confidence {confidence} at most a fraction {fraction} (about {bytes} bytes) of the readable area differs, for residue placed independently of the positions; {origin}.",
        "共 {blocks} 块（每块 {block_size} 字节），{place}抽取 {read} 块，{matched} 块相符：在残留与抽样位置无关的前提下，以 {confidence} 的置信度，可读范围内不符的比例不超过 {fraction}（约 {bytes} 字节）；{origin}。",
    ),
    "check.strata": (
        "Blocks from each of {strata} sections; {anchors} of them beside the sample, where tables, superblocks and labels stand.",
        "{strata} 个分区各抽若干块；其中 {anchors} 块为抽样之外的锚点（分区表、超级块和卷标所在处）。",
    ),
    "check.raw": ("Their bytes are in the bundle.", "所读字节见证据包。"),
    "check.no-raw": ("The bundle has their digest alone.", "证据包仅含其摘要。"),
    "check.key-gone": (
        "Keyslots {slots_before} before, {slots_after} after; header copies {headers_before} before, {headers_after} after; {opener} {answer}.",
        "密钥槽：销毁前 {slots_before} 个，销毁后 {slots_after} 个；头部副本：销毁前 {headers_before} 份，销毁后 {headers_after} 份；{opener} {answer}。",
    ),
    "opener.refused": ("no longer takes it for a container", "已不再将其识别为容器"),
    "opener.opened": ("still takes it for a container", "仍将其识别为容器"),
    "seed.nonce": (
        "positions fixed by the registry's nonce after the last write",
        "抽样位置由登记机构在最后一次写入后给出的随机数确定",
    ),
    "seed.local": ("positions chosen by this host alone", "抽样位置仅由本机选定"),
    "check-name.bundle": ("bundle", "证据包"),
    "check-name.keyring": ("keyring", "密钥册"),
    "check-name.order": ("order", "销毁单"),
    "check-name.hold": ("hold", "保全"),
    "check-name.start": ("start", "开工声明"),
    "check-name.certificate": ("certificate", "证书"),
    "check-name.binding": ("binding", "绑定"),
    "check-name.journal": ("journal", "日志"),
    "check-name.evidence": ("evidence", "证据"),
    "check-name.samples": ("samples", "抽样"),
    "check-name.profile": ("speed", "速度"),
    "check-name.drive": ("drive", "硬盘自述"),
    "check-name.turns": ("turns", "步骤次序"),
    "check-name.acts": ("steps", "步骤"),
    "check-name.hunt": ("hunt", "残留查找"),
    "check-name.receipt": ("receipt", "回执"),
    "check-name.validation": ("validation", "验收"),
    "check-name.time": ("time", "时间戳"),
    "check-name.medium": ("medium", "载体"),
    "check-name.runs": ("runs", "执行序列"),
    "seen.full": ("{n0} of {n1} bytes match", "{n1} 字节中 {n0} 字节相符"),
    "seen.sampled": ("{n0} of {n1} sampled blocks match, of {n2}", "共 {n2} 块，抽取 {n1} 块，{n0} 块相符"),
    "seen.keys": ("keyslots {n0} before, {n1} after", "密钥槽：销毁前 {n0} 个，销毁后 {n1} 个"),
    "speed.overwrite": ("written at {n1} MB/s ({n0} to {n2})", "写入 {n1} MB/s（{n0} 至 {n2}）"),
    "speed.read-back": ("read back at {n1} MB/s ({n0} to {n2})", "回读 {n1} MB/s（{n0} 至 {n2}）"),
    "speed.lines": (
        "up to {most} MB/s; whole line: written; dashed: read back",
        "最高 {most} MB/s；实线为写入，虚线为回读",
    ),
    "seen.hunt": ("{n0} finds of {n1} samples on {n2} bytes", "在 {n2} 字节上查找 {n1} 个样本，发现 {n0} 处"),
    "seen.hunt-none": ("no hunt was made", "未作残留查找"),
    "seen.survivors": ("{n0} of {n1} rows survive", "应保留 {n1} 行，现存 {n0} 行"),
    "hunt-state.needles-lost": (
        "the samples were lost in a restart, or none could be kept",
        "样本因重启丢失，或未能留取",
    ),
    "hunt-state.storage-not-readable": (
        "the storage below the file system could not be read",
        "无法读取文件系统之下的存储",
    ),
    "seen.nothing": ("nothing was read back", "未回读"),
}
"""Key -> (English, Chinese)."""
