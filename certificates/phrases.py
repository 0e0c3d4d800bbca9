"""Facts that sentences name, in Chinese where they are words and no numbers or names: who uses what, which fault."""

from __future__ import annotations

import re

PHRASES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(english), chinese)
    for english, chinese in (
        # who uses a device
        (r"mounted at (.+)", r"已挂载于 \1"),
        (r"swap (.+)", r"交换区 \1"),
        (r"(\S+) lies over it", r"其上建有 \1"),
        (r"(\S+) lies over a file on it", r"其上的文件被 \1 使用"),
        (r"(\S+) lies over the same backing file", r"\1 使用同一后备文件"),
        (r"(\S+) maps the same blocks", r"\1 映射了相同的块"),
        (r"(\S+) holds it(.*)", r"被 \1\2 占用"),
        (r"process (\d+) \((.*)\)", r"进程 \1（\2）"),
        (r"process (\d+) \((.*)\) writes to what it lies on", r"进程 \1（\2）正在写入其下层设备"),
        (r"process (\d+) \((.*)\) writes to its backing file", r"进程 \1（\2）正在写入其后备文件"),
        # what is wrong in a file that a person wrote
        (r"it is not TOML: (.*)", r"不是 TOML：\1"),
        (r"(\S+) is not a known key", r"没有 \1 这一项"),
        (r"(\S+) must be of type int", r"\1 须为整数"),
        (r"(\S+) must be of type str", r"\1 须为带引号的文字"),
        (r"(\S+) must be of type bool", r"\1 须为 true 或 false"),
        (r"(\S+) must be (\d+) or more", r"\1 不得小于 \2"),
        (r"(\S+) is not known here; did you mean (.+)\?", r"\1 不是已知的项；是否应为 \2？"),
        (r"(\S+) is not known here", r"\1 不是已知的项"),
        (r"(\S+) is missing: (.*)", r"缺少 \1：\2"),
        (r"(\S+) must be one of (.*)", r"\1 须为下列之一：\2"),
        (r"(\S+) must be (?:text|an identifier)(.*)", r"\1 的文字格式不符（text\2）"),
        (r"(\S+) must be a whole number from (.*) to (.*)", r"\1 须为 \2 至 \3 的整数"),
        (r"(\S+) names (.+), which is not known here; did you mean (.+)\?", r"\1 所指的 \2 不存在；是否应为 \3？"),
        (r"(\S+) names (.+), which is not known here; known are (.+)", r"\1 所指的 \2 不存在；已知的有 \3"),
        (r"(\S+) names (.+), which is not in (.+)", r"\1 所指的 \2 不在 \3 中"),
        (
            r"(\S+) names (.+), which is neither serial number nor id of a drive in the surveys",
            r"\1 所指的 \2 不是清点结果中任何硬盘的序列号或编号",
        ),
        (
            r"(\S+) names (.+), which is no host id and no host of the keyring \((.*)\)",
            r"\1 所指的 \2 既不是主机编号，也不在密钥册的主机之中（\3）",
        ),
        (r"(.+) and (.+) say the same: leave one of them", r"\1 与 \2 重复，请保留其一"),
        # what is wrong in a list of cards
        (
            r"line (\d+), column (.+?): must be an amount with two decimals, .+ must name the unit: (.+)",
            r"第 \1 行“\2”列：须为带两位小数的金额，例如 12345.00，或在列名中注明单位：\3",
        ),
        (r"line (\d+), column (.+?): must be an amount, e\.g\. 12345\.00", r"第 \1 行“\2”列：须为金额，例如 12345.00"),
        (
            r"line (\d+), column (.+?): must be a card number: an identifier of (.+)",
            r"第 \1 行“\2”列：须为卡片号，只能使用 ASCII 字母、数字和 . _ : + -",
        ),
        (
            r"line (\d+), column (.+?): must be the number itself: (.+) is what a spreadsheet makes of it; .+",
            r"第 \1 行“\2”列：须为编号本身；\3 是电子表格改写的结果，请将该列设为文本",
        ),
        (r"line (\d+), column (.+?): must be (.+)", r"第 \1 行“\2”列：须为 \3"),
        (
            r"its letters are neither UTF-8 nor GB18030: save it as CSV UTF-8",
            r"文件编码既不是 UTF-8 也不是 GB18030，请另存为 CSV UTF-8",
        ),
        (
            r"no line among the first 20 has headings, a column (.+) among them",
            r"前 20 行中没有列名行，其中须有“\1”列",
        ),
        (
            r"no column says where a card's data lies: one of (.+)",
            r"没有任何一列说明卡片数据所在，至少须有下列之一：\1",
        ),
    )
)


def in_chinese(told: str) -> str:
    """Return the lines in Chinese, each by its phrase; a name, a number, or what has no phrase stays as it is."""
    return "\n".join(_line(line) for line in told.split("\n"))


def _line(line: str) -> str:
    bare = line.strip()
    for english, chinese in PHRASES:
        if found := english.fullmatch(bare):
            return line[: len(line) - len(line.lstrip())] + found.expand(chinese)
    return line
