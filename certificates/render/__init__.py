"""Certificate -> terminal text, HTML, JSON: renderings for people, never a source of truth."""
