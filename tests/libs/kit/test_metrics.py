"""Many observations at once are the same as each by itself."""

import pytest
from prometheus_client import CollectorRegistry

from libs.kit.metrics import BulkHistogram


@pytest.mark.parametrize(
    "amounts", [[], [0.5], [3.0, 3.5, 2.5], [1.0, 0.0, 2.0, 4.0], [9.0, 1.5, 100.0, 1.5, -1.0, 4.0, 4.1]]
)
def test_observing_all_at_once(amounts: list[float]) -> None:
    def observed(*, together: bool) -> dict[str, float]:
        registry = CollectorRegistry()
        histogram = BulkHistogram("size", "Of a test.", buckets=(1, 2, 4), registry=registry)
        if together:
            histogram.observe_all(amounts)
        else:
            for amount in amounts:
                histogram.observe(amount)
        samples = [sample for family in registry.collect() for sample in family.samples]
        return {f"{one.name}{one.labels}": one.value for one in samples if "created" not in one.name}

    assert observed(together=True) == observed(together=False)
