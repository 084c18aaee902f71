/* Convolutions over time, and a whole stage of HiFi-GAN, by the matrix unit (AMX) of x86 processors, in bfloat16.

   Everything is (rows of time, channels), channels innermost, so that a convolution is a sum of matrix products: for
   each tap, rows of the input, shifted, times that tap's weights. Sums are in float32. What follows a product (bias,
   residual, leaky ReLU, rounding) is done to the sums before they leave the first cache, and while the matrix unit is
   at the next ones. */
#ifndef HIFIGAN_AMX_KERNEL_H
#define HIFIGAN_AMX_KERNEL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MOST(a, b) ((a) > (b) ? (a) : (b))
#define LEAST(a, b) ((a) < (b) ? (a) : (b))

typedef uint16_t bfloat16; /* its bits */

enum { STEP = 32, PAIRS = 8, BLOCKS = 3 }; /* rows and channels at once; the most pairs of a block; blocks of a stage */

/* Output row r reads the input rows r + first + tap * dilation. */
typedef struct {
    const bfloat16 *weight; /* [outputs / 32][taps][inputs / 32][2][16][16][2]: last a pair of inputs */
    const float *bias;      /* [outputs] */
    ptrdiff_t inputs, outputs, taps, first, dilation;
} Convolution;

enum Kind {
    ACTIVE,       /* leaky ReLU of the output */
    SUM_ACTIVE,   /* leaky ReLU of output + residual */
    SUM,          /* output + residual */
    MEAN_ACTIVE,  /* leaky ReLU of (output + residual + others) / BLOCKS */
    FIRST_CHANNEL /* the first channel of the output, in float32 */
};

/* What becomes of a convolution's output, and where it goes. */
typedef struct {
    enum Kind kind;
    bfloat16 *to;
    float *first_channel;
    const bfloat16 *residual; /* after a leaky ReLU, which is undone: that is as exact as another copy of it would be */
    const bfloat16 *others[BLOCKS - 1];
    ptrdiff_t stride; /* values from one row to the next, but in first_channel */
    float slope, residual_slope;
} Output;

/* A transposed convolution, as two of two taps: one for the first half of the phases of an input row, one for the
   second; then residual blocks, whose mean is the stage's output. */
typedef struct {
    Convolution lower, upper, pairs[BLOCKS][PAIRS][2];
    ptrdiff_t count[BLOCKS]; /* pairs of each block */
    ptrdiff_t rate, channels;
    ptrdiff_t halo;   /* rows to either side that the blocks read, rounded up to the rate */
    ptrdiff_t margin; /* rows to either side that one convolution reads */
    float slope, last_slope; /* of the leaky ReLUs, and of the one after the stage */
} Stage;

/* Values of working space for so many output rows: x, y, what is within a pair, and the other blocks' outputs. */
static inline ptrdiff_t stage_room(const Stage *s, ptrdiff_t rows) {
    return (BLOCKS + 2) * (rows + 2 * s->halo + 2 * s->margin + STEP) * s->channels;
}

#if defined(__x86_64__) && defined(__GNUC__) && (__GNUC__ >= 11 || __clang_major__ >= 12) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INLINE inline __attribute__((always_inline))
#define AMX __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512bf16")))

/* Whether this processor has the unit and the system lets this process use it, which has to be asked for once. */
static int amx_permitted(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    enum { EDX_AMX_BF16 = 1 << 22, EDX_AMX_TILE = 1 << 24, EAX_AVX512_BF16 = 1 << 5 };
    unsigned eax, ebx, ecx, edx;
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl"))
        return 0;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !(edx & EDX_AMX_BF16) || !(edx & EDX_AMX_TILE)) return 0;
    if (!__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) || !(eax & EAX_AVX512_BF16)) return 0;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

/* Eight tiles of 16 rows of 64 bytes; of the thread that calls. */
AMX static void tiles_begin(void) {
    struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } config = {.palette = 1};
    for (int tile = 0; tile < 8; tile++) {
        config.bytes[tile] = 64;
        config.rows[tile] = 16;
    }
    __asm__ volatile("" : : "r"(&config) : "memory"); /* the instruction's operand names eight bytes of it only */
    _tile_loadconfig(&config);
}

AMX static void tiles_end(void) { _tile_release(); }

AMX static inline __m512 widened(const bfloat16 *from) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)), 16));
}

AMX static inline void store_rounded(bfloat16 *to, __m512 value) {
    _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(value));
}

