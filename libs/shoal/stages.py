"""The stages in their order: one name each, everywhere. Imports nothing, so that --help is quick."""

from typing import NamedTuple


class Stage(NamedTuple):
    """A step of the pipeline."""

    name: str  # in settings, --until and on the command line
    job: str  # file and function in jobs/
    doc: str  # one line of help
    needs_as_of: bool


STAGES = (
    Stage("ingest", "ingest", "Bring new files of a feed into bronze, exactly once.", False),
    Stage("validate", "validate", "Judge new batches: good rows into silver, bad ones aside.", False),
    Stage("features", "build_features", "Compute what the shop knew of each user before a day.", True),
    Stage("segments", "segment_users", "Group buyers who behave alike (KMeans).", True),
    Stage("propensity", "score_propensity", "Score who will buy soon (logistic regression).", True),
    Stage("recommend", "recommend_items", "Recommend items to every active user, and beside every item.", True),
    Stage("publish", "publish", "Make the run visible in one commit.", True),
)
NAMES = tuple(stage.name for stage in STAGES)


def named(name: str) -> Stage:
    """The stage of that name."""
    return next(stage for stage in STAGES if stage.name == name)
