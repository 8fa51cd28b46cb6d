"""What PyTorch answers for linear algebra and for indices, written to linalg.npz.

    python tests/reference/make_linalg_reference.py

A new row here needs a row of the same name in tests/test_table_linalg.py.
"""

import numpy as np
import torch
from make_reference import save_table
from torch import linalg
from torch.nn import functional

rng = np.random.default_rng(1)


def normal(*shape):
    return rng.standard_normal(shape)


def symmetric(x):
    return x + x.mT


def definite(x):
    return x @ x.mT + 2 * torch.eye(x.shape[-1], dtype=x.dtype)


def regular(*shape):
    return normal(*shape) + 3 * np.eye(shape[-1])


def pad(*widths, mode):
    return lambda x: functional.pad(x[None], widths, mode=mode)[0] ** 2


LINALG = {
    "dot": (torch.dot, normal(3), normal(3)),
    "inner": (torch.inner, normal(2, 3), normal(4, 3)),
    "outer": (torch.outer, normal(2), normal(3)),
    "tensordot": (lambda x, y: torch.tensordot(x, y, 2), normal(2, 3, 2), normal(3, 2, 2)),
    "kron": (torch.kron, normal(2, 3), normal(3, 2)),
    "cross": (linalg.cross, normal(2, 3), normal(2, 3)),
    "trace": (lambda x: torch.trace(x) ** 2, normal(3, 3)),
    "multi_dot": (lambda *xs: linalg.multi_dot(xs), normal(2, 3), normal(3, 4), normal(4, 2)),
    "einsum, matrices": (
        lambda x, y: torch.einsum("bij,bjk->bik", x, y),
        normal(2, 3, 2),
        normal(2, 2, 3),
    ),
    "einsum, diagonal": (
        lambda x, y: torch.einsum("bii,ij->bj", x, y),
        normal(2, 3, 3),
        normal(3, 2),
    ),
    "einsum, ellipsis": (
        lambda x, y: torch.einsum("...i,ij->...j", x, y),
        normal(2, 2, 3),
        normal(3, 2),
    ),
    "einsum, three": (
        lambda x, y, z: torch.einsum("ij,jk,kl->il", x, y, z),
        normal(2, 3),
        normal(3, 2),
        normal(2, 3),
    ),
    "inv": (linalg.inv, regular(2, 3, 3)),
    "det": (linalg.det, regular(2, 3, 3)),
    "det, large": (linalg.det, regular(6, 6)),
    "slogdet": (lambda x: linalg.slogdet(x)[1], regular(2, 3, 3)),
    "solve": (linalg.solve, regular(2, 3, 3), normal(2, 3, 2)),
    "solve, vector": (linalg.solve, regular(3, 3), normal(3)),
    "cholesky": (lambda x: linalg.cholesky(definite(x)), normal(2, 3, 3)),
    "eigh, values": (lambda x: linalg.eigh(symmetric(x))[0], normal(3, 3)),
    "eigh, vectors": (lambda x: linalg.eigh(symmetric(x))[1] ** 2, normal(3, 3)),
    "svd, values": (linalg.svdvals, normal(2, 4, 3)),
    "svd, u": (lambda x: linalg.svd(x, full_matrices=False)[0] ** 2, normal(4, 3)),
    "svd, vt": (lambda x: linalg.svd(x, full_matrices=False)[2] ** 2, normal(2, 4)),
    "qr, q": (lambda x: linalg.qr(x)[0] ** 2, normal(4, 3)),
    "qr, r": (lambda x: linalg.qr(x)[1] ** 2, normal(3, 3)),
    "qr, wide": (lambda x: linalg.qr(x)[1] ** 2, normal(2, 4)),
    "pinv": (linalg.pinv, normal(4, 3)),
    "matrix_power": (lambda x: linalg.matrix_power(x, 3), normal(3, 3)),
    "matrix_power, negative": (lambda x: linalg.matrix_power(x, -2), regular(3, 3)),
    # indices; squared, so that there is a second derivative
    "take": (lambda x: x.index_select(1, torch.tensor([2, 0, 2])) ** 2, normal(2, 3)),
    "take_along_axis": (
        lambda x: torch.take_along_dim(x, torch.tensor([[0, 0], [2, 1]]), 1) ** 2,
        normal(2, 3),
    ),
    "roll": (lambda x: torch.roll(x, (1, -1), (0, 1)) ** 2, normal(3, 4)),
    "rot90": (lambda x: torch.rot90(x, 3) ** 2, normal(2, 3)),
    "flip": (lambda x: torch.flip(x, (0, 1)) ** 2, normal(2, 3)),
    "tile": (lambda x: torch.tile(x, (2, 1, 2)) ** 2, normal(2, 3)),
    "repeat": (
        lambda x: torch.repeat_interleave(x, torch.tensor([1, 0, 2]), dim=1) ** 2,
        normal(2, 3),
    ),
    "tril": (lambda x: torch.tril(x, -1) ** 2, normal(3, 4)),
    "triu": (lambda x: torch.triu(x, 1) ** 2, normal(3, 4)),
    "diagonal": (lambda x: torch.diagonal(x, 1) ** 2, normal(3, 4)),
    "diag": (lambda x: torch.diag(x, -1) ** 2, normal(3)),
    "sort": (lambda x: torch.sort(x, 0)[0] ** 2, normal(3, 2)),
    "pad, constant": (lambda x: functional.pad(x, (0, 2, 1, 0), value=0.5) ** 2, normal(2, 3)),
    "pad, reflect": (pad(2, 1, mode="reflect"), normal(2, 3)),
    "pad, edge": (pad(2, 1, mode="replicate"), normal(2, 3)),
    "pad, wrap": (pad(2, 1, mode="circular"), normal(2, 3)),
}

if __name__ == "__main__":
    save_table("linalg", LINALG)
