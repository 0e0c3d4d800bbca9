"""Headings of asset lists, in Chinese and English, and the field that stands below each."""

from __future__ import annotations

import re
import unicodedata

HEADINGS: dict[str, tuple[str, ...]] = {
    "card": ("资产卡片号", "card", "卡片编号", "卡片号", "资产卡片编号", "card no", "card number", "asset card"),
    "serial": (
        "序列号",
        "serial",
        "硬盘序列号",
        "介质序列号",
        "产品序列号",
        "出厂编号",
        "serial no",
        "serial number",
        "sn",
        "s/n",
    ),
    "chassis": (
        "机箱序列号",
        "chassis serial",
        "主机序列号",
        "整机序列号",
        "设备序列号",
        "chassis",
        "chassis sn",
        "service tag",
    ),
    "asset_tag": ("资产编号", "asset tag", "资产标签", "资产标签号", "标签编号", "tag"),
    "label": ("标签", "label", "载体标签"),
    "name": ("名称", "name", "资产名称", "asset name"),
    "code": ("分类代码", "code", "资产分类代码", "国标分类代码", "gb/t 14885", "classification code"),
    "catalogue_id": ("目录编号", "catalogue", "数据目录编号", "catalogue id"),
    "grade": ("分级", "grade", "数据分级", "数据级别", "data grade"),
    "secrecy": ("密级", "secrecy", "涉密情况", "是否涉密"),
    "personal_information": ("个人信息", "personal information", "含个人信息", "是否含个人信息", "pi"),
    "book_value": ("账面价值", "book value", "账面原值", "原值", "value"),
    "level": ("销毁级别", "level", "最低级别", "minimum level"),
    "destination": ("去向", "destination", "处置去向"),
}
"""Field -> headings, the usual Chinese and English one first."""

UNITS = {"元": 100, "人民币元": 100, "cny": 100, "yuan": 100, "rmb": 100, "万元": 1_000_000}
"""Unit in a heading's brackets -> 1/100 of the currency unit."""


def _bare(heading: str) -> str:
    """Return a heading without brackets and what stands in them, blanks, marks and case."""
    text = unicodedata.normalize("NFKC", heading).lower()
    return re.sub(r"[\s_\-*:/.]", "", re.sub(r"\(.*?\)", "", text))


_FIELDS = {_bare(heading): name for name, headings in HEADINGS.items() for heading in headings}


def heading_of(text: str) -> str | None:
    """Return the field that a heading names; none for a heading of something else."""
    return _FIELDS.get(_bare(text.strip().strip('"')))


def fen_per_unit(heading: str) -> int | None:
    """Return 1/100 of the currency unit in the unit that a heading's brackets name; none where they name none."""
    inside = re.search(r"\((.*?)\)", unicodedata.normalize("NFKC", heading).lower())
    return UNITS.get(inside[1].strip()) if inside else None
