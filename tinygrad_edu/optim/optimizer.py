"""What all optimizers share: groups of parameters, their state, and the step."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from tinygrad_edu.optim.blocks import is_large, update_in_blocks
from tinygrad_edu.optim.cleanup import all_or_none
from tinygrad_edu.optim.libraries import as_numpy, beside, is_of_another
from tinygrad_edu.optim.settings import as_python, nonnegative

SHARES = "rho", "alpha"  # settings that are the weight of the past in a running mean


class Optimizer:
    """p = p - step, for every parameter p that has a gradient.

    params        a list of parameters: Tensors, Values, or other objects with `.data` and `.grad`.
                  A parameter that is listed twice counts once. Or a list of groups,
                  {"params": [...], "lr": ..., ...}, with their own settings
    settings      the settings of every group that does not name its own, such as "lr"
    param_groups  the groups with all their settings, which you may change at any time
    state         state[k][i]: a tuple of what is remembered of parameter i of group k, named in
                  `remembers`; each entry starts at 0

    A subclass writes one method, `update(g, p, state, group)`, which computes the step of one
    parameter: g is its gradient and p its data (arrays, or floats for a Value), state what is
    remembered of it, and group the settings, such as group["lr"].

    Raises ValueError or TypeError for parameters or settings that cannot be used.
    """

    remembers: ClassVar[tuple[str, ...]] = ()
    elementwise: ClassVar[bool] = True  # whether some rows of p can be updated without the others

    def __init__(self, params: Iterable[Any], **settings: Any) -> None:
        self.defaults = settings
        self.param_groups: list[dict[str, Any]] = []
        self.state: list[list[Any]] = []
        self.kinds: list[list[Any]] = []  # the class of the data of each parameter, last seen
        self.large: list[bool] = []  # whether a group has parameters to be updated in blocks
        groups = listed(params)
        if not groups:
            raise ValueError(f"{type(self).__name__} got no parameters to train")
        if not isinstance(groups[0], Mapping):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Train the parameters group["params"] too, with the settings of the group.

        A setting that the group does not name has the value given to the optimizer.
        Raises ValueError or TypeError, and adds nothing, if a parameter or a setting is bad.
        """
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(f'a group is a dict {{"params": [...], ...}}, not {group!r}')
        params = list({id(p): p for p in group["params"]}.values())
        if not params:
            raise ValueError(f"{type(self).__name__} got no parameters to train")
        known = {id(p) for p in self.params}
        for p in params:
            self.check_parameter(p)
            if id(p) in known:
                raise ValueError(f"{name_of(p)} is in two groups; put it in only one")
        own = {name: setting for name, setting in group.items() if name != "params"}
        for name in own:
            if name not in self.defaults:
                raise ValueError(
                    f"{type(self).__name__} has no setting {name!r}: "
                    f"its settings are {', '.join(self.defaults)}"
                )
        settings = {name: as_python(x) for name, x in {**self.defaults, **own}.items()}
        self.check(**settings)
        self.param_groups.append({"params": params, **settings})
        self.state.append([(0.0,) * len(self.remembers) for _ in params])
        self.kinds.append([None] * len(params))
        self.large.append(self.elementwise and any(is_large(p.data) for p in params))

    def check_parameter(self, p: Any) -> None:
        """Raise TypeError or ValueError for what cannot be trained."""
        if not hasattr(p, "data") or not hasattr(p, "grad"):
            raise TypeError(
                f"a parameter needs .data and .grad, and {type(p).__name__} does not have both"
            )
        if getattr(p, "function", None) is not None:
            raise ValueError(
                f"{name_of(p)} was computed from other nodes, and its .grad stays None: "
                "train the parameters that it was computed from"
            )

    def check(self, **settings: Any) -> None:
        """Raise ValueError for a setting that makes no sense."""
        betas = settings.pop("betas", (0, 0))
        if not isinstance(betas, tuple) or np.shape(betas) != (2,):
            raise ValueError(f"betas must be two numbers in a tuple or a list, not {betas!r}")
        for beta in betas:
            nonnegative("betas", beta, below=1, part_of=betas)
        for name, x in settings.items():
            nonnegative(name, x, below=1 if name in SHARES else math.inf)

    def update(self, g: Any, p: Any, state: Any, group: Any) -> tuple[Any, Any]:
        """(step, new state): what is subtracted from p, and what is remembered."""
        raise NotImplementedError

    @property
    def params(self) -> list[Any]:
        """The parameters of all groups."""
        return [p for group in self.param_groups for p in group["params"]]

    @property
    def lr(self) -> float:
        """The learning rate of the first group; `optimizer.lr = x` sets it for every group."""
        return self.param_groups[0]["lr"]

    @lr.setter
    def lr(self, lr: float) -> None:
        nonnegative("lr", lr)
        for group in self.param_groups:
            group["lr"] = as_python(lr)

    def step(self) -> None:
        """Move every parameter that has a gradient one step."""
        update = self.update
        parts = zip(self.param_groups, self.state, self.kinds, self.large)
        for group, states, kinds, large in parts:
            plain, lr = self.is_plain(group) and not large, group["lr"]
            for i, p in enumerate(group["params"]):
                g = p.grad
                if g is None:
                    continue
                data = p.data
                if g.__class__ is not data.__class__:
                    g = plain_gradient(p)
                if data.__class__ is not kinds[i]:  # the model may have moved to another library
                    states[i], kinds[i] = moved(states[i], data), data.__class__
                if plain:
                    data -= lr * g
                elif large and is_large(data):
                    states[i] = update_in_blocks(update, g, data, states[i], group)
                else:
                    step, states[i] = update(g, data, states[i], group)
                    data -= step
                p.data = data

    def is_plain(self, group: Any) -> bool:
        """Whether the step is just lr g with these settings: then `update` is not called."""
        return False

    def zero_grad(self) -> None:
        """Set every gradient to None; otherwise the next `backward` adds to the old gradients."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """A copy of all settings and state: dicts and lists of numbers, strings and arrays."""
        return {
            "param_groups": [
                {
                    name: list(x) if isinstance(x, tuple) else x
                    for name, x in group.items()
                    if name != "params"
                }
                for group in self.param_groups
            ],
            "state": [
                [dict(zip(self.remembers, map(copied, state))) for state in states]
                for states in self.state
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned: set all settings and state, or none.

        Raises ValueError with a list of what does not fit the groups and parameters of this one.
        """
        if not state_dict.keys() >= {"param_groups", "state"}:
            raise ValueError(
                "the state of an optimizer has 'param_groups' and 'state', "
                f"and this has {list(state_dict)}: nothing was loaded"
            )
        saved = list(zip(state_dict["param_groups"], state_dict["state"], strict=True))
        if problems := self.misfits(saved):
            raise ValueError(
                f"this state does not fit {type(self).__name__}, and nothing was loaded:\n  "
                + "\n  ".join(problems)
            )
        groups = [{name: as_python(x) for name, x in settings.items()} for settings, _ in saved]
        for group in groups:
            self.check(**{name: group[name] for name in self.defaults})
        state = [
            [
                tuple(restored(memory[name], p.data) for name in self.remembers)
                for p, memory in zip(group["params"], states)
            ]
            for group, (_, states) in zip(self.param_groups, saved)
        ]

        def commit() -> None:
            self.state = state
            self.kinds = [[None] * len(states) for states in state]
            for group, settings in zip(self.param_groups, groups):
                group.update(settings)

        all_or_none([vars(self), *self.param_groups], commit)

    def misfits(self, saved: list[tuple[Any, Any]]) -> list[str]:
        """What is wrong with the saved (settings, states) of the groups, one line each."""
        sizes = [len(states) for _, states in saved]
        expected = [len(group["params"]) for group in self.param_groups]
        if sizes != expected:
            return [f"numbers of parameters in the groups: {sizes}, expected {expected}"]
        problems = []
        for k, (group, (settings, states)) in enumerate(zip(self.param_groups, saved)):
            problems += [
                f"group {k}: no setting {name!r}" for name in self.defaults if name not in settings
            ]
            if "params" in settings:
                problems.append(f"group {k}: 'params' is not a setting that can be loaded")
            for i, (p, memory) in enumerate(zip(group["params"], states)):
                what = f"{name_of(p)} ({i} of group {k})"
                if set(memory) != set(self.remembers):
                    problems.append(
                        f"{what}: state {', '.join(memory)}, expected {', '.join(self.remembers)}"
                    )
                for name, x in memory.items():
                    if not is_real(x):
                        problems.append(f"{what}: {name} must hold real numbers, not {x!r:.60}")
                    elif np.shape(x) not in ((), np.shape(p.data)):
                        problems.append(
                            f"{what}: {name} of shape {np.shape(x)}, expected {np.shape(p.data)}"
                        )
        return problems