/* Sums of which something is still to become. */
typedef struct {
    const float (*sums)[STEP];
    const float *bias;
    ptrdiff_t row, channel, next, count; /* rows from `next` on, of `count` from `row` on */
} Pending;

AMX static INLINE void finish(const Output *o, ptrdiff_t at, __m512 value, const enum Kind kind) {
    if (kind != ACTIVE) {
        const __m512 residual = widened(o->residual + at);
        const __m512 steep = _mm512_mul_ps(residual, _mm512_set1_ps(1 / o->residual_slope));
        value = _mm512_add_ps(value, _mm512_min_ps(residual, steep));
    }
    if (kind == MEAN_ACTIVE) {
        for (int i = 0; i < BLOCKS - 1; i++) value = _mm512_add_ps(value, widened(o->others[i] + at));
        value = _mm512_mul_ps(value, _mm512_set1_ps(1.0f / BLOCKS));
    }
    if (kind != SUM) value = _mm512_max_ps(value, _mm512_mul_ps(value, _mm512_set1_ps(o->slope)));
    store_rounded(o->to + at, value);
}

AMX static INLINE void finish_row(const Output *o, Pending *p, const enum Kind kind) {
    const float *sums = p->sums[p->next];
    const ptrdiff_t row = p->row + p->next++;
    if (kind == FIRST_CHANNEL) {
        o->first_channel[row] = sums[0] + p->bias[0];
        return;
    }
    const ptrdiff_t at = row * o->stride + p->channel;
    finish(o, at, _mm512_add_ps(_mm512_load_ps(sums), _mm512_loadu_ps(p->bias)), kind);
    finish(o, at + 16, _mm512_add_ps(_mm512_load_ps(sums + 16), _mm512_loadu_ps(p->bias + 16)), kind);
}

/* Output rows from `begin` to `end`. Of `in`, rows up to 31 beyond the last that they need are read, whatever is there.
   The kind is o->kind, known where this is compiled. */
AMX static INLINE void convolve_kind(const Convolution *c, const bfloat16 *in, ptrdiff_t begin, ptrdiff_t end,
                                     const Output *o, const enum Kind kind) {
    const ptrdiff_t row_bytes = c->inputs * (ptrdiff_t)sizeof(bfloat16), depth = c->inputs / 32;
    const ptrdiff_t rows_a_product = (STEP + c->taps * depth - 1) / (c->taps * depth);
    float sums[2][STEP][STEP] __attribute__((aligned(64)));
    int side = 0;
    Pending pending = {0};
    for (ptrdiff_t channel = 0; channel < c->outputs; channel += STEP) {
        for (ptrdiff_t row = begin; row < end; row += STEP) {
            const bfloat16 *w = c->weight + channel * c->taps * c->inputs;
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            for (ptrdiff_t tap = 0; tap < c->taps; tap++) {
                const bfloat16 *x = in + (row + c->first + tap * c->dilation) * c->inputs;
                for (ptrdiff_t part = 0; part < depth; part++, x += 32, w += 1024) {
                    _tile_loadd(4, x, row_bytes);
                    _tile_loadd(6, w, 64);
                    _tile_dpbf16ps(0, 4, 6);
                    _tile_loadd(7, w + 512, 64);
                    _tile_dpbf16ps(1, 4, 7);
                    _tile_loadd(5, x + 16 * c->inputs, row_bytes);
                    _tile_dpbf16ps(2, 5, 6);
                    _tile_dpbf16ps(3, 5, 7);
                    for (ptrdiff_t i = 0; i < rows_a_product && pending.next < pending.count; i++)
                        finish_row(o, &pending, kind);
                }
            }
            _tile_stored(0, &sums[side][0][0], sizeof sums[0][0]);
            _tile_stored(1, &sums[side][0][16], sizeof sums[0][0]);
            _tile_stored(2, &sums[side][16][0], sizeof sums[0][0]);
            _tile_stored(3, &sums[side][16][16], sizeof sums[0][0]);
            pending = (Pending){(const float(*)[STEP])sums[side], c->bias + channel, row, channel, 0,
                                LEAST(end - row, STEP)};
            side = !side;
        }
    }
    while (pending.next < pending.count) finish_row(o, &pending, kind);
}

AMX static void convolve(const Convolution *c, const bfloat16 *in, ptrdiff_t begin, ptrdiff_t end, const Output *o) {
    switch (o->kind) {
        case ACTIVE: convolve_kind(c, in, begin, end, o, ACTIVE); break;
        case SUM_ACTIVE: convolve_kind(c, in, begin, end, o, SUM_ACTIVE); break;
        case SUM: convolve_kind(c, in, begin, end, o, SUM); break;
        case MEAN_ACTIVE: convolve_kind(c, in, begin, end, o, MEAN_ACTIVE); break;
        case FIRST_CHANNEL: convolve_kind(c, in, begin, end, o, FIRST_CHANNEL); break;
    }
}

