"""`python -m simulator`: one simulator as a process. Prints one JSON line with its URL when it is ready."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import yaml
from pydantic import ValidationError

from shared.lifecycle import spare_the_collector
from shared.tokens import EncodingName
from simulator.config import Config, load_config
from simulator.running import running_simulator
from simulator.served import LogUnreadableError

_EPILOG = """\
a configuration (YAML or JSON), every key optional:

  seed: 1
  count_prompts: o200k_base            # none: a token per 4 bytes
  api_keys: [sk-test]                  # none: everybody is served
  models:
    gpt-4o: {tokens: 200, first_token: [0.2, 0.4], gap: 0.02}
    gpt-4o-mini: {tokens: 50, status: 429, retry_after: 1, first: 3}
    flaky:
      tokens: 80..120
      faults:
        - {cut_after: 10, every: 5}
        - {stall_after: 20, stall_for: 3, probability: 0.1}
        - {status: 500, first: 1, per: prompt}
  quota: {rpm: 600, tpm: 100000, concurrency: 50, burst_seconds: 10}

a script says (numbers may be ranges: [1, 3] or 1..3; times in seconds)

  how much     tokens, thoughts (shown before them), tools, tool_order (sequential, interleaved), finish, refusal,
               cached_tokens, cache_written_tokens, reasoning_tokens (not shown)
  how fast     opening (to the first, empty event), first_token (from there), gap (between tokens)
  in packets   split (each event at so many odd places), drip_bytes and drip_gap
  usage        asked, always, never, with_finish
  cut short    omit (finish, end: a stream without finish_reason or end mark, or both)
  one fault    status (message, type, code, param, retry_after, retry_after_ms, body), hang_up (close, reset),
               stray (page, shape, error, words, redirect, line, bomb: what is no answer),
               cut_after (cut_by: close, reset), stall_after (stall_for), malformed_after,
               error_after (error_status, error_message); after so many tokens
               on which calls: first, every or probability; counted per model or prompt
  or faults    a list of them; the first one that strikes a call is the one it gets

one call's script: the header `x-sim-script: tokens=50;gap=0.01;cut_after=5` (or JSON), the same text as `metadata.sim`
in the body, or behind the model's name: `gpt-4o;tokens=50`.

what was served: GET /_sim/served?after=0, /_sim/served.jsonl, /_sim/totals, /_sim/requests/{x-client-request-id}[/body]
control:         PUT /_sim/scripts/{model}, POST /_sim/reset
"""


def main() -> int:
    arguments = _arguments()
    try:
        config = load_config(arguments.config) if arguments.config else Config()
    except (OSError, yaml.YAMLError, ValidationError) as error:
        return _fail(f"cannot use {arguments.config}: {error}")
    if arguments.seed is not None:
        config = config.model_copy(update={"seed": arguments.seed})
    if arguments.count_prompts:
        config = config.model_copy(update={"count_prompts": arguments.count_prompts})
    if arguments.api_key:
        config = config.model_copy(update={"api_keys": tuple(arguments.api_key)})
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(config, arguments.host, arguments.port, arguments.log))
    except (OSError, LogUnreadableError) as error:
        return _fail(str(error))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="A provider of completions over real HTTP that plays a script, faults included.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, help="decides every word, time and chance (default: the configuration's, or 0)"
    )
    parser.add_argument(
        "--count-prompts",
        choices=get_args(EncodingName),
        help="count prompts with this vocabulary, as the gateway does (default: the configuration's, or none)",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="models, quotas, keys (see below)")
    parser.add_argument("--log", type=Path, metavar="FILE", help="append a JSON line per call; resumed if it exists")
    parser.add_argument(
        "--api-key", action="append", metavar="KEY", help="serve only callers with this key; repeatable"
    )
    return parser.parse_args()


async def _serve(config: Config, host: str, port: int, log: Path | None) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with running_simulator(config, host=host, port=port, log=log) as simulator:
        spare_the_collector()
        print(json.dumps({"url": simulator.url, "seed": config.seed}), flush=True)  # noqa: T201
        await stopped.wait()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _fail(sentence: str) -> int:
    print(f"simulator: {sentence}", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
