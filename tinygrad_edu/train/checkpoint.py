"""Checkpoints: all that a training needs to go on, in one file that is whole or not there."""

import hashlib
import io
import itertools
import json
import math
import os
import platform
import re
import secrets
import stat
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.cleanup import done_or_undone
from tinygrad_edu.graph import Node
from tinygrad_edu.nn import Module
from tinygrad_edu.optim.libraries import as_numpy
from tinygrad_edu.optim.settings import whole
from tinygrad_edu.rng import default_rng

# A file holds its own SHA-256, taken while these 64 bytes stood in the place of it.
PLACE = "(here is the SHA-256 of this file with these words in its place)"
STRUCTURE = "structure.json"
RESERVED = {
    STRUCTURE,
    "__metadata__",
}  # names that are not for arrays, in the one format or the other
NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
TEMPORARY = re.compile(r"\.checkpoint-(?P<host>.+)-(?P<pid>\d{1,9})-[0-9a-f]{8}\.tmp")


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

    Everything comes back bit for bit, which is tried before anything is written. The file is
    written beside `path`, brought to the disk and then renamed: whatever happens, `path` is a whole
    checkpoint, the old one or the new, also while several processes save to it. There is no pickle
    in it: loading runs no code.

    Raises TypeError for something that cannot be saved, ValueError for another ending of `path` and
    for what would not come back.
    """
    path = Path(path)
    content = {
        "objects": {name: state_of(x) for name, x in objects.items()},
        "generators": {name: state_of(x) for name, x in generators(objects).items()},
    }
    arrays: dict[str, Any] = {}
    structure = json.dumps({key: pack(x, "", arrays) for key, x in content.items()})
    encode = to_safetensors if is_safetensors(path) else to_npz
    raw = sealed(encode(structure, arrays))
    check_readable(path, raw, structure, arrays)
    replace_file(path, raw)


def load(path: str | Path, **objects: Any) -> dict[str, Any]:
    """Set each object to the state that was saved under its name: all of them, or none.

    Returns all that is in the file as plain data: `load(path)["epoch"]`. The package's generator is
    set too, and those of a model's layers.

    Raises CheckpointError for a file that is cut off or changed in any byte, that was not made by
    `save`, or that does not fit the objects (it lists what is missing, unknown or of another
    shape).
    """
    for name, x in objects.items():
        if not can_be_set(x):
            raise TypeError(
                f"{name} is a {type(x).__name__}, which has no load_state_dict(); numbers and the "
                "like are in what load returns"
            )
    path = Path(path)
    content = read_checkpoint(path)
    saved = content["objects"]
    missing = [name for name in objects if name not in saved]
    if missing:
        raise CheckpointError(f"{path} holds {', '.join(saved)}, and no {', '.join(missing)}")
    states = [(name, x, saved[name]) for name, x in objects.items()]
    for name, x in generators(objects).items():
        if name in content["generators"]:
            states.append((name, x, content["generators"][name]))

    backups = [(x, state_of(x)) for _, x, _ in states]

    def restore_all() -> None:
        problems = [misfit for each in states if (misfit := misfit_of(*each))]
        if problems:
            raise CheckpointError(
                f"{path} does not fit, nothing was loaded:\n" + "\n".join(problems)
            )

    def put_back() -> None:  # what was loaded last comes first: a schedule, then its optimizer
        for x, state in reversed(backups):
            restore(x, state)

    done_or_undone(restore_all, put_back)
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
        for name, x in objects.items():
            if name in OF_FIT or name.startswith("callback "):
                raise TypeError(
                    f"fit saves {name} itself: give a Checkpoint only other objects, such as "
                    "ema=ema; without fit, use train.save(path, model=model)"
                )
            if not can_be_set(x):
                raise TypeError(
                    f"{name} is a {type(x).__name__}, which has no load_state_dict(): a training "
                    "could not go on with it"
                )
        self.path = Path(path)
        is_safetensors(self.path)
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {self.path.parent} to save {path} in")
        self.every = None if every is None else whole("every", every)
        self.objects = objects

    def save(self, **objects: Any) -> None:
        """Save these objects and those of this checkpoint."""
        save(self.path, **objects, **self.objects)

    def resume(self, **objects: Any) -> None:
        """Load these objects and those of this checkpoint, if it has been saved before."""
        if self.path.exists():
            load(self.path, **objects, **self.objects)


def can_be_set(x: Any) -> bool:
    """Whether x can be given the state that it had in a file."""
    return hasattr(x, "load_state_dict") or isinstance(x, np.random.Generator)


def state_of(x: Any) -> Any:
    if isinstance(x, np.random.Generator):
        return x.bit_generator.state
    return x.state_dict() if hasattr(x, "state_dict") else x


def restore(x: Any, state: Any) -> None:
    if isinstance(x, np.random.Generator):
        x.bit_generator.state = state
    else:
        x.load_state_dict(state)


def misfit_of(name: str, x: Any, state: Any) -> str:
    """Set x to this state, and return "", or what is wrong with it."""
    try:
        restore(x, state)
    except Exception as error:
        return f"{name}: {error}"
    return ""


def generators(objects: Mapping[str, Any]) -> dict[str, np.random.Generator]:
    """The package's generator, under "", and those that are attributes of a model's layers."""
    found = {"": default_rng()}
    for name, model in objects.items():
        if not isinstance(model, Module):
            continue
        for path, module in model.named_modules():
            for attribute, x in vars(module).items():
                if isinstance(x, np.random.Generator):
                    place = f"{name}.{path}.{attribute}"
                    if place in found:
                        raise ValueError(f"two generators would be saved as {place!r}: rename one")
                    found[place] = x
    return found


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
    if hasattr(x, "__array_function__") and not isinstance(x, Node):
        x = as_numpy(x)
    if type(x) in (np.ndarray, np.memmap) and not x.dtype.hasobject:
        name = free_name(path, arrays)
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
        return {"tuple": tuple, "dict": dict}[kind](unpack(inside, arrays))
    return x


def join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def free_name(path: str, taken: Mapping[str, Any]) -> str:
    """A name for the array at this path that no other array has: the path itself, if possible.

    A name in a zip file ends at a NUL, and NumPy takes `w` and `w.npy` for the same name.
    """
    name = "".join(c if c.isprintable() and c != "\\" else "_" for c in path)
    names = itertools.chain([name], (f"{name}~{i}" for i in itertools.count(2)))
    unfit = RESERVED | taken.keys()
    return next(name for name in names if name not in unfit and not name.endswith(".npy"))


def content_of(structure: str, arrays: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The states of the objects and of the generators. Raises CheckpointError for anything else."""
    content = {key: unpack(x, arrays) for key, x in json.loads(structure).items()}
    if set(content) != {"objects", "generators"}:
        raise CheckpointError(f"it holds {', '.join(content)} instead of objects and generators")
    for key, states in content.items():
        if not isinstance(states, dict) or not all(isinstance(name, str) for name in states):
            raise CheckpointError(f"its {key} have no names")
    return content


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
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = archive.infolist()
        compressed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
        if compressed or sum(member.file_size for member in members) > len(raw):
            raise CheckpointError("what is in it is larger than the file")
        structure = archive.read(STRUCTURE).decode()
        arrays = {
            member.filename.removesuffix(".npy"): from_npy(archive.read(member))
            for member in members
            if member.filename != STRUCTURE
        }
    return structure, arrays


