/* One alignment search over one item, written for vectors of LANES tokens. Included by kernel.h once per width, which
 * defines LANES (4 or 8), TARGET (the instruction set) and NAME (a suffix for every name).
 *
 * Q[x, y] = max(Q[x, y - 1], Q[x - 1, y - 1]) + value[x, y] is serial over frames y, not over tokens x. Tokens are
 * taken in strips of two vectors (one alone would wait for its own sums of the frame before); a strip runs over all the
 * frames that can be reached, its scores in registers, and leaves the scores of its last token in `edge` for the next
 * strip. Frames are contiguous in memory, so LANES x LANES tiles are transposed in registers. What remains of a cell is
 * one bit: did its best path come from token x - 1?
 */

#define VECTORS 2
#define STRIP (VECTORS * LANES)
#define UNROLL _Pragma("GCC unroll 8") /* so that arrays of vectors are registers */
#define FLOATS NAME(floats)
#define INTS NAME(ints)
#define MASK NAME(mask)

typedef float FLOATS __attribute__((vector_size(4 * LANES)));
typedef uint32_t INTS __attribute__((vector_size(4 * LANES)));
typedef int32_t MASK __attribute__((vector_size(4 * LANES)));

#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (MASK){__VA_ARGS__})
#endif

/* SPLAT: the scalar in every lane. SHIFT_IN: v moved up one lane, the last lane of `low` below it.
 * LARGER: the larger of a and b, where `more` is the mask of b < a. */
#if LANES == 4
#define SPLAT(s) ((FLOATS){s, s, s, s})
#define SHIFT_IN(v, low) SHUFFLE(low, v, 3, 4, 5, 6)
#define LARGER(a, b, more) ((FLOATS)(((MASK)(a) & (more)) | ((MASK)(b) & ~(more))))
#else
#define SPLAT(s) ((FLOATS){s, s, s, s, s, s, s, s})
#define SHIFT_IN(v, low) SHUFFLE(low, v, 7, 8, 9, 10, 11, 12, 13, 14)
#define LARGER(a, b, more) _mm256_max_ps(a, b) /* compilers do not see it in the mask form */
#endif

