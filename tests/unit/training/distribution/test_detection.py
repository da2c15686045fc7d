"""`--distributed auto`: what started the processes says which they are."""

import keras
import pytest

from kerascnn.errors import ConfigError
from kerascnn.training.distribution.detection import initialized_cluster
from kerascnn.training.distribution.processes import cluster_of
from kerascnn.training.distribution.rendezvous import Cluster

PREFIXES = ("JAX_", "SLURM_", "OMPI_", "KUBERNETES_")

SLURM = {
    "SLURM_JOB_ID": "4096", "SLURM_STEP_NODELIST": "node[07-09],other", "SLURM_NTASKS": "3",
    "SLURM_PROCID": "2", "SLURM_LOCALID": "0", "SLURM_STEP_NUM_NODES": "3",
}  # fmt: skip
OPEN_MPI = {
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911",
    "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
}  # fmt: skip
OWN = {
    "JAX_COORDINATOR_ADDRESS": "first:7000", "JAX_NUM_PROCESSES": "4", "JAX_PROCESS_ID": "3",
}  # fmt: skip


@pytest.fixture(autouse=True)
def launched(monkeypatch: pytest.MonkeyPatch):
    """Set the variables of a launcher, and no other's."""
    import os

    pytest.importorskip("jax")
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    for name in list(os.environ):
        if name.startswith(PREFIXES) and not name.startswith(("JAX_COMP", "JAX_PERS")):
            monkeypatch.delenv(name)

    def launch(variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return launch


@pytest.mark.parametrize(
    ("variables", "cluster"),
    [
        (SLURM, Cluster("node07:61440", 3, 2, (0,))),
        (SLURM | {"JAX_COORDINATOR_PORT": "7001"}, Cluster("node07:7001", 3, 2, (0,))),
        (OPEN_MPI | {"JAX_COORDINATOR_PORT": "7001"}, Cluster("10.96.0.1:7001", 2, 1, (1,))),
        (OWN, Cluster("first:7000", 4, 3)),
        (SLURM | OWN, Cluster("first:7000", 4, 3)),  # what is nearer to JAX
        (OPEN_MPI | OWN, Cluster("first:7000", 4, 3)),
        # mpirun inside of a Slurm job: it started the processes.
        (
            OPEN_MPI | SLURM | {"JAX_COORDINATOR_PORT": "7001"},
            Cluster("10.96.0.1:7001", 2, 1, (1,)),
        ),
        (SLURM | {"JAX_PROCESS_ID": "0"}, Cluster("node07:61440", 3, 2, (0,))),  # not all three
        (SLURM | {"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, None),
        (OWN | {"JAX_NUM_PROCESSES": "1", "JAX_PROCESS_ID": "0"}, None),
    ],
)
def test_launchers(variables: dict[str, str], cluster: Cluster | None, launched) -> None:
    launched(variables)
    assert cluster_of("auto", None, None) == cluster


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "no launcher was detected"),
        ({"JAX_COORDINATOR_ADDRESS": "first:7000"}, "no launcher was detected"),
        (OWN | {"JAX_PROCESS_ID": "x"}, "expected whole numbers"),
        (OWN | {"JAX_PROCESS_ID": "-1"}, "`rank` is -1; expected from 0 to 3"),
        (OWN | {"JAX_NUM_PROCESSES": "0"}, "`processes` is 0"),
        (SLURM | {"SLURM_PROCID": "3"}, "`rank` is 3; expected from 0 to 2"),
        (OWN | {"JAX_PROCESS_ID": "4"}, "`rank` is 4; expected from 0 to 3"),
        (SLURM | {"SLURM_NTASKS": "many"}, "JAX cannot use the settings of this launcher"),
    ],
)
def test_what_is_missing_or_wrong(variables: dict[str, str], message: str, launched) -> None:
    launched(variables)
    with pytest.raises(ConfigError, match=message):
        cluster_of("auto", None, None)


def test_auto_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="or `distributed` auto alone"):
        cluster_of("auto", 2, 0)
    monkeypatch.setattr(keras.config, "backend", lambda: "tensorflow")
    with pytest.raises(ConfigError, match="Set KERAS_BACKEND=jax"):
        cluster_of("auto", None, None)
    assert initialized_cluster() is None
