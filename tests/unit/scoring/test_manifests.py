"""The Kubernetes examples against the published schemas of Job and JobSet.

kubeflow-trainer-api has both as classes generated from them: an unknown field is dropped, and a
wrong type or value refused.
"""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

EXAMPLES = Path(__file__).parents[3] / "examples" / "cluster"

models = pytest.importorskip("kubeflow_trainer_api.models", reason="needs kubeflow-trainer-api")


def manifest(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))


def not_kept(given: Any, kept: Any, where: str = "") -> list[str]:
    """Name what of a manifest its class does not know."""
    if isinstance(given, dict) and isinstance(kept, dict):
        pairs = [(f"{where}/{name}", value, kept.get(name)) for name, value in given.items()]
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        pairs = [(f"{where}/{at}", *both) for at, both in enumerate(zip(given, kept, strict=True))]
    else:
        return [] if given == kept else [where]
    return [name for at, one, other in pairs for name in not_kept(one, other, at)]


def check_job(job: dict[str, Any]) -> list[str]:
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    rest = {name: job[name] for name in job.keys() - {"apiVersion", "kind"}}
    return not_kept(rest, models.IoK8sApiBatchV1JobTemplateSpec.from_dict(rest).to_dict())


def check_jobset(jobset: dict[str, Any]) -> list[str]:
    assert (jobset["apiVersion"], jobset["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    return not_kept(jobset, models.JobsetV1alpha2JobSet.from_dict(jobset).to_dict())


def test_the_manifests() -> None:
    assert check_job(manifest("score-job.yaml")) == []
    assert check_jobset(manifest("train-jobset.yaml")) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [("backoffLimitPerIndx", 3), ("completions", "100"), ("completionMode", "indexed")],
)
def test_a_slip_is_found(place: str, value: object) -> None:
    job, jobset = copy.deepcopy([manifest("score-job.yaml"), manifest("train-jobset.yaml")])
    job["spec"][place] = value
    jobset["spec"]["replicatedJobs"][0]["template"]["spec"][place] = value
    for check, slipped in ((check_job, job), (check_jobset, jobset)):
        try:
            unknown = check(slipped)
        except ValueError as error:  # pydantic's, which names the field
            unknown = [str(error)]
        assert len(unknown) == 1
        assert place in unknown[0]
