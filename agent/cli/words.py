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
}
"""Key -> (English, Chinese)."""


def say(key: str, language: Language, /, **facts: object) -> str:
    """Return a word or sentence in the reader's language, filled with facts."""
    english, chinese = WORDS[key]
    return (chinese if language == "zh" else english).format(**facts)
