from importlib.util import find_spec

import numpy as np
import pytest

from detectors.banks.base import Floats
from detectors.bench.peers import PEERS
from detectors.bench.peers.base import Peer

ROWS, HERE = 420, 390


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> Peer:
    peer = PEERS[request.param]
    if peer.extra and find_spec(peer.extra) is None:
        pytest.skip(f"needs {peer.extra}")
    return peer


def stream(columns: int) -> Floats:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(ROWS, columns)).cumsum(axis=0) / 10 + rng.normal(size=(ROWS, columns))
    values[:, -1] = np.round(values[:, -1])
    return values


@pytest.mark.parametrize("columns", [1, 3])
def test_no_peer_looks_ahead(peer: Peer, columns: int) -> None:
    if columns > peer.columns:
        pytest.skip("judges fewer columns")
    values = stream(columns)
    otherwise = values.copy()
    otherwise[HERE:] = 1e3 - otherwise[HERE:]

    scores, others = peer.scores(values, 0), peer.scores(otherwise, 0)

    assert scores[:HERE].tolist() == others[:HERE].tolist()
    assert scores[HERE:].tolist() != others[HERE:].tolist()


@pytest.mark.parametrize("values", [np.zeros((ROWS, 1)), np.full((ROWS, 2), 1e9)])
def test_peers_stand_what_never_moves(peer: Peer, values: Floats) -> None:
    assert np.isfinite(peer.scores(values[:, : int(min(peer.columns, 2))], 0)).all()


def test_every_peer_says_what_it_is() -> None:
    assert all(peer.what for peer in PEERS.values())
    assert list(PEERS) == sorted(PEERS)