/* Rows of LANES frames -> columns of LANES tokens, in place. */
static inline TARGET __attribute__((always_inline)) void NAME(transpose)(FLOATS *r) {
#if LANES == 4
    const FLOATS a = SHUFFLE(r[0], r[1], 0, 4, 1, 5), b = SHUFFLE(r[0], r[1], 2, 6, 3, 7);
    const FLOATS c = SHUFFLE(r[2], r[3], 0, 4, 1, 5), d = SHUFFLE(r[2], r[3], 2, 6, 3, 7);
    r[0] = SHUFFLE(a, c, 0, 1, 4, 5);
    r[1] = SHUFFLE(a, c, 2, 3, 6, 7);
    r[2] = SHUFFLE(b, d, 0, 1, 4, 5);
    r[3] = SHUFFLE(b, d, 2, 3, 6, 7);
#else
    /* within the 128-bit halves first, as a 4 x 4 transposition each; then halves change places */
    FLOATS h[8];
    for (int i = 0; i < 8; i += 4) {
        const FLOATS a = SHUFFLE(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        const FLOATS b = SHUFFLE(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
        const FLOATS c = SHUFFLE(r[i + 2], r[i + 3], 0, 8, 1, 9, 4, 12, 5, 13);
        const FLOATS d = SHUFFLE(r[i + 2], r[i + 3], 2, 10, 3, 11, 6, 14, 7, 15);
        h[i] = SHUFFLE(a, c, 0, 1, 8, 9, 4, 5, 12, 13);
        h[i + 1] = SHUFFLE(a, c, 2, 3, 10, 11, 6, 7, 14, 15);
        h[i + 2] = SHUFFLE(b, d, 0, 1, 8, 9, 4, 5, 12, 13);
        h[i + 3] = SHUFFLE(b, d, 2, 3, 10, 11, 6, 7, 14, 15);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = SHUFFLE(h[i], h[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        r[i + 4] = SHUFFLE(h[i], h[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
#endif
}

/* Columns of frames [frame, frame + LANES) of LANES tokens; frames past the end are 0. Returns which lanes are usable:
 * below +inf, which NaN is not either. */
static inline TARGET __attribute__((always_inline)) MASK NAME(load_columns)(
        const float *const *rows, ptrdiff_t frame, ptrdiff_t frames, FLOATS *columns) {
    if (frame + LANES <= frames) {
        UNROLL
        for (int i = 0; i < LANES; i++) memcpy(&columns[i], rows[i] + frame, sizeof(FLOATS));
    } else {
        for (int i = 0; i < LANES; i++) {
            float tail[LANES] = {0};
            for (ptrdiff_t y = frame; y < frames; y++) tail[y - frame] = rows[i][y];
            memcpy(&columns[i], tail, sizeof(FLOATS));
        }
    }
    MASK usable = columns[0] < SPLAT(INFINITY);
    UNROLL
    for (int i = 1; i < LANES; i++) usable &= columns[i] < SPLAT(INFINITY);
    NAME(transpose)(columns);
    return usable;
}

static TARGET int NAME(is_usable)(const float *row, ptrdiff_t start, ptrdiff_t end) {
    int usable = 1;
    for (ptrdiff_t y = start; y < end; y++) usable &= row[y] < INFINITY;
    return usable;
}

/* Walk back from the last token at the last frame. The frames of a block are bits, latest lowest, so the frame at which
 * a token began is a count of zeros away. A token x cannot begin before frame x. */
static TARGET void NAME(walk_back)(const uint32_t *moves, ptrdiff_t tokens, ptrdiff_t frames, int64_t *durations) {
    const ptrdiff_t blocks = (frames + 31) / 32;
    ptrdiff_t end = frames - 1;
    for (ptrdiff_t x = tokens - 1; x >= 0; x--) {
        const uint32_t *token_moves = moves + x / STRIP * STRIP * blocks + x % STRIP;
        ptrdiff_t start = x;
        for (ptrdiff_t y = end; x > 0 && y > x; y = y / 32 * 32 - 1) {
            const uint32_t earlier = token_moves[y / 32 * STRIP] >> (31 - y % 32);
            if (earlier) {
                const ptrdiff_t found = y - __builtin_ctz(earlier);
                if (found > x) start = found;
                break;
            }
        }
        durations[x] = end - start + 1;
        end = start - 1;
    }
}

/* Fills durations[0 .. tokens). Needs 1 <= tokens <= frames. `scratch` holds kernel_scratch(tokens, frames) floats.
 * Returns 0, with durations that mean nothing, if any of the tokens x frames values is NaN or +inf. */
static TARGET int NAME(search)(const float *value, ptrdiff_t row_stride, ptrdiff_t tokens, ptrdiff_t frames,
                               float *scratch, int64_t *durations) {
    const ptrdiff_t blocks = (frames + 31) / 32, edge_length = frames + LANES + 1;
    float *edge = scratch, *next_edge = scratch + edge_length; /* edge[y]: score of the token below at frame y - 1 */
    uint32_t *moves = (uint32_t *)(scratch + 2 * edge_length);
    MASK usable = {0};
    usable = ~usable;
    int all_usable = 1;

    for (ptrdiff_t y = 0; y < 2 * edge_length; y++) scratch[y] = -INFINITY;
    edge[0] = 0; /* a path enters token 0 at frame 0, and nowhere else */

    for (ptrdiff_t first = 0; first < tokens; first += STRIP) {
        const float *rows[STRIP];
        for (ptrdiff_t i = 0; i < STRIP; i++) { /* lanes past the last token repeat it; nothing reads their scores */
            const ptrdiff_t x = first + i < tokens ? first + i : tokens - 1;
            rows[i] = value + x * row_stride;
        }
        /* token x is reachable from frame x on, and must be left with a frame for each later token */
        const ptrdiff_t reach = frames - tokens + first + STRIP;
        const ptrdiff_t stop = reach < frames ? reach : frames;
        FLOATS q[VECTORS + 1]; /* scores at the last frame; q[0] is of the token below the strip */
        for (int k = 1; k <= VECTORS; k++) q[k] = SPLAT(-INFINITY);
        ptrdiff_t y = first;
        while (y < stop) {
            uint32_t *block = moves + first * blocks + y / 32 * STRIP;
            const ptrdiff_t block_stop = (y / 32 + 1) * 32;
            INTS bits[VECTORS + 1] = {{0}};
            for (; y < stop && y < block_stop; y += LANES) {
                FLOATS columns[VECTORS + 1][LANES];
                UNROLL
                for (int k = 1; k <= VECTORS; k++) {
                    usable &= NAME(load_columns)(rows + (k - 1) * LANES, y, frames, columns[k]);
                }
                UNROLL
                for (int j = 0; j < LANES; j++) {
                    q[0] = SPLAT(edge[y + j]);
                    UNROLL
                    for (int k = VECTORS; k > 0; k--) {
                        const FLOATS left = SHIFT_IN(q[k], q[k - 1]);
                        const MASK moved = q[k] < left;            /* a tie stays on its token */
                        bits[k] = bits[k] + bits[k] - (INTS)moved; /* shift in one bit: a mask is -1 */
                        q[k] = LARGER(left, q[k], moved) + columns[k][j];
                    }
                    next_edge[y + j + 1] = q[VECTORS][LANES - 1];
                }
            }
            for (int k = 1; k <= VECTORS; k++) {
                bits[k] <<= (uint32_t)(block_stop - y);
                memcpy(block + (k - 1) * LANES, &bits[k], sizeof(INTS));
            }
        }
        for (ptrdiff_t i = 0; i < STRIP && first + i < tokens; i++) { /* the cells no path can reach */
            all_usable &= NAME(is_usable)(rows[i], 0, first) & NAME(is_usable)(rows[i], y, frames);
        }
        float *done = edge;
        edge = next_edge;
        next_edge = done;
    }
    for (int i = 0; i < LANES; i++) all_usable &= usable[i] != 0;
    if (all_usable) NAME(walk_back)(moves, tokens, frames, durations);
    return all_usable;
}

#undef VECTORS
#undef STRIP
#undef UNROLL
#undef FLOATS
#undef INTS
#undef MASK
#undef SHUFFLE
#undef SPLAT
#undef SHIFT_IN
#undef LARGER
