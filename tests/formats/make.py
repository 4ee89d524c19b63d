"""Writes what this version stores into a folder, for tests of later versions.

    python -m tests.formats.make tests/formats/1

Run once for each format. What is written is never changed afterwards: it represents the data of
deployments that upgrade.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from bandit_platform.domain.request_arms import ArmsReader
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.journal.reader import segments
from bandit_platform.services.evaluation.export import export
from bandit_platform.services.evaluation.log_writers import Kind
from bandit_platform.services.serving.query import Query
from bandit_platform.storage.database import Database
from tests.conftest import FakeClock
from tests.services.conftest import KEY, World

SECRET = b"the secret of stored formats, longer than 32 bytes"
SPEC = """
key = "checkout-offers"
placement = "checkout"
owner = "growth"

[context]
cart_value = { type = "number", min = 0 }
country = { type = "category" }
returning = { type = "boolean" }
cart_skus = { type = "set" }

[[arms]]
key = "upgrade"
sku = "vip"
not_if_in = "cart_skus"
features = { margin = 12.0, kind = "own" }
offer = { title = "Upgrade" }
value = { accept = 3.0 }
when = { cart_value = { gte = 50 } }

[[arms]]
key = "insurance"
features = { margin = 4.0, kind = "partner" }
offer = { title = "Insurance" }
advertiser = "acme"

[reward]
window = "1h"
currency = "GBP"
accept = 1.0
dismiss = -0.1
purchase = { amount = 0.1, max = 50 }

[policy]
publish_every = "1s"

[[candidates]]
name = "greedier"
exploration = "epsilon_greedy"
floor = 0.1

[holdout]
share = 0.1

[events]
secret_only = ["purchase"]
"""


CATALOGUE = """
key = "catalogue"
placement = "cart"
arms_from = "request"

[context]
cart_value = { type = "number", min = 0 }

[reward]
window = "1h"
accept = 1.0
"""


def main() -> None:
    """Fill the folder."""
    (target,) = map(Path, sys.argv[1:])
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        database = Database(f"sqlite:///{folder / 'database.sqlite3'}")
        with closing(database):
            database.migrate()
            _write(World(database, folder, SECRET, FakeClock()), target)
        with gzip.GzipFile(target / "database.sqlite3.gz", "wb", mtime=0) as packed:
            packed.write((folder / "database.sqlite3").read_bytes())


def _write(world: World, target: Path) -> None:
    world.launch(parse_toml(SPEC))
    world.traffic(200)
    world.settle()
    world.learn()
    world.refresh()
    world.deployments.ramp(KEY, "greedier", 0.25)
    world.refresh()
    made = world.traffic(150)
    made.append(world.decide(context={"cart_value": 90.0, "cart_skus": ["vip", "mug"]}))
    made.append(world.decide("a shopper", request_key="order-1", context={"country": "DE"}))
    world.report(made[-1], "purchase", amount=59.9, currency="GBP")
    world.settle()
    world.learn()
    world.deployments.promote(KEY, "greedier")
    for kind, name in (
        (Kind.PARQUET, "export.parquet"),
        (Kind.CSV, "export.csv"),
        (Kind.DSJSON, "export.dsjson"),
    ):
        for _ in export(world.database, KEY, target / name, kind):
            pass
    world.refresh()
    world.launch(CATALOGUE)
    world.refresh()
    later = [*world.traffic(20), world.decide(context={"cart_skus": ["vip"]})]
    for number in range(3):
        sent = [
            {"key": f"sku-{each}", "features": {"margin": each / 4, "new": each % 2 == 0}}
            for each in range(number, number + 5)
        ]
        query = Query(
            unit_id=f"shopper {number}",
            context={"cart_value": 20.0 + number},
            request_key=None,
            eligible_arms=None,
            excluded_arms=(),
            defer_activation=False,
            arms=ArmsReader().read(sent),
        )
        world.server.decider.decide("catalogue", query)
    world.server.journal.close()
    (segment,) = segments(world.folder)
    shutil.copyfile(segment, target / "journal.jsonl")
    stored = world.one("SELECT count(*) FROM decision")
    world.database.shrink()
    traffic = "FROM interaction JOIN decision USING (decision_id) WHERE interaction.policy_traffic"
    summary = {
        "decisions": stored,
        "journal_decisions": [each.decision_id for each in later],
        "catalogue_decisions": 3,
        "interactions": world.one("SELECT count(*) FROM interaction WHERE policy_traffic"),
        "mean_reward": world.one(f"SELECT avg(reward) {traffic}"),
        "mean_inverse_propensity": world.one(f"SELECT avg(1.0 / propensity) {traffic}"),
        "deployments": world.one("SELECT count(*) FROM deployment"),
        "model_versions": world.one("SELECT count(*) FROM model_version"),
    }
    (target / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")


if __name__ == "__main__":
    main()
