/* The alignment search of kernel_lanes.h for the vector widths of this machine, and the choice among them. */
#ifndef MONOTONIC_ALIGN_KERNEL_H
#define MONOTONIC_ALIGN_KERNEL_H

#if !defined(__GNUC__)
#error "the alignment search needs GCC or Clang (vector extensions)"
#endif

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 4 /* SSE2, NEON: every machine */
#define TARGET
#define NAME(name) name##_4
#include "kernel_lanes.h"
#undef LANES
#undef TARGET
#undef NAME

#if defined(__x86_64__)
#include <immintrin.h>
#define LANES 8
#define TARGET __attribute__((target("avx2")))
#define NAME(name) name##_8
#include "kernel_lanes.h"
#undef LANES
#undef TARGET
#undef NAME
#endif

typedef int (*kernel_search)(const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, float *, int64_t *);

/* The search for vectors of so many lanes; NULL if this machine has none. */
static kernel_search kernel_of_lanes(int lanes) {
    if (lanes == 4) return search_4;
#if defined(__x86_64__)
    if (lanes == 8 && __builtin_cpu_supports("avx2")) return search_8;
#endif
    return NULL;
}

/* Floats of working memory: two edges, and a bit a cell, for the widest vectors. */
static ptrdiff_t kernel_scratch(ptrdiff_t tokens, ptrdiff_t frames) {
    return 2 * (frames + 8 + 1) + (tokens + 15) / 16 * 16 * ((frames + 31) / 32);
}

#endif
