"""Words of the screen about files that were found, in both languages."""

from __future__ import annotations

OF_FOUND: dict[str, tuple[str, str]] = {
    "files": ("files", "个文件"),
    "folders": ("directories", "个目录"),
    "further-names": ("further names of the same files", "个同一文件的其他名称"),
    "hard-linked": ("with several names", "个具有多个名称"),
    "sparse": ("sparse", "个稀疏文件"),
    "preallocated": ("with blocks never written", "个含未写入的预分配块"),
    "links": ("links, not followed", "个链接（不跟随）"),
    "sockets": ("sockets", "个套接字"),
    "pipes": ("pipes", "个管道"),
    "device-nodes": ("device nodes", "个设备节点"),
    "too-short": ("too short for a sample: all of them", "个过短而无法取样（全部文件）"),
    "in-upper-layer": ("in the upper layer", "个位于上层"),
    "in-lower-layer": ("in a lower layer, which no write reaches", "个位于下层（写入不可达）"),
    "in-layer-unseen": ("in layers out of sight", "个所在层不可见"),
}
FOUND = tuple(OF_FOUND)
"""What is counted, in the order it is told."""

WORDS: dict[str, tuple[str, str]] = {
    "files.file-system": ("On", "文件系统"),
    "files.found": ("Counted", "清点"),
    "files.against": ("Against it", "不可执行的原因"),
    "files.reached": ("overwriting in place reaches the blocks", "就地覆写可达数据块"),
    "files.refused": ("overwriting in place does not reach the blocks", "就地覆写不可达数据块"),
    "files.warning": ("Warning", "警告"),
    "files.unsampled": (
        "no file is long enough for a sample (8 bytes), so contents are not looked for: the run ends unproven (exit 5)",
        "所有文件均短于一个样本（8 字节）：事后无法查找内容，运行结束时不能得到证明（退出码 5）",
    ),
    **{f"files.{what}": words for what, words in OF_FOUND.items()},
}
