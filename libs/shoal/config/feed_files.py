"""Feeds as they are asked for: by the name of one that is part of Shoal, or as a file that declares one."""

import json
from pathlib import Path

from pydantic import ValidationError

from shoal.config.places import dotted
from shoal.config.problems import problems_of
from shoal.config.reading import file_layer
from shoal.errors import ConfigError, bulleted
from shoal.sources import FEEDS, Feed, feed_named
from shoal.sources.declared import FeedFile, declared_feed, problems
from shoal.sources.target import TARGETS

_MOST_PROBLEMS = 40


def feed_given(given: str) -> Feed:
    """The feed of that name, or that a file with the ending ``.yaml`` or ``.yml`` declares.

    Raises:
        ConfigError: there is no such feed, or every problem of the file.
    """
    return declared_in(Path(given)) if given.endswith((".yaml", ".yml")) else feed_named(given)


def declared_in(path: Path) -> Feed:
    """The feed that a file declares; its SQL is not judged yet, as that needs Spark.

    Raises:
        ConfigError: every problem of the file.
    """
    layer = file_layer(path)
    found, spec = [*layer.problems], None
    if not found:
        try:
            spec = FeedFile.model_validate(layer.tree)
        except ValidationError as error:
            told = problems_of(error, layer.tree, layer.texts.get, FeedFile)
            found = [f"{dotted(at)}: {text}" if at else text for at, text in told]
            of = layer.tree.get("of", "events")
            if of in [*TARGETS] and of not in layer.tree:  # which key holds the mapping hangs on another
                found.append(f"{of}: is missing")
    if spec is not None:
        found = [*problems(spec)]
        if spec.feed in FEEDS:
            found.append(f"feed: {spec.feed} is a feed that is part of Shoal; choose another name")
    if found or spec is None:
        raise ConfigError(bulleted(f"{path} declares no feed that can be used:", found, _MOST_PROBLEMS))
    feed = declared_feed(spec)
    try:
        json.dumps(spec.model_dump(mode="json"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{path} holds an escape such as \\ud800 that is no character; take it out") from None
    return feed
