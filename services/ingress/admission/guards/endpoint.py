"""Can the model do what this endpoint is for? What nobody knows of a model refuses nothing."""

from services.ingress.admission.case import Case
from services.ingress.admission.refusal import Reason, Refused
from shared.contracts import Endpoint

__all__ = ["endpoint"]


def endpoint(case: Case) -> Refused | None:
    embeds = case.facts.model.embeds if case.facts.model else None
    wanted = case.request.endpoint is Endpoint.EMBEDDINGS
    if embeds is None or embeds is wanted:
        return None
    does, instead = ("makes embeddings", Endpoint.EMBEDDINGS) if embeds else ("does not make embeddings", Endpoint.CHAT)
    return Refused(
        Reason.WRONG_ENDPOINT,
        f"The model `{case.request.model}` {does}: it is not for {case.request.endpoint}, but for {instead}.",
        "model",
    )
