# ruff: noqa: E501  a sentence stands on one line, whatever its length
"""Words of `expunge verify` in both languages."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "verify.target": ("Target", "对象"),
    "verify.bytes": ("bytes", "字节"),
    "verify.expected": ("Expected", "预期内容"),
    "verify.document": ("By", "依据"),
    "verify.audited": ("its documents hold", "其文件经核验成立"),
    "verify.unaudited": (
        "NOT CHECKED: anyone may have written it (give --trust FILE)",
        "未经核验：任何人均可伪造（请用 --trust 指定信任文件）",
    ),
    "verify.read": ("Read", "已读取"),
    "verify.sampled": (
        "a sample: {read} of {blocks} blocks over {strata} sections, and {anchors} anchors; finds a differing share of {fraction} with confidence {confidence}",
        "抽样：{blocks} 块中分布于 {strata} 个分区的 {read} 块，另加 {anchors} 个锚点；不符比例达 {fraction} 时以 {confidence} 的置信度发现",
    ),
    "verify.stopped": ("ended at the first difference, the rest is not known", "遇首处不符即停止，其余未知"),
    "verify.matched": ("As expected", "相符"),
    "verify.differs": ("Differs", "不符"),
    "verify.unread": ("Not readable", "未能读取"),
    "verify.missing": ("Too short by", "容量不足"),
    "verify.beyond": ("Not compared", "未比较"),
    "verify.not-compared": ("{size} bytes behind what is expected", "预期范围之后的 {size} 字节"),
    "verify.amount": ("{size} bytes in {ranges} ranges", "{size} 字节，共 {ranges} 处"),
    "verify.took": ("Took", "用时"),
    "verify.speed": ("{seconds} s, {rate}/s", "{seconds} 秒，{rate}/秒"),
    "verify.match": ("All of it is as expected.", "全部内容与预期相符。"),
    "verify.match-sampled": (
        "All that was read is as expected; what was not read is not known.",
        "所读内容均与预期相符；未读部分不得而知。",
    ),
    "verify.differ": ("It is not as expected.", "内容与预期不符。"),
    "verify.unknown": (
        "All that could be read is as expected, and not all of it could be read.",
        "可读部分均与预期相符，但有部分无法读取。",
    ),
    "verify.states": (
        "This states what stands there now; it certifies nothing.",
        "以上仅陈述当前内容，不作任何证明。",
    ),
}
"""Key -> (English, Chinese)."""