def plain_gradient(p: Any) -> Any:
    """The gradient as data. Raises TypeError for one that is computed later, of NumPy's data."""
    g = p.grad
    if g.__class__ is p.__class__:  # recorded by backward(create_graph=True)
        g = g.data
    if hasattr(g, "__dask_graph__") and not hasattr(p.data, "__dask_graph__"):
        raise TypeError(
            f"the gradient of {p.name or 'a parameter'} of shape {p.data.shape} is computed later: "
            "call train.compute(loss, model) between backward() and step()"
        )
    return g


def listed(params: Any) -> list[Any]:
    """The parameters in a list. Raises TypeError for a model, or for one parameter on its own."""
    if hasattr(params, "grad"):
        raise TypeError("params is a list of parameters: a single parameter w is given as [w]")
    if hasattr(params, "parameters"):
        raise TypeError(
            f"params is a list of parameters, and this is a {type(params).__name__}: "
            "pass its .parameters()"
        )
    return list(params)


def name_of(p: Any) -> str:
    """What an error calls a parameter; not every tensor has a name."""
    return getattr(p, "name", None) or "a parameter"


def running_mean(mean: Any, x: Any, beta: float) -> Any:
    """beta mean + (1 - beta) x, in the memory of `mean` if that is an array."""
    mean *= beta
    mean += (1 - beta) * x
    return mean


def is_real(x: Any) -> bool:
    """Whether x is a real number or an array of them."""
    return (x if hasattr(x, "dtype") else np.asarray(x)).dtype.kind in "biuf"


def copied(x: Any) -> Any:
    """A copy as an array of NumPy; a Python number as it is."""
    return np.array(as_numpy(x)) if hasattr(x, "dtype") else x


def moved(state: Any, data: Any) -> Any:
    """The state of a parameter in the library of its data."""
    return tuple(restored(x, data) if differ(x, data) else x for x in state)


def differ(x: Any, data: Any) -> bool:
    """Whether x and data are arrays of two libraries."""
    return (is_of_another(x) or is_of_another(data)) and x.__class__ is not data.__class__


def restored(x: Any, data: Any) -> Any:
    """A copy of saved state that fits `data`: in its dtype, or a Python number for a float."""
    if hasattr(x, "dtype") and hasattr(data, "dtype"):
        array = np.array(as_numpy(x), data.dtype)
        return beside(array, data) if array.ndim else array[()]
    return x.item() if hasattr(x, "dtype") else x
