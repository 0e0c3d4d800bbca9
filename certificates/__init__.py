"""Statement: what was ordered, done and recorded; seals statements and checks seals.

Imports: no other room.
Touches: nothing; time and keys are arguments. Only __main__.py, the auditor's command, reads files and the clock.
"""
