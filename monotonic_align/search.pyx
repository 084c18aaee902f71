# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Monotonic alignment search over a batch. Checks no lengths: `monotonic_align` does, before it calls this."""

from cython.parallel cimport prange, threadid
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset


cdef extern from "kernel.h" nogil:
    ctypedef int (*kernel_search)(const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, float *, int64_t *) noexcept
    kernel_search kernel_of_lanes(int lanes) noexcept
    ptrdiff_t kernel_scratch(ptrdiff_t tokens, ptrdiff_t frames) noexcept


# Vector widths that this machine has, widest first.
LANES = tuple([lanes for lanes in (8, 4) if kernel_of_lanes(lanes) is not NULL])


cdef void draw(float *path, ptrdiff_t rows, ptrdiff_t width, ptrdiff_t tokens, const int64_t *durations) noexcept nogil:
    """Ones where the path runs, zeros in the rest of a (rows, width) matrix."""
    cdef ptrdiff_t x, y, frame = 0
    memset(path, 0, <size_t>(rows * width) * sizeof(float))
    for x in range(tokens):
        for y in range(frame, frame + durations[x]):
            path[x * width + y] = 1
        frame = frame + durations[x]


cdef int align(kernel_search kernel, const float *scores, ptrdiff_t row_stride, ptrdiff_t rows, ptrdiff_t width,
               ptrdiff_t tokens, ptrdiff_t frames, float *scratch, int64_t *durations, float *path) noexcept nogil:
    """One item; `path` may be NULL. Returns 0 if it has NaN or +inf within its lengths."""
    if not kernel(scores, row_stride, tokens, frames, scratch, durations):
        return 0
    if path is not NULL:
        draw(path, rows, width, tokens, durations)
    return 1


def search(const float[:, :, :] value, const int64_t[::1] text_lengths, const int64_t[::1] frame_lengths,
           int64_t[:, ::1] durations, float[:, :, ::1] path, int threads, int lanes=LANES[0]):
    """Fill `durations` (B, T_text), zero on entry, and the dense `path` (B, T_text, T_mel) unless it is None.

    value: (B, T_text, T_mel), frames contiguous, B >= 1. Every item needs 1 <= tokens <= frames within the tensor.
    Returns how many items have NaN or +inf within their lengths; what is filled in for those means nothing.
    """
    cdef ptrdiff_t batch = value.shape[0], rows = value.shape[1], width = value.shape[2]
    cdef ptrdiff_t item_stride = value.strides[0] // <ptrdiff_t>sizeof(float)
    cdef ptrdiff_t row_stride = value.strides[1] // <ptrdiff_t>sizeof(float)
    cdef ptrdiff_t room = kernel_scratch(rows, width)
    cdef const float *scores = &value[0, 0, 0]
    cdef float *dense = &path[0, 0, 0] if path is not None else NULL
    cdef kernel_search kernel = kernel_of_lanes(lanes)
    cdef float *scratch
    cdef ptrdiff_t b
    cdef int unusable = 0
    if kernel is NULL:
        raise ValueError(f"no alignment search for vectors of {lanes} tokens on this machine, which has {LANES}")
    scratch = <float *>malloc(<size_t>(threads * room) * sizeof(float))
    if scratch is NULL:
        raise MemoryError(f"alignment of {rows} tokens and {width} frames")
    for b in prange(batch, nogil=True, schedule="dynamic", num_threads=threads):
        unusable += 1 - align(
            kernel, scores + b * item_stride, row_stride, rows, width, text_lengths[b], frame_lengths[b],
            scratch + threadid() * room, &durations[b, 0], dense + b * rows * width if dense is not NULL else NULL,
        )
    free(scratch)
    return unusable
