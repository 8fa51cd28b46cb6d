"""What all optimizers share: groups of parameters, their state, and the step."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np

SHARES = "betas", "rho", "alpha"  # of the past in a running mean

# An update of about this many bytes of a parameter finds all its intermediate results in the cache.
BLOCK = 2**18


class Optimizer:
    """p = p - step, for every parameter p that has a gradient.

    params        a list of parameters: anything with `.data` and `.grad`, Tensors or Values; each
                  is taken once. Or a list of groups, {"params": [...], "lr": ..., ...}, with
                  settings of their own in place of the common ones
    settings      the common settings, "lr" among them
    param_groups  the groups with all their settings, which may be changed at any time
    state         state[k][i]: what is remembered of parameter i of group k, under the names in
                  `remembers`; each starts at 0

    An optimizer is one method: the update of one parameter, in which g is the gradient and p the
    data, arrays, or floats in the case of a Value, and group["lr"] and its like are the settings.
    """

    remembers: ClassVar[tuple[str, ...]] = ()
    elementwise: ClassVar[bool] = True  # whether some rows of p can be updated without the others

    def __init__(self, params: Iterable[Any], **settings: Any) -> None:
        self.defaults = settings
        self.param_groups: list[dict[str, Any]] = []
        self.state: list[list[Any]] = []
        self.large: list[bool] = []  # whether a group has parameters to be updated in blocks
        groups = listed(params)
        if not groups:
            raise ValueError(f"{type(self).__name__} got no parameters to train")
        if not isinstance(groups[0], Mapping):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Train the parameters group["params"] too; settings it does not name are the common ones.

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
                raise ValueError(f"{p.name or 'a parameter'} is in two groups; it can be in one")
        own = {name: setting for name, setting in group.items() if name != "params"}
        for name in own:
            if name not in self.defaults:
                raise ValueError(
                    f"{type(self).__name__} has no setting {name!r}: "
                    f"its settings are {', '.join(self.defaults)}"
                )
        settings = {name: setting(x) for name, x in {**self.defaults, **own}.items()}
        self.check(**settings)
        self.param_groups.append({"params": params, **settings})
        self.state.append([(0.0,) * len(self.remembers) for _ in params])
        self.large.append(self.elementwise and any(is_large(p.data) for p in params))

    def check_parameter(self, p: Any) -> None:
        """Raise TypeError or ValueError for what cannot be trained."""
        if not hasattr(p, "data") or not hasattr(p, "grad"):
            raise TypeError(f"a parameter has .data and .grad; {type(p).__name__} has not")
        if getattr(p, "function", None) is not None:
            raise ValueError(
                f"{p.name or 'a parameter'} was computed from others, and its .grad stays None: "
                "train those instead"
            )

    def check(self, **settings: Any) -> None:
        """Raise ValueError for a setting that makes no sense."""
        betas = settings.get("betas", (0, 0))
        if not isinstance(betas, tuple) or np.shape(betas) != (2,):
            raise ValueError(f"betas must be two numbers in a tuple or a list, not {betas!r}")
        shares = {name: settings.pop(name) for name in SHARES if name in settings}
        check(below=1, **shares)
        check(**settings)

    def update(self, g: Any, p: Any, state: Any, group: Any) -> tuple[Any, Any]:
        """(step, new state)."""
        raise NotImplementedError

    @property
    def params(self) -> list[Any]:
        """The parameters of all groups."""
        return [p for group in self.param_groups for p in group["params"]]

    @property
    def lr(self) -> float:
        """The learning rate of the first group; `optimizer.lr = x` sets that of every group."""
        return self.param_groups[0]["lr"]

    @lr.setter
    def lr(self, lr: float) -> None:
        check(lr=lr)
        for group in self.param_groups:
            group["lr"] = number(lr)

    def step(self) -> None:
        """Move every parameter that has a gradient one step."""
        for group, states, large in zip(self.param_groups, self.state, self.large):
            self.step_group(group, states, large)

    def step_group(self, group: Any, states: list[Any], large: bool) -> None:
        """Move the parameters of one group; `large`: some may be arrays of more than one block."""
        update = self.update
        for i, p in enumerate(group["params"]):
            g = p.grad
            if g is None:
                continue
            if g.__class__ is p.__class__:  # recorded by backward(create_graph=True)
                g = g.data
            data = p.data
            if large and is_large(data):
                states[i] = self.update_in_blocks(g, data, states[i], group)
            else:
                step, states[i] = update(g, data, states[i], group)
                data -= step
            p.data = data

    def update_in_blocks(self, g: Any, p: Any, state: Any, group: Any) -> Any:
        """p -= step, some rows at a time, so that intermediate results never leave the cache.

        Returns the new state, whose arrays are those of the old one, changed in place.
        """
        after = list(state)
        for rows in blocks(p):
            old = [x[rows] if np.ndim(x) else x for x in state]
            part = p[rows]
            step, new = self.update(g[rows], part, old, group)
            for i, x in enumerate(new):
                if np.ndim(x) == 0:
                    after[i] = x
                elif x is not old[i]:
                    if np.ndim(after[i]) == 0:
                        after[i] = np.empty_like(p)
                    after[i][rows] = x
            part -= step  # p[rows] -= step would write all of it twice
        return tuple(after)

    def zero_grad(self) -> None:
        """Forget all gradients, so that the next `backward` starts from nothing."""
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
        """Go on from what `state_dict` returned: all settings and state are set, or none.

        Raises ValueError that lists what does not fit the groups and parameters here.
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
        groups = [{name: setting(x) for name, x in settings.items()} for settings, _ in saved]
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
            for group, settings in zip(self.param_groups, groups):
                group.update(settings)

        all_or_none([vars(self), *self.param_groups], commit)

    def misfits(self, saved: list[tuple[Any, Any]]) -> list[str]:
        """What is wrong with the saved (settings, states) of the groups, one line each."""
        sizes = [len(states) for _, states in saved]
        expected = [len(group["params"]) for group in self.param_groups]
        if sizes != expected:
            return [f"groups of {sizes} parameters, expected {expected}"]
        problems = []
        for k, (group, (settings, states)) in enumerate(zip(self.param_groups, saved)):
            problems += [
                f"group {k}: no setting {name!r}" for name in self.defaults if name not in settings
            ]
            if "params" in settings:
                problems.append(f"group {k}: parameters among its settings, which hold none")
            for i, (p, memory) in enumerate(zip(group["params"], states)):
                what = f"{getattr(p, 'name', None) or 'parameter'} ({i} of group {k})"
                if set(memory) != set(self.remembers):
                    problems.append(
                        f"{what}: state {', '.join(memory)}, expected {', '.join(self.remembers)}"
                    )
                for name, x in memory.items():
                    if not is_real(x):
                        problems.append(f"{what}: {name} holds no real numbers: {x!r:.60}")
                    elif np.shape(x) not in ((), np.shape(p.data)):
                        problems.append(
                            f"{what}: {name} of shape {np.shape(x)}, expected {np.shape(p.data)}"
                        )
        return problems


