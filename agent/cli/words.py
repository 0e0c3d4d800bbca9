"""Words of the screen in both languages; what pages of the domain share stands in `certificates.render.words`."""

from __future__ import annotations

from agent.cli.screen import Language

WORDS: dict[str, tuple[str, str]] = {
    "unexpected": (
        "Unexpected: {kind}. This is a bug; the traceback is in {where}    [exit 1]",
        "意外错误：{kind}。这是程序缺陷，详情见 {where}    [exit 1]",
    ),
    "passphrase.new": ("Passphrase for the new key", "新密钥的口令"),
    "passphrase.ask": ("Passphrase of {where}", "{where} 的口令"),
    "key.made": (
        "{key}\nsecret half  {file}\npublic half  {public}",
        "{key}\n私钥  {file}\n公钥  {public}",
    ),
    "keyring.made": ("{file}\n{digest}", "{file}\n{digest}"),
    "keyring.unfinished": ("Not finished: {missing}", "尚未完成：{missing}"),
    "keyring.version": (
        "● version {version}  {digest}\n  {persons} persons, {hosts} hosts, signed by {signed_by} of {keepers_needed}",
        "● 第 {version} 版  {digest}\n  人员 {persons}，主机 {hosts}，签名人 {signed_by}（需 {keepers_needed} 人）",
    ),
    "keyring.root": (
        "Holds from version 1 on. Trust it only if this is the root you know: {root}",
        "自第 1 版起成立。仅当此为您已知的根时方可信任：{root}",
    ),
    "keyring.trusted": ("Holds from the trusted root on: {root}", "自可信根起成立：{root}"),
    "order": ("Order", "销毁单"),
    "order.unit": ("Unit", "单位"),
    "order.reason": ("Reason", "事由"),
    "order.approval": ("Approval", "批复"),
    "order.decision": ("Decision", "集体决策"),
    "order.paper": ("Approved on paper", "纸质批复"),
    "order.valid": ("Valid", "有效期"),
    "order.window": ("Window", "执行时段"),
    "order.place": ("Place", "地点"),
    "order.people": ("People", "人员"),
    "order.drafted": ("Drafted: {file}\n{digest}\nNobody has signed it.", "已起草：{file}\n{digest}\n尚无人签名。"),
    "selector.made": ("Selector, private: {file}", "选择文件（保密）：{file}"),
    "carrier": ("Carrier", "载体"),
    "label": ("label", "标签"),
    "carrier.kind": ("Kind", "类型"),
    "carrier.level": ("Minimum level", "最低级别"),
    "carrier.technique": ("Technique", "方法"),
    "carrier.least": ("the least that reaches the level", "达到该级别的最低方法"),
    "carrier.verification": ("Read back", "回读"),
    "carrier.selected": ("Selected", "选定"),
    "carrier.destination": ("Afterwards", "去向"),
    "verification.full": ("everything", "全部"),
    "verification.sampled": ("a sample", "抽样"),
    "selected": ("{count} objects, {size} bytes", "{count} 个对象，{size} 字节"),
    "asset": ("Asset", "资产"),
    "signed": ("Signed by {who}: {file}", "{who} 已签名：{file}"),
    "sign.unchecked": (
        "No keyring at hand: whether this key may sign here was not checked.",
        "没有密钥环：未核对此密钥是否有权签名。",
    ),
    "sign.missing": ("Still missing: {missing}", "仍缺：{missing}"),
    "sign.enough": ("Enough signatures for every carrier.", "所有载体的签名均已足够。"),
    "show.head": ("{kind}  {digest}", "{kind}  {digest}"),
    "show.private": ("A private key. It is not opened here.", "私钥。此处不打开。"),
    "show.unchecked": ("not checked: no keyring at hand (give --keyring)", "未核对：没有密钥环（请用 --keyring 指定）"),
    "show.holds": ("every signature is known and holds", "所有签名均已知且成立"),
    "signers": ("Signed by", "签名人"),
    "signers.nobody": ("nobody", "无"),
    "site": ("Site", "站点"),
    "keyring.previous": ("Follows", "上一版"),
    "keyring.signers": ("Keepers who sign", "签署的密钥管理人"),
    "person": ("Person", "人员"),
    "name": ("Name", "姓名"),
    "roles": ("Roles", "角色"),
    "key": ("Key", "密钥"),
    "valid": ("Valid", "有效期"),
    "revoked": ("revoked", "已吊销"),
    "host": ("Host", "主机"),
    "log": ("Log", "登记日志"),
    "or": (" or ", " 或 "),
    "number": ("No.", "序号"),
    "time": ("Time", "时间"),
    "event": ("Event", "事件"),
    "journal.head": ("The chain holds. Head {head}", "日志链成立。末项 {head}"),
    "technique.passes": ("Writes", "写入"),
    "technique.reaches": ("Could reach", "可达到"),
    "technique.citation": ("From", "依据"),
    "technique.warning": ("Know", "须知"),
    "targets.none": ("No device found.", "未找到设备。"),
    "target.identity": ("Identity", "标识"),
    "target.size": ("Size, sector", "容量、扇区"),
    "target.medium": ("Medium", "介质"),
    "target.more": ("More", "其他"),
    "target.obstacle": ("Not now", "目前不可"),
    "target.free": ("In use", "占用"),
    "target.nothing": ("nothing stands in the way", "没有障碍"),
    "target.reaches": ("Reachable", "可达级别"),
    "target.residual": ("Not reached", "不涉及"),
}
"""Key -> (English, Chinese)."""


def say(key: str, language: Language, /, **facts: object) -> str:
    """Return a word or sentence in the reader's language, filled with facts."""
    english, chinese = WORDS[key]
    return (chinese if language == "zh" else english).format(**facts)
