"""Which settings come next? A sampler of Optuna decides, from the results of the earlier ones."""

import json
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from tinygrad_edu.lab.runs import Settings, key, label
from tinygrad_edu.lab.search import Between, Space

REPEATED = 10  # repeated settings that are accepted for each trial before the search ends


def from_optuna(search: Any) -> bool:
    """Whether this is a sampler or a study of Optuna, and not the class of one."""
    if isinstance(search, type):
        return False
    return is_study(search) or callable(getattr(search, "sample_relative", None))


def is_study(search: Any) -> bool:
    return callable(getattr(search, "ask", None)) and callable(getattr(search, "tell", None))


def study_of(search: Any, mode: Literal["min", "max"]) -> Any:
    """Return the study, or a new study for a sampler.

    Raises ValueError if the direction of the study does not fit `mode`.
    """
    import optuna

    direction: Literal["minimize", "maximize"] = "minimize" if mode == "min" else "maximize"
    if not is_study(search):
        return optuna.create_study(sampler=search, direction=direction)
    directions = [each.name.lower() for each in search.directions]
    if directions != [direction]:
        raise ValueError(
            f"the study's direction is {', '.join(directions)}, and mode={mode!r} needs a study "
            f"with direction={direction!r}"
        )
    return search


@contextmanager
def quiet() -> Iterator[None]:
    """Let Optuna log only errors inside the block."""
    from optuna import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)


class Questions:
    """Ask a study for settings until there are `trials` different ones.

    known     the settings in the file of the sweep; they count as trials
    value     a function from settings to their result: infinite if they diverged, nan if they have
              no number, None if they are not finished
    settings  all known and new settings by their keys
    """

    def __init__(
        self,
        study: Any,
        space: Space,
        trials: int,
        known: Iterable[Settings],
        value: Callable[[Settings], float | None],
    ) -> None:
        self.study = study
        self.space = space
        self.trials = trials
        self.value = value
        self.kinds = {name: distribution(x) for name, x in space.items()}
        self.settings = {key(each): each for each in known}
        self.open: list[tuple[Any, Settings]] = []  # trials whose results the study does not know
        self.telling = threading.Lock()  # a thread of joblib asks for settings
        self.ended = False
        self.tell_known()

    def asked(self) -> Iterator[Settings]:
        """Yield the settings that the study asks for, each of them once."""
        left = REPEATED * (self.trials + 1)
        while len(self.settings) < self.trials and left and not self.ended:
            trial = self.study.ask(self.kinds)
            settings = {name: chosen(trial.params[name], x) for name, x in self.space.items()}
            name = key(settings)
            with self.telling:
                self.open.append((trial, settings))
            if name in self.settings:
                left -= 1
                self.tell()
            else:
                self.settings[name] = settings
                yield settings

    def tell(self) -> list[Settings]:
        """Tell the study the results that are finished; return their settings."""
        with self.telling:
            values = [(trial, x, self.value(x)) for trial, x in self.open]
            self.open = [(trial, x) for trial, x, value in values if value is None]
            done = [(trial, x, value) for trial, x, value in values if value is not None]
            for trial, _, value in done:
                self.tell_one(trial, value)
        return [x for _, x, _ in done]

    def tell_one(self, trial: Any, value: float) -> None:
        from optuna.trial import TrialState

        state = TrialState.FAIL if math.isnan(value) else TrialState.COMPLETE
        try:
            self.study.tell(trial, None if math.isnan(value) else value, state)
        except RuntimeError as error:  # a sampler stops the study when it has no more settings
            if "Study.stop" not in str(error):
                raise
            self.ended = True

    def tell_known(self) -> None:
        """Add the results in the file to the study, unless its own storage has them already."""
        from optuna.trial import TrialState, create_trial

        complete = self.study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
        there = {key(trial.params) for trial in complete}
        for settings in self.settings.values():
            params = {name: choice(settings[name], x) for name, x in self.space.items()}
            value = self.value(settings)
            if value is not None and not math.isnan(value) and key(params) not in there:
                trial = create_trial(params=params, distributions=self.kinds, value=value)
                self.study.add_trial(trial)

    def give_up(self) -> None:
        """Tell the study at the end of the sweep that its open trials failed."""
        while self.open:
            trial, _ = self.open.pop()
            self.tell_one(trial, math.nan)


def distribution(values: list[Any] | Between) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(values, Between):
        return CategoricalDistribution([choice(x, values) for x in values])
    if values.whole:
        return IntDistribution(int(values.low), int(values.high), log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)


def choice(x: Any, values: list[Any] | Between) -> Any:
    """How Optuna stores a value: as itself, or as its name, since it stores no functions."""
    if isinstance(values, Between):
        return x
    name = label(x)
    return json.dumps(name) if isinstance(name, list) else name


def chosen(x: Any, values: list[Any] | Between) -> Any:
    """The value of a stored choice: the inverse of `choice`."""
    if isinstance(values, Between):
        return x
    return values[[choice(value, values) for value in values].index(x)]


def settings_of(labels: Mapping[str, Any], space: Space) -> Settings | None:
    """The settings that a file stores as these labels; None if they are outside of the space."""
    if labels.keys() != space.keys():
        return None
    found = {}
    for name, values in space.items():
        fitting = (
            [labels[name]] * (labels[name] in values)
            if isinstance(values, Between)
            else [x for x in values if json.dumps(label(x)) == json.dumps(labels[name])]
        )
        if not fitting:
            return None
        found[name] = fitting[0]
    return found