/* The output rows from `begin` to `end`, multiples of the rate, of `rows` in all.

   in: the stage's input after its leaky ReLU, from input row 0 on; zeros before it and after the last.
   out: from output row 0 on, after a leaky ReLU. room: stage_room(s, end - begin) values. */
AMX static void run_stage(const Stage *s, const bfloat16 *in, bfloat16 *out, ptrdiff_t rows, ptrdiff_t begin,
                          ptrdiff_t end, bfloat16 *room) {
    /* As far to either side as the blocks read, with zeros beyond: what the last layers make of these is right only
       where they are the zeros before row 0 or after the last one, and is not asked for elsewhere. */
    const ptrdiff_t low = MOST(begin - s->halo, 0), high = LEAST(end + s->halo, rows), count = high - low;
    const ptrdiff_t channels = s->channels, half_row = s->rate / 2 * channels;
    const ptrdiff_t space = (count + 2 * s->margin + STEP) * channels;
    /* x, what the blocks take, and y, a block's sum, are kept after the leaky ReLU that the next layer wants */
    bfloat16 *const x = room + s->margin * channels, *const y = x + space, *const within = x + 2 * space;
    bfloat16 *const blocks[] = {x + 3 * space, x + 4 * space}, *const read[] = {x, y, within};
    for (int i = 0; i < 3; i++) {
        memset(read[i] - s->margin * channels, 0, (size_t)(s->margin * channels) * sizeof(bfloat16));
        memset(read[i] + count * channels, 0, (size_t)(s->margin * channels) * sizeof(bfloat16));
    }
    const bfloat16 *const from = in + low / s->rate * s->lower.inputs;
    const Output lower = {.kind = ACTIVE, .to = x, .stride = 2 * half_row, .slope = s->slope};
    const Output upper = {.kind = ACTIVE, .to = x + half_row, .stride = 2 * half_row, .slope = s->slope};
    convolve(&s->lower, from, 0, count / s->rate, &lower);
    convolve(&s->upper, from, 0, count / s->rate, &upper);
    for (int block = 0; block < BLOCKS; block++) {
        const bfloat16 *value = x;
        ptrdiff_t reach = 0; /* rows to either side that what is still to come in the block reads */
        for (ptrdiff_t pair = 0; pair < s->count[block]; pair++)
            reach -= s->pairs[block][pair][0].first + s->pairs[block][pair][1].first;
        for (ptrdiff_t pair = 0; pair < s->count[block]; pair++) {
            const Convolution *const c = s->pairs[block][pair];
            const Output inner = {.kind = ACTIVE, .to = within, .stride = channels, .slope = s->slope};
            Output outer = {.kind = SUM_ACTIVE, .to = y, .residual = value, .residual_slope = s->slope,
                            .stride = channels, .slope = s->slope};
            if (pair == s->count[block] - 1 && block < BLOCKS - 1) {
                outer.kind = SUM;
                outer.to = blocks[block];
            } else if (pair == s->count[block] - 1) {
                outer.kind = MEAN_ACTIVE;
                outer.to = out + low * channels;
                outer.slope = s->last_slope;
                for (int i = 0; i < BLOCKS - 1; i++) outer.others[i] = blocks[i];
            }
            reach += c[0].first;
            convolve(&c[0], value, MOST(begin - reach, 0) - low, LEAST(end + reach, rows) - low, &inner);
            reach += c[1].first;
            convolve(&c[1], within, MOST(begin - reach, 0) - low, LEAST(end + reach, rows) - low, &outer);
            value = y;
        }
    }
}

#else /* no such unit */

static int amx_permitted(void) { return 0; }
static void tiles_begin(void) {}
static void tiles_end(void) {}
static void convolve(const Convolution *c, const bfloat16 *in, ptrdiff_t begin, ptrdiff_t end, const Output *o) {
    (void)c, (void)in, (void)begin, (void)end, (void)o;
}
static void run_stage(const Stage *s, const bfloat16 *in, bfloat16 *out, ptrdiff_t rows, ptrdiff_t begin, ptrdiff_t end,
                      bfloat16 *room) {
    (void)s, (void)in, (void)out, (void)rows, (void)begin, (void)end, (void)room;
}

#endif
#endif
