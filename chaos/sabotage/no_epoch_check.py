"""No script asks any more whether a higher epoch owns the job: nobody is fenced."""

import re

import shared.job_log

__all__ = ["commit"]

_CHECK = re.compile(r"if [^\n]*fenced[^\n]* end\b")
_SCRIPTS = ("APPEND", "BEGIN", "RESTORE", "END")


def commit() -> None:
    """Before anybody has taken the scripts by name."""
    for name in _SCRIPTS:
        script, removed = _CHECK.subn("", getattr(shared.job_log, name))
        if not removed:
            raise RuntimeError(f"the script {name} has no epoch check to remove")
        setattr(shared.job_log, name, script)
