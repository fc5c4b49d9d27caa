"""Do input and output together fit into the model's context window?"""

from services.ingress.admission.case import Case
from services.ingress.admission.refusal import Reason, Refused

__all__ = ["context_length"]


def context_length(case: Case) -> Refused | None:
    window = case.facts.model.window_at(case.request.endpoint) if case.facts.model else None
    if window is None:
        return None
    output = case.request.output_tokens or 0
    # Room for one token of output at least: a full window can only fail at the provider.
    if case.facts.input_tokens + max(output, 1) <= window:
        return None
    more = " or more" if case.facts.input_is_cut else ""
    asked = f"your messages resulted in {case.facts.input_tokens} tokens{more}"
    if output:
        asked = (
            f"you requested {case.facts.input_tokens + output} tokens{more} "
            f"({case.facts.input_tokens} in the messages, {output} in the completion)"
        )
    return Refused(
        Reason.CONTEXT_LENGTH_EXCEEDED,
        f"This model's maximum context length is {window} tokens. However, {asked}. "
        "Please reduce the length of the messages or completion.",
        "messages",
    )
