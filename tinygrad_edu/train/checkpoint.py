"""Checkpoints: all that a training needs to go on, in one file that is whole or not there."""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.nn import Module
from tinygrad_edu.rng import default_rng

# A file holds its own SHA-256, taken while these 64 bytes stood in the place of it.
PLACE = "(here is the SHA-256 of this file with these words in its place)"
STRUCTURE = "structure.json"


# What `fit` saves by itself, and its callbacks as "callback 0", "callback 1", ...
OF_FIT = "model", "optimizer", "scheduler", "history", "data"


class CheckpointError(ValueError):
    """A checkpoint that cannot be loaded. Nothing was changed."""


def save(path: str | Path, **objects: Any) -> None:
    """Write the state of all objects to a file that takes the place of the old one at once.

    objects  under names of your choice: what has a `state_dict()` (models, optimizers, schedulers,
             batches, histories), NumPy generators, arrays, numbers, strings, None, and lists,
             tuples and dicts of these. The package's generator and those of a model's layers are
             always saved too
    path     ends in `.npz` (NumPy reads it) or `.safetensors` (needs that package; PyTorch reads
             it); an array is called `model.layers.0.weight` in it

    Everything comes back bit for bit. The file is written beside `path`, brought to the disk and
    then renamed: whatever happens, `path` is a whole checkpoint, the old one or the new. There is
    no pickle in it: loading runs no code.

    Raises TypeError for something that cannot be saved, ValueError for another ending of `path`.
    """
    path = Path(path)
    content = {
        "objects": {name: state_of(x) for name, x in objects.items()},
        "generators": {name: state_of(x) for name, x in generators(objects).items()},
    }
    arrays: dict[str, Any] = {}
    structure = json.dumps({key: pack(x, "", arrays) for key, x in content.items()})
    encode = to_safetensors if is_safetensors(path) else to_npz
    replace_file(path, sealed(encode(structure, arrays)))


def load(path: str | Path, **objects: Any) -> dict[str, Any]:
    """Set each object to the state that was saved under its name: all of them, or none.

    Returns all that is in the file as plain data: `load(path)["epoch"]`. The package's generator is
    set too, and those of a model's layers.

    Raises CheckpointError for a file that is cut off or changed in any byte, that was not made by
    `save`, or that does not fit the objects (it lists what is missing, unknown or of another
    shape).
    """
    for name, x in objects.items():
        if not hasattr(x, "load_state_dict") and not isinstance(x, np.random.Generator):
            raise TypeError(
                f"{name} is a {type(x).__name__}, which has no load_state_dict(); numbers and the "
                "like are in what load returns"
            )
    path = Path(path)
    content = read(path)
    saved = content["objects"]
    missing = [name for name in objects if name not in saved]
    if missing:
        raise CheckpointError(f"{path} holds {', '.join(saved)}, and no {', '.join(missing)}")
    states = [(name, x, saved[name]) for name, x in objects.items()]
    for name, x in generators(objects).items():
        if name in content["generators"]:
            states.append((name, x, content["generators"][name]))

    backups = [state_of(x) for _, x, _ in states]
    problems = []
    for name, x, state in states:
        try:
            restore(x, state)
        except Exception as error:
            problems.append(f"{name}: {error}")
    if problems:
        for (_, x, _), backup in zip(states, backups, strict=True):
            restore(x, backup)
        raise CheckpointError(f"{path} does not fit, nothing was loaded:\n" + "\n".join(problems))
    return saved


class Checkpoint:
    """Where `fit` saves: after each epoch, and after `every` batches in between if that is given.

    objects  what to save and load besides what `fit` knows of: ema=ema, rng=rng

    Raises TypeError for objects that `fit` saves or that cannot be loaded, ValueError for another
    ending of `path`, FileNotFoundError if its folder is not there.
    """

    def __init__(self, path: str | Path, every: int | None = None, **objects: Any) -> None:
        if every is not None and not isinstance(every, int | float | np.integer):
            raise TypeError(f"every must be a number of batches, not {every!r}")
        if every is not None and (not every >= 1 or every % 1):
            raise ValueError(f"every must be at least 1 batch, not {every}: a whole number")
        for name, x in objects.items():
            if name in OF_FIT or name.startswith("callback "):
                raise TypeError(
                    f"fit saves {name} itself: a Checkpoint is given what else there is, such as "
                    "ema=ema; without fit there is train.save(path, model=model)"
                )
            if not hasattr(x, "load_state_dict") and not isinstance(x, np.random.Generator):
                raise TypeError(
                    f"{name} is a {type(x).__name__}, which has no load_state_dict(): a training "
                    "could not go on with it"
                )
        self.path = Path(path)
        is_safetensors(self.path)
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {self.path.parent} to save {path} in")
        self.every = every
        self.objects = objects

    def save(self, **objects: Any) -> None:
        """Save these objects and those of this checkpoint."""
        save(self.path, **objects, **self.objects)

    def resume(self, **objects: Any) -> None:
        """Load these objects and those of this checkpoint, if it has been saved before."""
        if self.path.exists():
            load(self.path, **objects, **self.objects)


