"""Ports of servers that are stopped for a while are still theirs."""

import itertools
import socket

from tests.cluster import process


def test_a_port_is_not_given_again_while_its_server_is_stopped():
    """Neither in this process nor in another test process beside it."""
    first, second = (set(itertools.islice(process._ports_of(worker), 1_500)) for worker in ("gw0", "gw1"))

    assert len(first) == len(second) == 1_500
    assert not first & second
    assert first | second < set(process.PORTS)


def test_a_port_on_which_another_program_listens_is_passed_over():
    (taken,) = process.free_ports(1)
    with socket.create_server(("127.0.0.1", taken)):
        assert not process._nobody_listens(taken)
    assert process._nobody_listens(taken)
