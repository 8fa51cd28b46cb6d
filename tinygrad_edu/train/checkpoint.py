"""Checkpoints: all that a training needs to go on, in one file that is never half written."""

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

# A file contains its own SHA-256. It is computed while these 64 bytes stand in its place.
PLACE = "(here is the SHA-256 of this file with these words in its place)"
STRUCTURE = "structure.json"
RESERVED = {
    STRUCTURE,
    "__metadata__",
}  # names that no array may have, because one of the two formats uses them
NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
TEMPORARY = re.compile(r"\.checkpoint-(?P<host>.+)-(?P<pid>\d{1,9})-[0-9a-f]{8}\.tmp")


# What `fit` saves by itself, and its callbacks as "callback 0", "callback 1", ...
OF_FIT = "model", "optimizer", "scheduler", "history", "data"


class CheckpointError(ValueError):
    """A checkpoint cannot be loaded. No object was changed."""


def save(path: str | Path, **objects: Any) -> None:
    """Write the state of all objects to one file; it replaces an older file in a single operation.

    objects  under names of your choice: all that have a `state_dict()` (models, optimizers,
             schedulers, batches, histories), NumPy generators, arrays, numbers, strings, None, and
             lists, tuples and dicts of these. The random generators of the package and of the
             layers of a model are always saved too
    path     ends in `.npz` (NumPy reads it) or `.safetensors` (needs that package; PyTorch reads
             it); the arrays in the file have names such as `model.layers.0.weight`

    All values come back bit for bit; `save` checks this before it writes. It writes a temporary
    file beside `path`, forces it to the disk and then renames it. So `path` is always a complete
    checkpoint, the old one or the new one, even after a crash or while several processes save to
    it. The file contains no pickle: loading runs no code.

    Raises TypeError for an object that cannot be saved, ValueError for any other ending of `path`
    and for objects that would not come back the same.
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
    """Set each object to the state that was saved under its name: all objects or none.

    Returns the content of the file as plain data: `load(path)["epoch"]`. The random generators of
    the package and of the layers of a model are set too.

    Raises CheckpointError for a file that is cut off or changed in any byte, that `save` did not
    make, or that does not fit the objects (the message lists what is missing, unknown or of another
    shape).
    """
    for name, x in objects.items():
        if not can_be_set(x):
            raise TypeError(
                f"{name} is a {type(x).__name__}, which has no load_state_dict(): for plain data "
                f"such as numbers, use load(path)[{name!r}]"
            )
    path = Path(path)
    content = read_checkpoint(path)
    saved = content["objects"]
    missing = [name for name in objects if name not in saved]
    if missing:
        raise CheckpointError(f"{path} contains {', '.join(saved)}, and no {', '.join(missing)}")
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
    """The file that `fit` saves to after each epoch, and from which it goes on if it exists.

    path     as in `save`: ends in .npz or .safetensors
    every    also save inside an epoch, after each `every`-th batch; None: only after epochs
    objects  more objects to save and load, which `fit` does not know: ema=ema, rng=rng

    Raises TypeError for objects that `fit` saves itself or that cannot be loaded, ValueError for
    any other ending of `path`, FileNotFoundError if its folder does not exist.
    """

    def __init__(self, path: str | Path, every: int | None = None, **objects: Any) -> None:
        if every is not None and not isinstance(every, int | float | np.integer):
            raise TypeError(f"every must be a number of batches, not {every!r}")
        for name, x in objects.items():
            if name in OF_FIT or name.startswith("callback "):
                raise TypeError(
                    f"fit saves {name} itself: give Checkpoint only other objects, such as "
                    "ema=ema. To save without fit, use train.save(path, model=model)"
                )
            if not can_be_set(x):
                raise TypeError(
                    f"{name} is a {type(x).__name__}, which has no load_state_dict(): a training "
                    "that goes on could not get its saved value back"
                )
        self.path = Path(path)
        is_safetensors(self.path)
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"cannot save {path}: there is no folder {self.path.parent}")
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
    """Whether the state of x can be set to a saved one."""
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
    """Set x to this state. Return the error in words, or "" if there is none."""
    try:
        restore(x, state)
    except Exception as error:
        return f"{name}: {error}"
    return ""


def generators(objects: Mapping[str, Any]) -> dict[str, np.random.Generator]:
    """The package's random generator, under "", and each one that a layer has as an attribute."""
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


# Plain data as JSON and arrays. A list stays a list; tuple and dict are written with their names.


def pack(x: Any, path: str, arrays: dict[str, Any]) -> Any:
    """x as JSON data. Its arrays are added to `arrays`, under their dotted paths."""
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
    """The inverse of `pack`: x again, with its arrays."""
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
    """A name for the array at this path, different from those taken: the path, if possible.

    A name in a zip file ends at a NUL character, and NumPy treats `w` and `w.npy` as one name.
    """
    name = "".join(c if c.isprintable() and c != "\\" else "_" for c in path)
    names = itertools.chain([name], (f"{name}~{i}" for i in itertools.count(2)))
    unfit = RESERVED | taken.keys()
    return next(name for name in names if name not in unfit and not name.endswith(".npy"))


