"""A delete that the cluster does not let through."""

from __future__ import annotations

import pytest

from ocdp_operator.errors import Reason, ReconcileError, Stalled
from tests.integration.cluster.test_refusals import admission, config_map, eventually, put
from tests.support.cluster_worlds import RealWorld


async def test_deletion_that_a_policy_refuses_is_named_with_its_message(world: RealWorld) -> None:
    policy = {
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["DELETE"],
                    "resources": ["configmaps"],
                }
            ]
        },
        "validations": [{"expression": "false", "message": "Nothing leaves."}],
    }
    kept = await put(world, config_map())
    async with admission(world, "ValidatingAdmissionPolicy", policy):

        async def is_in_force() -> bool:
            probe = await put(world, config_map("probe"))
            try:
                await world.cluster.delete(world.namespace, probe.ref, uid=probe.uid)
            except ReconcileError:
                return True
            return False

        await eventually(is_in_force)
        with pytest.raises(Stalled, match="Nothing leaves") as caught:
            await world.cluster.delete(world.namespace, kept.ref, uid=kept.uid)
        assert caught.value.reason is Reason.PRUNE_FAILED
