"""Keeps plans that were rebuilt because a file did not fit this release or machine, so that each is built only once."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import replace
from pathlib import Path

from enginewright.compiler.rebuilding import rebuild
from enginewright.device.cache_folder import cache_folder, make_private
from enginewright.device.cuda import find_cuda
from enginewright.errors import CacheError, PlanError
from enginewright.plan.artifact import check_file
from enginewright.plan.plan import Plan
from enginewright.trust import Trust, check_trust_option, judge_trust
from enginewright.verdict import as_error
from enginewright_compat.layout import Header
from enginewright_compat.machine import this_machine
from enginewright_compat.passport import Target
from enginewright_compat.records import canonical_json, to_plain
from enginewright_compat.version import running_version

_log = logging.getLogger("enginewright.plan")


def load_rebuilt(old: str | os.PathLike[str], *, trust: Trust = None) -> Plan:
    """A plan for this release and machine in place of the file `old`, which stays as it is: from the cache, or rebuilt.

    Raises what `rebuild` raises. A cache that cannot be read or written costs a warning.
    """
    check_trust_option(trust)
    artifact, container, _ = check_file(old)
    untrusted = judge_trust(container.header, has_code=container.prefix.has_code, trust=trust)
    if untrusted is not None:
        raise as_error(untrusted, artifact.kind.label, artifact.where)
    target = artifact.passport.target
    path = cached_path(container.header, uses_gpu=bool(target and target.compute_capability))
    if path.is_file():
        try:
            make_private(path.parent)
            return Plan.load(path)
        except (CacheError, PlanError) as error:
            _log.warning("the cached plan %s is not used: %s", path, error.message)
    plan = rebuild(old, trust=trust).plan
    _keep(plan, path)
    return plan


def cached_path(header: Header, *, uses_gpu: bool = False) -> Path:
    """Where the plan for a recipe is kept: by recipe digest, digest of this machine (with its first GPU), and release.

    Raises `DeviceMissing` where a GPU is needed and there is none.
    """
    machine = this_machine()
    target = Target(machine.arch, features=machine.kernel_features, device=machine.model)
    if uses_gpu:
        gpu = find_cuda()
        target = replace(target, device=gpu.name, compute_capability=gpu.architecture, driver=gpu.driver)
    digest = hashlib.sha256(canonical_json(to_plain(target))).hexdigest()
    name = f"{header.recipe.hex()[:32]}-{digest[:32]}.plan"
    return cache_folder() / "plans" / str(running_version()) / name


def _keep(plan: Plan, path: Path) -> None:
    try:
        make_private(path.parent)
        plan.save(path)
    except (OSError, CacheError) as error:  # PlanWriteError is an OSError
        _log.warning("the rebuilt plan is not cached: %s", error)
