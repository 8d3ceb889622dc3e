"""Keys that only one generation of Composer has."""

from __future__ import annotations

from collections.abc import Iterator

from envctl.spec.rules.subject import Subject, Violation, hints
from envctl.spec.tables import generations

_INSTEAD = {
    "network.ipAllocation": "generation 3 has no cluster in your project: leave it out",
    "network.ipMasqAgent": "generation 3 has no cluster in your project: leave it out",
    "network.privateEnvironment": "in generation 3 `network.mode: private` is enough",
    "database.zone": "generation 3 chooses the zone itself",
    "network.attachment": "in generation 2 name `network.network` and `network.subnetwork`",
    "workloads.dagProcessor": "in generation 2 the schedulers parse the DAGs: size `workloads.scheduler`",
    "userWorkloads.secrets": "in generation 2 create Kubernetes secrets in the environment's cluster",
    "userWorkloads.configMaps": "in generation 2 create config maps in the environment's cluster",
}


def check_generation_keys(subject: Subject) -> Iterator[Violation]:
    """Keys of the other generation, and keys of none."""
    if subject.generation is None:
        return
    table = generations()
    for key, generation in table.only.items():
        path = tuple(key.split("."))
        if generation != subject.generation and subject.written(*path):
            detail = (
                f"`{key}` exists in generation {generation} only; this image is of generation {subject.generation}."
            )
            yield Violation("key-of-other-generation", path, detail, hints(_INSTEAD.get(key)), at_key=True)
    for key, why in table.never.items():
        path = tuple(key.split("."))
        if subject.written(*path):
            detail = f"`{key}` belonged to generation 1."
            yield Violation("key-of-other-generation", path, detail, hints(f"leave it out: {why}"), at_key=True)