def listed(params: Any) -> list[Any]:
    """The parameters in a list. Raises TypeError for a model, or for one parameter on its own."""
    if hasattr(params, "grad"):
        raise TypeError("params is a list of parameters: a single parameter w is given as [w]")
    if hasattr(params, "parameters"):
        raise TypeError(
            f"params is a list of parameters, and this is a {type(params).__name__}: "
            "give what its .parameters() returns"
        )
    return list(params)


def is_large(data: Any) -> bool:
    """Whether this is an array of more than one block."""
    return getattr(data, "nbytes", 0) > BLOCK


def blocks(p: Any) -> Iterator[slice]:
    """Slices of as many rows as make a block, at least one."""
    rows = max(1, BLOCK * len(p) // p.nbytes)
    for start in range(0, len(p), rows):
        yield slice(start, start + rows)


def running_mean(mean: Any, x: Any, beta: float) -> Any:
    """beta mean + (1 - beta) x, in the memory of `mean` if it is an array already."""
    mean *= beta
    mean += (1 - beta) * x
    return mean


def number(x: Any) -> Any:
    """A NumPy number as Python's: a float32 array times it stays float32."""
    return x.item() if isinstance(x, np.generic) else x


def setting(x: Any) -> Any:
    """A setting as it is kept: lists as tuples, numbers as Python's."""
    return tuple(map(number, x)) if isinstance(x, tuple | list) else number(x)


def is_real(x: Any) -> bool:
    """Whether x is a real number or an array of them."""
    return np.asarray(x).dtype.kind in "biuf"


def all_or_none(dicts: list[dict[str, Any]], change: Callable[[], None]) -> None:
    """Call `change`, which sets entries of these dicts. If it does not reach its end, undo it.

    It may be Ctrl-C that ends it, and another time that it is undone, so that is done twice.
    """
    before = [dict(each) for each in dicts]

    def undo() -> None:
        for each, old in zip(dicts, before):
            for name in each.keys() - old.keys():
                del each[name]
            each.update(old)

    try:
        try:
            change()
        except BaseException:
            undo()
            raise
    except BaseException:
        undo()
        raise


def copied(x: Any) -> Any:
    """State in memory of its own; a number stays what it is, Python's or NumPy's."""
    return np.array(x) if hasattr(x, "dtype") else x


def restored(x: Any, data: Any) -> Any:
    """A copy of saved state, as `update` computes with it beside this data."""
    if hasattr(x, "dtype") and hasattr(data, "dtype"):
        return np.array(x, data.dtype)[()]
    return x.item() if hasattr(x, "dtype") else x


def check(below: float = math.inf, **settings: Any) -> None:
    """Raise ValueError for a setting that is negative, not a number, or not below its limit."""
    for name, value in settings.items():
        values = value if name == "betas" else [value]
        if not all(isinstance(x, Real) and 0 <= float(x) < below for x in values):
            bounds = "finite and at least 0" if below == math.inf else f"in [0, {below})"
            raise ValueError(f"{name} must be {bounds}, and it is {value!r}")