def from_npy(raw: bytes) -> Any:
    """The array in the bytes of an .npy file, if there are as many bytes as its header says."""
    file = io.BytesIO(raw)
    shape, _, dtype = NPY_HEADERS[np.lib.format.read_magic(file)](file)
    size = math.prod(shape) * dtype.itemsize
    if size != len(raw) - file.tell() and not dtype.hasobject:  # which read_array refuses
        raise CheckpointError(f"an array of {size} bytes has {len(raw) - file.tell()}")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


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


def sha256(raw: bytes) -> bytes:
    return hashlib.sha256(raw).hexdigest().encode()


def sealed(raw: bytes) -> bytes:
    """The bytes of a file with their SHA-256 in its place."""
    if raw.count(PLACE.encode()) != 1:
        raise ValueError(f"a checkpoint may not hold these words: {PLACE!r}")
    return raw.replace(PLACE.encode(), sha256(raw))


def read_checkpoint(path: Path) -> Any:
    """What a checkpoint holds, once every byte of it is checked."""
    safetensors = is_safetensors(path)
    raw = path.read_bytes()
    try:
        seal = metadata(raw)["sha256"].encode() if safetensors else raw[-len(PLACE) :]
        if len(seal) != len(PLACE) or seal != sha256(raw.replace(seal, PLACE.encode())):
            raise CheckpointError("its SHA-256 is another")
        return content_of(*(from_safetensors if safetensors else from_npz)(raw))
    except ImportError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"{path} is no whole checkpoint: it was cut off or changed, or is another kind of file "
            f"({error}). Nothing was loaded"
        ) from error


def check_readable(path: Path, raw: bytes, structure: str, arrays: Mapping[str, Any]) -> None:
    """Raise ValueError if a file of these bytes would not give back structure and arrays."""
    try:
        again, loaded = (from_safetensors if is_safetensors(path) else from_npz)(raw)
        content_of(again, loaded)
        lost = [name for name, x in arrays.items() if not same_bits(x, loaded[name])]
        if lost or again != structure:
            raise ValueError(f"changed: {', '.join(lost) or 'its structure'}")
    except Exception as error:
        raise ValueError(
            f"{path} could not be loaded again ({error}), and was not written"
        ) from error


def same_bits(x: Any, y: Any) -> bool:
    """Whether two arrays are equal in every bit; the order of bytes in a number may differ."""
    if x.shape != y.shape or x.dtype.newbyteorder("=") != y.dtype.newbyteorder("="):
        return False
    return bool(x.astype(y.dtype, copy=False).tobytes() == y.tobytes())


def replace_file(path: Path, raw: bytes) -> None:
    """Make `raw` the content of the file, in such a way that a crash leaves the old or the new."""
    path = Path(os.path.realpath(path))  # what a link points to is written, as by open()
    remove_leftovers(path.parent)
    mode = permissions(path)
    temporary = path.with_name(f".checkpoint-{host()}-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, mode)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def permissions(path: Path) -> int | None:
    """The mode of the file, None if there is none. PermissionError if it cannot be written."""
    try:
        with open(path, "r+b") as file:
            return stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except FileNotFoundError:
        return None


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes of this computer that were killed in a save."""
    for name in os.listdir(folder):
        match = TEMPORARY.fullmatch(name)
        if match and match["host"] == host() and not is_running(int(match["pid"])):
            with suppress(OSError):  # somebody else's, or another process was faster
                os.unlink(folder / name)


def host() -> str:
    """The name of this computer, as a part of a file's name."""
    return re.sub(r"[^\w.-]", "_", platform.node())


def is_running(pid: int) -> bool:
    if os.name != "posix":  # where a signal of 0 would be a Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
