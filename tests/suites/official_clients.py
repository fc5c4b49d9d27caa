"""What official clients of families that speak OpenAI's way are asked for, and a simulator that answers each."""

from simulator import Config, Quota, Script

__all__ = ["QUESTION", "TOOLS", "a_provider"]

QUESTION = [{"role": "user", "content": "What is the answer?"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Of a place.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


def a_provider(key: str) -> Config:
    """It takes this key, and has a model for each thing that one does."""
    return Config(
        seed=1,
        models={
            "talker": Script(tokens=20, cached_tokens=2),
            "thinker": Script(tokens=5, thoughts=6),
            "caller": Script(tools=2),
            "frugal": Script(tokens=5),
            "embedder": Script(),
        },
        quotas={"frugal": Quota(rpm=1)},
        api_keys=(key,),
    )
