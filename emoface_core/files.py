# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are whole or absent: written under a temporary name, renamed when complete; texts."""

import secrets
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError


def check_folder(folder: Path) -> None:
    """InputError if there is no such folder to write to; to be asked before long work."""
    if not folder.is_dir():
        raise InputError(f"The folder “{folder}” does not exist.", "Create it first.")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it onto `path` if the body succeeds.

    A killed or failing run leaves no half file under the real name.
    """
    path = Path(path)
    check_folder(path.parent)
    # Not mkstemp: it makes files that only their owner may read, and these are the user's results.
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_npz(path: Path) -> dict[str, NDArray]:
    """All arrays of an .npz file; never unpickles. InputError if it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise InputError(f"There is no file “{path}”.", "Check the path.") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise InputError(
            f"“{path}” is not a readable .npz file ({error}).", "Make it again, or choose another."
        ) from None


def text_or_file(given: str) -> str:
    """A text, or what a .txt of that name holds. InputError if it cannot be read."""
    if not given.lower().endswith(".txt"):
        return given
    try:
        return Path(given).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"“{given}” cannot be read ({error.strerror}).", "Check it.") from None
    except UnicodeDecodeError:
        raise InputError(f"“{given}” is not a text in UTF-8.", "Save it as UTF-8.") from None
