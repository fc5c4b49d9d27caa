"""What can one do with a stack that has just started? An example to paste for each door, which works as it stands."""

import importlib.util
import json
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Welcome", "door_examples", "examples", "greeting"]


@dataclass(frozen=True, slots=True)
class Welcome:
    gateway_url: str
    api_key: str | None
    """None when only the callers know theirs: the configuration holds hashes."""
    kafka_url: str
    submit_topic: str | None
    """None when no topic is bound to a caller in the configuration."""
    model: str
    config: Path
    simulated: bool
    took_seconds: float


def greeting(of: Welcome) -> str:
    provider = "a simulated provider; write a sluice.yaml to use real ones" if of.simulated else str(of.config)
    lines = [
        "",
        f"Sluice is ready at {of.gateway_url} ({of.took_seconds:.1f} s; {provider}).",
    ]
    if of.api_key:
        lines.append(f"API key: {of.api_key}")
    else:
        lines.append("The keys are those of your configuration: put one into SLUICE_API_KEY for the lines below.")
    lines += ["", examples(of)]
    sluice = _sluice()
    others = ("status", "logs ingress -f", "submit FILE.jsonl --wait", "usage", "down")
    lines += ["", "From another terminal: " + ", ".join(f"{sluice} {other}" for other in others)]
    return "\n".join(lines) + "\n"


def examples(of: Welcome) -> str:
    """Nothing but what a shell takes."""
    return "\n\n".join(f"# {title}\n{example}" for title, example in door_examples(of))


def door_examples(of: Welcome) -> list[tuple[str, str]]:
    found = [("curl, streaming", _curl(of)), ("the OpenAI SDK for Python", _openai_sdk(of))]
    if of.submit_topic:
        found.append(("a job by Kafka, and its result", _topic(of, of.submit_topic)))
    return found


def _curl(of: Welcome) -> str:
    body = json.dumps({"model": of.model, "stream": True, "messages": [{"role": "user", "content": "Say hello."}]})
    key = of.api_key or "$SLUICE_API_KEY"
    return (
        f"curl -N {of.gateway_url}/v1/chat/completions"
        f' -H "Authorization: Bearer {key}" -H "Content-Type: application/json" -d {shlex.quote(body)}'
    )


def _openai_sdk(of: Welcome) -> str:
    key = repr(of.api_key) if of.api_key else 'os.environ["SLUICE_API_KEY"]'
    imports = "from openai import OpenAI" if of.api_key else "import os\nfrom openai import OpenAI"
    install = "" if importlib.util.find_spec("openai") else f"{_python()} -m pip install openai\n"
    return f"""\
{install}{_python()} - <<'PYTHON'
{imports}
client = OpenAI(base_url="{of.gateway_url}/v1", api_key={key})
answer = client.chat.completions.create(model="{of.model}", messages=[{{"role": "user", "content": "Say hello."}}])
print(answer.choices[0].message.content)
PYTHON"""


def _topic(of: Welcome, topic: str) -> str:
    body = {"model": of.model, "messages": [{"role": "user", "content": "Say hello."}]}
    line = json.dumps({"custom_id": "hello-1", "method": "POST", "url": "/v1/chat/completions", "body": body})
    results = f"{_sluice()} results --since 1m --count 1"
    if shutil.which("kcat"):
        return f"echo {shlex.quote(line)} | kcat -P -b {of.kafka_url} -t {topic}\n{results}"
    return f"""\
{_python()} - <<'PYTHON'
import asyncio
from aiokafka import AIOKafkaProducer

async def main():
    async with AIOKafkaProducer(bootstrap_servers="{of.kafka_url}") as producer:
        await producer.send_and_wait("{topic}", b'''{line}''')

asyncio.run(main())
PYTHON
{results}"""


def _python() -> str:
    """The Python that has our libraries."""
    return _from_here(Path(sys.executable))


def _sluice() -> str:
    beside_python = Path(sys.executable).parent / "sluice"
    on_path = shutil.which("sluice")
    if on_path and Path(on_path).resolve() == beside_python.resolve():
        return "sluice"
    return _from_here(beside_python) if beside_python.exists() else f"{_python()} -m cli"


def _from_here(program: Path) -> str:
    """As short as it can be written in this folder."""
    here = Path.cwd()
    return shlex.quote(str(program.relative_to(here) if program.is_relative_to(here) else program))