def content_of(structure: str, arrays: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The states of objects and generators, by name. CheckpointError if they are anything else."""
    content = {key: unpack(x, arrays) for key, x in json.loads(structure).items()}
    if set(content) != {"objects", "generators"}:
        raise CheckpointError(f"it contains {', '.join(content)}, not objects and generators")
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
            raise CheckpointError("it is compressed, or larger inside than the file is")
        structure = archive.read(STRUCTURE).decode()
        arrays = {
            member.filename.removesuffix(".npy"): from_npy(archive.read(member))
            for member in members
            if member.filename != STRUCTURE
        }
    return structure, arrays


def from_npy(raw: bytes) -> Any:
    """The array in the bytes of an .npy file. CheckpointError if its header names another size."""
    file = io.BytesIO(raw)
    shape, _, dtype = NPY_HEADERS[np.lib.format.read_magic(file)](file)
    size = math.prod(shape) * dtype.itemsize
    if size != len(raw) - file.tell() and not dtype.hasobject:  # objects: refused below
        raise CheckpointError(f"an array should have {size} bytes: {len(raw) - file.tell()} here")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def to_safetensors(structure: str, arrays: Mapping[str, Any]) -> bytes:
    try:
        from safetensors.numpy import save as encode
    except ImportError as error:
        raise ImportError(
            "a .safetensors file needs a package: pip install safetensors, or save to an .npz file"
        ) from error
    # safetensors writes the memory of an array as it is, and reads it back in C order
    rows_first = {name: np.array(x, order="C") for name, x in arrays.items()}
    return encode(rows_first, {STRUCTURE: structure, "sha256": PLACE})


def from_safetensors(raw: bytes) -> tuple[str, dict[str, Any]]:
    try:
        from safetensors.numpy import load as decode
    except ImportError as error:
        raise ImportError("a .safetensors file needs a package: pip install safetensors") from error
    return metadata(raw)[STRUCTURE], decode(raw)


def metadata(raw: bytes) -> Any:
    """The text fields in a safetensors file: 8 bytes with a length, then a JSON header."""
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + length])["__metadata__"]


def sha256(raw: bytes) -> bytes:
    return hashlib.sha256(raw).hexdigest().encode()


def sealed(raw: bytes) -> bytes:
    """The bytes of a file with their SHA-256 instead of PLACE."""
    if raw.count(PLACE.encode()) != 1:
        raise ValueError(f"a checkpoint cannot contain this text, which marks a place: {PLACE!r}")
    return raw.replace(PLACE.encode(), sha256(raw))


def read_checkpoint(path: Path) -> Any:
    """The content of a checkpoint. CheckpointError if one byte is wrong or missing."""
    safetensors = is_safetensors(path)
    raw = path.read_bytes()
    try:
        seal = metadata(raw)["sha256"].encode() if safetensors else raw[-len(PLACE) :]
        if len(seal) != len(PLACE) or seal != sha256(raw.replace(seal, PLACE.encode())):
            raise CheckpointError("its SHA-256 is wrong")
        return content_of(*(from_safetensors if safetensors else from_npz)(raw))
    except ImportError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"{path} is not a complete checkpoint: it was cut off or changed, or is another kind "
            f"of file ({error}). Nothing was loaded"
        ) from error


def check_readable(path: Path, raw: bytes, structure: str, arrays: Mapping[str, Any]) -> None:
    """Raise ValueError if loading these bytes does not give the same structure and arrays."""
    try:
        again, loaded = (from_safetensors if is_safetensors(path) else from_npz)(raw)
        content_of(again, loaded)
        lost = [name for name, x in arrays.items() if not same_bits(x, loaded[name])]
        if lost or again != structure:
            raise ValueError(f"changed: {', '.join(lost) or 'its structure'}")
    except Exception as error:
        raise ValueError(
            f"{path} was not written, because it could not be loaded again: {error}"
        ) from error


def same_bits(x: Any, y: Any) -> bool:
    """Whether two arrays are equal in every bit, except for the byte order of their numbers."""
    if x.shape != y.shape or x.dtype.newbyteorder("=") != y.dtype.newbyteorder("="):
        return False
    return bool(x.astype(y.dtype, copy=False).tobytes() == y.tobytes())


def replace_file(path: Path, raw: bytes) -> None:
    """Make `raw` the content of the file. A crash leaves the old content or the new one."""
    path = Path(os.path.realpath(path))  # follows a link to its file, as open() does
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
    """The mode bits of the file, None without a file. PermissionError if it is not writable."""
    try:
        with open(path, "r+b") as file:
            return stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except FileNotFoundError:
        return None


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed processes of this computer left in the folder."""
    for name in os.listdir(folder):
        match = TEMPORARY.fullmatch(name)
        if match and match["host"] == host() and not is_running(int(match["pid"])):
            with suppress(OSError):  # another user's file, or another process removed it first
                os.unlink(folder / name)


def host() -> str:
    """The name of this computer, with only such characters as a file's name can have."""
    return re.sub(r"[^\w.-]", "_", platform.node())


def is_running(pid: int) -> bool:
    if os.name != "posix":  # on Windows, os.kill(pid, 0) would send a Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process
        return True
    return True
