"""Changes of the compiled alignment search, by hand: a mutator of C would mostly make programs that do not compile.

Each is (function, old, new), and `old` must occur exactly once in its file, so that a change of the code shows here.
"""

from __future__ import annotations

from pathlib import Path

from tests.mutation.mutant import Mutant, spliced

FOLDER = "monotonic_align"
TESTS = ("tests/test_monotonic_align.py",)
# What a copy of the package needs to be built and tested.
COPIED = ("setup.py", "pyproject.toml", FOLDER, "tests/__init__.py", *TESTS)

CHANGES: dict[str, list[tuple[str, str, str]]] = {
    "search.pyx": [
        ("draw", "memset(path, 0, <size_t>(rows * width) * sizeof(float))", "pass"),
        ("draw", "memset(path, 0, <size_t>(rows", "memset(path, 0, <size_t>((rows - 1)"),
        ("draw", "path[x * width + y] = 1", "path[x * width + frame] = 1"),
        ("draw", "frame = frame + durations[x]", "frame = durations[x]"),
        ("align", "if not kernel(", "if kernel("),
        ("align", "draw(path, rows, width, tokens, durations)", "draw(path, rows, width, tokens - 1, durations)"),
        ("search", "cdef ptrdiff_t item_stride = value.strides[0]", "cdef ptrdiff_t item_stride = value.strides[1]"),
        ("search", "if kernel is NULL:", "if False:"),
        ("search", "unusable += 1 - align(", "unusable += align("),
        ("search", "scratch + threadid() * room", "scratch"),
        ("search", "dense + b * rows * width", "dense + b * width"),
        ("search", "text_lengths[b], frame_lengths[b]", "frame_lengths[b], frame_lengths[b]"),
    ],
    "kernel.h": [
        ("kernel_of_lanes", "if (lanes == 4) return search_4", "if (lanes != 8) return search_4"),
        ("kernel_scratch", "2 * (frames + 8 + 1)", "(frames + 8 + 1)"),
        ("kernel_scratch", "(tokens + 15) / 16 * 16", "tokens / 16 * 16"),
        ("kernel_scratch", "((frames + 31) / 32)", "(frames / 32)"),
    ],
    "kernel_lanes.h": [
        ("transpose", "r[1] = SHUFFLE(a, c, 2, 3, 6, 7);", "r[1] = SHUFFLE(a, c, 2, 3, 7, 6);"),
        ("transpose", "r[i + 4] = SHUFFLE(h[i], h[i + 4], 4, 5,", "r[i + 4] = SHUFFLE(h[i], h[i + 4], 5, 4,"),
        ("SHIFT_IN", "SHUFFLE(low, v, 3, 4, 5, 6)", "SHUFFLE(low, v, 2, 4, 5, 6)"),
        ("SHIFT_IN", "SHUFFLE(low, v, 7, 8, 9,", "SHUFFLE(low, v, 6, 8, 9,"),
        ("load_columns", "if (frame + LANES <= frames)", "if (frame + LANES < frames + LANES)"),
        ("load_columns", "tail[y - frame] = rows[i][y];", "tail[y - frame] = rows[0][y];"),
        ("load_columns", "MASK usable = columns[0] < SPLAT(INFINITY);", "MASK usable = columns[0] <= SPLAT(INFINITY);"),
        ("load_columns", "usable &= columns[i] < SPLAT(INFINITY);", "usable |= columns[i] < SPLAT(INFINITY);"),
        ("is_usable", "usable &= row[y] < INFINITY", "usable |= row[y] < INFINITY"),
        ("is_usable", "for (ptrdiff_t y = start; y < end; y++)", "for (ptrdiff_t y = start + 1; y < end; y++)"),
        ("walk_back", "ptrdiff_t end = frames - 1;", "ptrdiff_t end = frames - 2;"),
        ("walk_back", "x / STRIP * STRIP * blocks + x % STRIP", "x / STRIP * STRIP * blocks"),
        ("walk_back", "ptrdiff_t start = x;", "ptrdiff_t start = 0;"),
        ("walk_back", "y = y / 32 * 32 - 1)", "y = y / 32 * 32 - 2)"),
        ("walk_back", ">> (31 - y % 32)", ">> (30 - y % 32)"),
        ("walk_back", "y - __builtin_ctz(earlier)", "y - __builtin_ctz(earlier) + 1"),
        ("walk_back", "if (found > x) start = found;", "start = found;"),
        ("walk_back", "durations[x] = end - start + 1;", "durations[x] = end - start;"),
        ("walk_back", "end = start - 1;", "end = start;"),
        ("search", "scratch[y] = -INFINITY;", "scratch[y] = 0;"),
        ("search", "edge[0] = 0;", "edge[0] = -INFINITY;"),
        ("search", "first + i < tokens ? first + i : tokens - 1", "first + i < tokens ? first + i : tokens"),
        ("search", "value + x * row_stride", "value + x * frames"),
        ("search", "const ptrdiff_t reach = frames - tokens + first + STRIP;",
         "const ptrdiff_t reach = frames - tokens + first;"),
        ("search", "q[k] = SPLAT(-INFINITY);", "q[k] = SPLAT(0);"),
        ("search", "ptrdiff_t y = first;", "ptrdiff_t y = 0;"),
        ("search", "rows + (k - 1) * LANES, y, frames", "rows, y, frames"),
        ("search", "q[0] = SPLAT(edge[y + j]);", "q[0] = SPLAT(edge[y + j + 1]);"),
        ("search", "for (int k = VECTORS; k > 0; k--) {", "for (int k = 1; k <= VECTORS; k++) {"),
        ("search", "const MASK moved = q[k] < left; ", "const MASK moved = q[k] <= left; "),
        ("search", "bits[k] + bits[k] - (INTS)moved;", "bits[k] + bits[k] + (INTS)moved;"),
        ("search", "LARGER(left, q[k], moved) + columns[k][j];", "LARGER(left, q[k], moved) - columns[k][j];"),
        ("search", "next_edge[y + j + 1] = q[VECTORS][LANES - 1];", "next_edge[y + j + 1] = q[VECTORS][LANES - 2];"),
        ("search", "bits[k] <<= (uint32_t)(block_stop - y);", "bits[k] <<= (uint32_t)(block_stop - y + 1);"),
        ("search", "memcpy(block + (k - 1) * LANES, &bits[k]", "memcpy(block + (k - 1) * LANES, &bits[1]"),
        ("search", "NAME(is_usable)(rows[i], 0, first)", "1"),
        ("search", "NAME(is_usable)(rows[i], y, frames)", "1"),
        ("search", "edge = next_edge;", "edge = done;"),
        ("search", "all_usable &= usable[i] != 0;", "all_usable |= usable[i] != 0;"),
        ("search", "if (all_usable) NAME(walk_back)", "if (0) NAME(walk_back)"),
    ],
}  # fmt: skip


def compiled_mutants(root: Path) -> list[Mutant]:
    """All of them. Raises ValueError for a change that does not occur exactly once."""
    mutants = []
    for file, changes in CHANGES.items():
        path = f"{FOLDER}/{file}"
        text = (root / path).read_bytes()
        for function, old, new in changes:
            if (count := text.count(old.encode())) != 1:
                raise ValueError(f"{path} has {count} times instead of once: {old}")
            start = text.index(old.encode())
            end = start + len(old.encode())
            mutants.append(spliced(text, start, end, new.encode(), path, function, TESTS, compiled=True))
    return mutants
