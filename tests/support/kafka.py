"""A real Kafka broker for tests: KRaft, one node, loopback, from Maven Central. It can be stopped and started again.

The jars are named by `kafka/pom.xml` and kept in `.cache/kafka`, so they are fetched once per checkout.
"""

import asyncio
import atexit
import functools
import shutil
import signal
import socket
import subprocess
import uuid
from pathlib import Path
from tempfile import mkdtemp

from hedgerow.embedded import process
from tests.support.certificates import Certificates
from tests.support.ports import free_port
from tests.support.require import require

ROOT = Path(__file__).parents[2]
POM = Path(__file__).parent / "kafka" / "pom.xml"
JARS = ROOT / ".cache" / "kafka" / "4.1.0"
START_SECONDS = 200

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{behind_proxy},CONTROLLER://127.0.0.1:{controller}{more}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{proxy}{more}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={directory}/data
auto.create.topics.enable=false
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
log.flush.interval.messages=1
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
"""

# a listener that only those may use who know the authority of its certificate, and a password
USERNAME, PASSWORD = "hedgerow", "a password"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
SECURED_PROPERTIES = """
listener.name.secured.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secured.ssl.keystore.type=PEM
listener.name.secured.ssl.keystore.location={both}
listener.name.secured.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
  user_{username}="{password}";
listener.name.secured.scram-sha-256.sasl.jaas.config={scram} required;
listener.name.secured.scram-sha-512.sasl.jaas.config={scram} required;
"""
SCRAM_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"


class KafkaBroker:
    """One broker on a directory of its own; its address stays the same when it is started again.

    It listens on `behind_proxy_port` too, where it tells clients that it is found at `proxy_port`: a test that puts
    something between the two sees everything that clients of that address say. With `certificates`, `secured` is an
    address where one must sign in, over TLS.
    """

    def __init__(self, directory: Path, certificates: Certificates | None = None):
        self.directory = directory
        self.port = free_port()
        self.brokers = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.behind_proxy_port, self.proxy_port = free_port(), free_port()
        self.secured = f"127.0.0.1:{free_port()}" if certificates else ""
        properties = PROPERTIES.format(
            more=f",SECURED://{self.secured}" if certificates else "",
            port=self.port,
            behind_proxy=self.behind_proxy_port,
            proxy=self.proxy_port,
            controller=free_port(),
            directory=directory,
        )
        if certificates:
            properties += SECURED_PROPERTIES.format(
                both=certificates.both, username=USERNAME, password=PASSWORD, scram=SCRAM_MODULE
            )
        self._properties = directory / "server.properties"
        self._properties.write_text(properties)
        cluster_id = uuid.uuid4().hex[:22]
        users = [f"{each}=[name={USERNAME},password={PASSWORD}]" for each in MECHANISMS[1:]] if certificates else []
        known = [argument for user in users for argument in ("--add-scram", user)]
        java("kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._properties), *known)

    async def start(self) -> None:
        """Start it and wait until it takes connections."""
        self.launch()
        await asyncio.to_thread(self.wait_ready)

    async def stop(self) -> None:
        """SIGKILL: an outage as sudden as it gets."""
        self.kill()

    def launch(self) -> None:
        """Start the process; it serves after `wait_ready`."""
        output = (self.directory / "broker.log").open("ab")
        command = process.Command(argv=java_command("kafka.Kafka", str(self._properties)), env={"LC_ALL": "C"})
        self._process = process.start(command, output)

    def wait_ready(self) -> None:
        """Return once it answers on its port."""
        assert self._process is not None
        process.wait_until(
            lambda: listens(self.port) and listens(self.behind_proxy_port), self._process, seconds=START_SECONDS
        )

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


def listens(port: int) -> bool:
    """Whether something takes connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def java_command(main: str, *arguments: str) -> tuple[str, ...]:
    """A small virtual machine running one of Kafka's classes."""
    # SerialGC and C1 alone: the broker is idle in most tests, and starts in half the time.
    options = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", f"{JARS}/*")
    return ("java", *options, main, *arguments)


def java(main: str, *arguments: str) -> None:
    """Run one of Kafka's tools to its end."""
    subprocess.run(java_command(main, *arguments), check=True, capture_output=True, timeout=START_SECONDS)


def fetch_jars() -> None:
    """Have the jars in the cache. Processes that want them at once wait for one another by the name of the folder."""
    if JARS.is_dir():
        return
    JARS.parent.mkdir(parents=True, exist_ok=True)
    fetched = Path(mkdtemp(dir=JARS.parent))
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={fetched}"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    try:
        fetched.rename(JARS)
    except OSError:  # another process was first
        shutil.rmtree(fetched)


def private_broker(directory: Path, certificates: Certificates | None = None) -> KafkaBroker:
    """A broker, not yet started, that a test may stop and start. Skips when Java or Maven is missing."""
    require(shutil.which("java"), "Java runs the Kafka broker (Debian: openjdk-17-jre-headless)")
    require(JARS.is_dir() or shutil.which("mvn"), "Maven fetches the Kafka broker (Debian: maven)")
    fetch_jars()
    return KafkaBroker(directory, certificates)


@functools.cache
def shared_broker() -> KafkaBroker:
    """The broker of this test run, started at first use and ended with the process."""
    directory = Path(mkdtemp(prefix="kafka-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    broker = private_broker(directory)
    atexit.register(broker.kill)
    broker.launch()
    broker.wait_ready()
    return broker
