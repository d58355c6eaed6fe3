"""silver.events, silver.orders, silver.items, silver.users, silver.user_changes, silver.identities,
silver.account_aliases ->
features.user_days, features.user_item_days, features.visitor_days, features.visitor_item_days, features.limits,
features.users, features.user_categories, features.items
"""

from shoal.books import releases, runs
from shoal.books.runs import Run
from shoal.cli import run_job
from shoal.config import Config, settings_hash
from shoal.errors import ConfigError
from shoal.features import opening
from shoal.features.building import Building
from shoal.features.group import Group
from shoal.lake import Lake


def build_features(lake: Lake, config: Config, run: Run) -> None:
    """Open the run: bring the tiles of touched days up to date, then summarise every user before ``as_of``."""
    ground = opening.ground(lake)
    said = f"--as-of {run.day}"
    days = opening.known_days(lake, ground, said)
    if problems := opening.problems_of(days, [run.day], first_said=said, last_said=said):
        raise ConfigError("\n".join(problems))
    opening.warn_of_silence(days, run)

    wanted, run.id = run.id, runs.run_id_of(run.day, settings_hash(config), ground.pins)
    if wanted not in (None, run.id):
        raise ConfigError(f"--run-id {wanted}: this day, these settings, code and data make {run.id}")
    if opened := runs.opened(lake, run.id):
        runs.adopt(run, opened)
        run.nothing_new(f"run {run.id} is already open" if not releases.is_released(ground.releases, run.id)
                        else f"run {run.id} is already released: nothing new")  # fmt: skip
        return
    people = opening.pinned(lake, config, ground, [run])
    Building(lake, config, ground, days, people).build(Group([run]))


if __name__ == "__main__":
    run_job("features")
