"""Writes kafka-jars.sha256 anew: `python -m devstack.pin_kafka`, after changing a version here."""

import hashlib
from pathlib import Path

from devstack.kafka_jars import PINS

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
# Kafka speaks slf4j 1.7; without a binding the broker is silent. Its version is that of Kafka's own log4j-core, and it
# needs nothing else. It is not resolved together with Kafka: its managed versions would replace Kafka's own.
LOGGING = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4")


def main() -> None:
    import jgo
    from jgo.maven import MavenContext

    group, name, version = LOGGING
    lines = set()
    for artifact in (*jgo.resolve(KAFKA), MavenContext().project(group, name).at_version(version).artifact()):
        jar: Path = artifact.resolve()
        path = f"{artifact.groupId.replace('.', '/')}/{artifact.artifactId}/{artifact.version}/{artifact.filename}"
        lines.add(f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  {path}\n")
    PINS.write_text("".join(sorted(lines, key=lambda line: line.split()[1])))


if __name__ == "__main__":
    main()
