"""Bodies of requests that change the deployment."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

PolicyName = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class DeploymentChange(BaseModel):
    """A change of what serves."""

    model_config = ConfigDict(extra="forbid", strict=True)

    #: number of the deployment that the change was decided on; another one in force refuses it
    based_on: int | None = Field(default=None, ge=1)


class Promotion(DeploymentChange):
    """Makes a policy the champion."""

    policy: PolicyName


class RampStep(DeploymentChange):
    """Gives a policy a share beside the champion."""

    policy: PolicyName
    share: float = Field(gt=0, lt=1, strict=False)


class PinnedVersion(DeploymentChange):
    """Lets the champion serve one version."""

    #: of the champion's model; None for the one that it serves
    version: int | None = Field(default=None, ge=1)