def state_of(x: Any) -> Any:
    if isinstance(x, np.random.Generator):
        return x.bit_generator.state
    return x.state_dict() if hasattr(x, "state_dict") else x


def restore(x: Any, state: Any) -> None:
    if isinstance(x, np.random.Generator):
        x.bit_generator.state = state
    else:
        x.load_state_dict(state)


def generators(objects: Mapping[str, Any]) -> dict[str, np.random.Generator]:
    """The package's generator, under "", and those that are attributes of a model's layers."""
    return {"": default_rng()} | {
        f"{name}.{path}.{attribute}": x
        for name, model in objects.items()
        if isinstance(model, Module)
        for path, module in model.named_modules()
        for attribute, x in vars(module).items()
        if isinstance(x, np.random.Generator)
    }


# Plain data as JSON and arrays. A list stays one; other containers say what they are.


def pack(x: Any, path: str, arrays: dict[str, Any]) -> Any:
    """x as JSON. Its arrays go to `arrays`, under their dotted paths."""
    if isinstance(x, np.generic):
        x = x.item()
    if x is None or isinstance(x, bool | int | float | str):
        return x
    if isinstance(x, list):
        return [pack(y, join(path, i), arrays) for i, y in enumerate(x)]
    if isinstance(x, tuple):
        return {"tuple": pack(list(x), path, arrays)}
    if isinstance(x, Mapping):
        return {"dict": [[pack(k, "", {}), pack(y, join(path, k), arrays)] for k, y in x.items()]}
    if isinstance(x, np.ndarray) and not x.dtype.hasobject:
        name = path if path not in arrays else join(path, len(arrays))
        arrays[name] = x
        return {"array": name}
    raise TypeError(
        f"{path} is a {type(x).__name__}, which a checkpoint cannot hold: it takes arrays, "
        "numbers, strings, None, lists, tuples and dicts of these, and objects with a state_dict()"
    )


def unpack(x: Any, arrays: Mapping[str, Any]) -> Any:
    """What `pack` packed."""
    if isinstance(x, list):
        return [unpack(y, arrays) for y in x]
    if isinstance(x, dict):
        ((kind, inside),) = x.items()
        if kind == "array":
            return arrays[inside]
        inside = unpack(inside, arrays)
        return tuple(inside) if kind == "tuple" else dict(inside)
    return x


def join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


# Files.


def is_safetensors(path: Path) -> bool:
    if path.suffix not in (".npz", ".safetensors"):
        raise ValueError(f"a checkpoint is a .npz or .safetensors file, and this is {path.name!r}")
    return path.suffix == ".safetensors"


def to_npz(structure: str, arrays: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = PLACE.encode()  # the last bytes of the file
        archive.writestr(STRUCTURE, structure)
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return file.getvalue()


def from_npz(raw: bytes) -> tuple[str, dict[str, Any]]:
    with np.load(io.BytesIO(raw), allow_pickle=False) as file:
        arrays = dict(file)
    return arrays.pop(STRUCTURE), arrays


def to_safetensors(structure: str, arrays: Mapping[str, Any]) -> bytes:
    try:
        from safetensors.numpy import save as encode
    except ImportError as error:
        raise ImportError("pip install safetensors, or save to an .npz file") from error
    # that function takes the memory of an array as it lies, and knows no order but C
    rows_first = {name: np.array(x, order="C") for name, x in arrays.items()}
    return encode(rows_first, {STRUCTURE: structure, "sha256": PLACE})


def from_safetensors(raw: bytes) -> tuple[str, dict[str, Any]]:
    try:
        from safetensors.numpy import load as decode
    except ImportError as error:
        raise ImportError("pip install safetensors: this checkpoint needs it") from error
    return metadata(raw)[STRUCTURE], decode(raw)


def metadata(raw: bytes) -> Any:
    """The text beside the arrays of a safetensors file: a length of 8 bytes, and a JSON header."""
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + length])["__metadata__"]


def digest(raw: bytes) -> bytes:
    return hashlib.sha256(raw).hexdigest().encode()


def sealed(raw: bytes) -> bytes:
    """The bytes of a file with their SHA-256 in its place."""
    if raw.count(PLACE.encode()) != 1:
        raise ValueError(f"a checkpoint may not hold these words: {PLACE!r}")
    return raw.replace(PLACE.encode(), digest(raw))


def read(path: Path) -> Any:
    """What a checkpoint holds, once every byte of it is checked."""
    safetensors = is_safetensors(path)
    raw = path.read_bytes()
    try:
        seal = metadata(raw)["sha256"].encode() if safetensors else raw[-len(PLACE) :]
        if seal != digest(raw.replace(seal, PLACE.encode())):
            raise CheckpointError("its SHA-256 is another")
        structure, arrays = (from_safetensors if safetensors else from_npz)(raw)
        return {key: unpack(x, arrays) for key, x in json.loads(structure).items()}
    except ImportError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"{path} is no whole checkpoint: it was cut off or changed, or is another kind of file "
            f"({error}). Nothing was loaded"
        ) from error


def replace_file(path: Path, raw: bytes) -> None:
    """Make `raw` the content of the file, in such a way that a crash leaves the old or the new."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
