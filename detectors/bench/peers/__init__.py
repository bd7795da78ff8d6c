"""Every peer, by the name it has in the tables.

To add one: write it in a file of its own here, add a line below.
tests/detectors/bench/test_peers.py then sees that it does not look ahead.
"""

from collections.abc import Mapping
from typing import Final

from detectors.bench.peers.base import Peer
from detectors.bench.peers.ewma import ewma
from detectors.bench.peers.isolation_forest import isolation_forest
from detectors.bench.peers.kmeans import netdata_kmeans
from detectors.bench.peers.neighbour import nearest_neighbour
from detectors.bench.peers.pca import pca_residual
from detectors.bench.peers.pysad import knn_cad, loda
from detectors.bench.peers.river import half_space_trees, standard_absolute_deviation
from detectors.bench.peers.tail import tail_calibrated

PEERS: Final[Mapping[str, Peer]] = {
    "ewma_100": Peer(what="z of an EWMA over 100 rows", scores=ewma(weight=0.01)),
    "ewma_100_tail": Peer(
        what="the same, tail-calibrated", scores=tail_calibrated(ewma(weight=0.01))
    ),
    "ewma_all": Peer(what="z of all rows so far", scores=ewma(weight=0.0)),
    "isolation_forest": Peer(
        what="scikit-learn IsolationForest, fitted every 250 rows on the last 2,000",
        scores=isolation_forest,
    ),
    "kmeans": Peer(
        what="k-means of each metric as Netdata's, trained every 1,000 rows", scores=netdata_kmeans
    ),
    "knn_cad": Peer(
        what="PySAD KNN-CAD, for a single value", scores=knn_cad, extra="pysad", columns=1
    ),
    "loda": Peer(what="PySAD LODA", scores=loda, extra="pysad"),
    "loda_tail": Peer(
        what="the same, tail-calibrated", scores=tail_calibrated(loda), extra="pysad"
    ),
    "neighbour": Peer(what="nearest of 300 past rows", scores=nearest_neighbour),
    "neighbour_tail": Peer(
        what="the same, tail-calibrated", scores=tail_calibrated(nearest_neighbour)
    ),
    "pca_50": Peer(what="online PCA over z, residual of 50 %", scores=pca_residual(explained=0.5)),
    "pca_99": Peer(what="online PCA over z, residual of 99 %", scores=pca_residual(explained=0.99)),
    "river_hst": Peer(what="River HalfSpaceTrees, scaled online", scores=half_space_trees),
    "river_sad": Peer(what="River StandardAbsoluteDeviation", scores=standard_absolute_deviation),
}
