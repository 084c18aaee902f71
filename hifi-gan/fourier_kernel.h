/* HiFi-GAN's stages with the convolutions of their residual blocks as products in the frequency domain, in float32.

   Everything is (rows of time, channels), channels innermost. A tile is 32 rows, as far from each other as the
   convolution's dilation. Its spectrum times that of the weights gives the 33 - taps output rows that do not reach
   round its ends (overlap-save), so that for each of 17 frequencies there is one product of matrices, tiles x channels
   times channels x channels. Each of the 15 complex ones is three real ones (Gauss; as in Zlateski et al.,
   arXiv:1809.07851). That makes 47 products for 33 - taps rows, where the plain way has `taps` for each row: a fifth of
   them for 11 taps, half for 3. The transforms go over 8 channels at once and rearrange nothing. */
#ifndef HIFIGAN_FOURIER_KERNEL_H
#define HIFIGAN_FOURIER_KERNEL_H

#include <stddef.h>
#include <string.h>

#define MOST(a, b) ((a) > (b) ? (a) : (b))
#define LEAST(a, b) ((a) < (b) ? (a) : (b))

enum { TILE = 32, PRODUCTS = 47, LANES = 8, PANEL = 2 * LANES }; /* PANEL: output channels in a product's inner loop */
enum { ROWS = 6, AT_ONCE = 8 * ROWS }; /* rows in a product's inner loop, and those that share a reading of weights */
enum { PAIRS = 8, BLOCKS = 8 };        /* the most pairs of a block, and blocks of a stage */

/* Output row r reads the input rows r + (tap - taps / 2) * dilation. */
typedef struct {
    const float *weight; /* [47][channels / 16][channels][16]: see transform_weights */
    const float *bias;   /* [channels] */
    ptrdiff_t taps, dilation;
} Convolution;

/* A transposed convolution with twice as many taps as its rate, an even number: output row q * rate + phase reads the
   input rows q - 1 and q in the first half of the phases, q and q + 1 in the second. */
typedef struct {
    const float *weight; /* [rate][outputs / 16][2 * inputs][16]: of the earlier of two rows, then of the later one */
    const float *bias;   /* [outputs] */
    ptrdiff_t inputs, outputs, rate;
} Upsampling;

/* Pairs of convolutions, each added to what it is given; the mean of the blocks is the stage's output. */
typedef struct {
    Convolution pairs[BLOCKS][PAIRS][2];
    ptrdiff_t count[BLOCKS]; /* pairs of each block */
    ptrdiff_t blocks, channels;
    ptrdiff_t halo; /* rows to either side that the blocks read */
    float slope;    /* of the leaky ReLU before each convolution */
} Stage;

/* What a convolution is given, and what becomes of its output: with its bias, residual[row] and sum[row] (may be NULL)
   it is added up; scaled, where there is a sum. Rows `begin` to `end` are wanted; of `in` there are the rows from `low`
   to `high`, and zeros are taken for what is beyond. */
typedef struct {
    const float *in, *residual, *sum;
    float *out;
    float slope, scale;
    ptrdiff_t low, high, begin, end;
} Task;

/* Tiles transformed at once, a multiple of ROWS: more where the weights of a convolution do not stay in the cache. */
static inline ptrdiff_t most_tiles(ptrdiff_t channels) {
    return channels < 256 ? AT_ONCE : 2 * AT_ONCE;
}

static inline ptrdiff_t spectra_stride(ptrdiff_t channels) {
    return most_tiles(channels) * channels + PANEL; /* not a multiple of the cache's period */
}

/* Values of working space of a thread for so many output rows: spectra, and once more those of one frequency; what is
   within a pair, a block's sum, the blocks' sum, a row of zeros. */
static inline ptrdiff_t stage_room(const Stage *s, ptrdiff_t rows) {
    return (PRODUCTS + 1) * spectra_stride(s->channels) + (3 * (rows + 2 * s->halo) + 1) * s->channels;
}

/* The same, to upsample. */
static inline ptrdiff_t upsampling_room(const Upsampling *u) {
    return (AT_ONCE + ROWS + 2) * u->inputs;
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#define INLINE inline __attribute__((always_inline))
#define AVX2 __attribute__((target("avx2,fma")))

typedef float Lanes __attribute__((vector_size(4 * LANES)));
typedef float Loose __attribute__((vector_size(4 * LANES), aligned(4))); /* wherever it lies */

static int fourier_available(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int thread_number(void) {
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

#define COS1 0.92387953251128674f /* of pi / 8 */
#define SIN1 0.38268343236508977f
#define COS2 0.70710678118654752f

/* Of 4 complex values; `back`: the inverse, times 4. */
AVX2 static INLINE void transform4(Lanes *re, Lanes *im, const int step, const int back) {
    const Lanes r0 = re[0] + re[2 * step], r1 = re[0] - re[2 * step], r2 = re[step] + re[3 * step],
                r3 = re[step] - re[3 * step];
    const Lanes i0 = im[0] + im[2 * step], i1 = im[0] - im[2 * step], i2 = im[step] + im[3 * step],
                i3 = im[step] - im[3 * step];
    re[0] = r0 + r2, im[0] = i0 + i2;
    re[2 * step] = r0 - r2, im[2 * step] = i0 - i2;
    re[(back ? 3 : 1) * step] = r1 + i3, im[(back ? 3 : 1) * step] = i1 - r3;
    re[(back ? 1 : 3) * step] = r1 - i3, im[(back ? 1 : 3) * step] = i1 + r3;
}

/* Times exp(-i angle); `back`: exp(i angle). */
AVX2 static INLINE void turn(Lanes *re, Lanes *im, const float cosine, const float sine, const int back) {
    const float s = back ? -sine : sine;
    const Lanes r = *re, i = *im;
    *re = r * cosine + i * s;
    *im = i * cosine - r * s;
}

/* Of 16 complex values, in place; value k is then at PLACE(k). */
AVX2 static INLINE void transform16(Lanes *re, Lanes *im, const int back) {
    static const float cosine[10] = {1, COS1, COS2, SIN1, 0, 0, -COS2, 0, 0, -COS1};
    static const float sine[10] = {0, SIN1, COS2, COS1, 1, 0, COS2, 0, 0, -SIN1};
#pragma GCC unroll 4
    for (int b = 0; b < 4; b++) transform4(re + b, im + b, 4, back);
#pragma GCC unroll 4
    for (int c = 1; c < 4; c++) {
#pragma GCC unroll 4
        for (int b = 1; b < 4; b++) turn(&re[4 * c + b], &im[4 * c + b], cosine[b * c], sine[b * c], back);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) transform4(re + 4 * c, im + 4 * c, 1, back);
}
#define PLACE(k) (4 * ((k) & 3) + (((k) & 15) >> 2))

static const float COSINE[9] = {1, 0.98078528040323045f, COS1, 0.83146961230254524f, COS2, 0.55557023301960222f, SIN1,
                                0.19509032201612827f, 0}; /* of k pi / 16; its sine is COSINE[8 - k] */

/* The spectrum of 32 rows, which are where `row` says, of the 8 channels from `channel` on, after a leaky ReLU. To
   out[product * stride]: that at frequencies 0 and 16; then for each from 1 to 15 Re + Im, Re, Im. */
AVX2 static INLINE void forward(const float *const *row, ptrdiff_t channel, float slope, float *out, ptrdiff_t stride) {
    Lanes re[16], im[16];
#pragma GCC unroll 16
    for (int k = 0; k < 16; k++) {
        const Lanes even = *(const Loose *)(row[2 * k] + channel), odd = *(const Loose *)(row[2 * k + 1] + channel);
        const Lanes e = even * slope, o = odd * slope;
        re[k] = _mm256_max_ps(even, e);
        im[k] = _mm256_max_ps(odd, o);
    }
    transform16(re, im, 0);
    *(Loose *)out = re[0] + im[0];
    *(Loose *)(out + stride) = re[0] - im[0];
    out += 2 * stride;
#pragma GCC unroll 8
    for (int k = 1; k <= 8; k++) {
        const int here = PLACE(k), there = PLACE(16 - k);
        const Lanes a = (re[here] + re[there]) * 0.5f, b = (im[here] - im[there]) * 0.5f; /* of the even rows */
        const Lanes c = (im[here] + im[there]) * 0.5f, d = (re[there] - re[here]) * 0.5f; /* of the odd ones */
        const Lanes tr = c * COSINE[k] + d * COSINE[8 - k], ti = d * COSINE[k] - c * COSINE[8 - k];
        float *const low = out + 3 * (k - 1) * stride, *const high = out + 3 * (15 - k) * stride;
        const Lanes lr = a + tr, li = b + ti, hr = a - tr, hi = ti - b;
        *(Loose *)low = lr + li;
        *(Loose *)(low + stride) = lr;
        *(Loose *)(low + 2 * stride) = li;
        if (k < 8) {
            *(Loose *)high = hr + hi;
            *(Loose *)(high + stride) = hr;
            *(Loose *)(high + 2 * stride) = hi;
        }
    }
}

/* 32 rows, of what the products of such values with the weights' are, summed over the channels. */
AVX2 static INLINE void inverse(const float *in, ptrdiff_t stride, Lanes *rows) {
    Lanes re[16], im[16];
    const Lanes first = *(const Loose *)in, last = *(const Loose *)(in + stride);
    in += 2 * stride;
    re[0] = first + last;
    im[0] = first - last;
#pragma GCC unroll 8
    for (int k = 1; k <= 8; k++) {
        const float *const low = in + 3 * (k - 1) * stride, *const high = in + 3 * (15 - k) * stride;
        const Lanes l = *(const Loose *)low, h = *(const Loose *)high;
        const Lanes lr = l - *(const Loose *)(low + 2 * stride), li = l + *(const Loose *)(low + stride);
        const Lanes hr = h - *(const Loose *)(high + 2 * stride), hi = h + *(const Loose *)(high + stride);
        const Lanes a = lr + hr, b = li - hi;   /* of the even rows: X(k) + conj X(16 - k) */
        const Lanes tr = lr - hr, ti = li + hi; /* of the odd ones, to be turned back */
        const Lanes c = tr * COSINE[k] - ti * COSINE[8 - k], d = ti * COSINE[k] + tr * COSINE[8 - k];
        re[k] = a - d, im[k] = b + c;
        re[16 - k] = a + d, im[16 - k] = c - b;
    }
    transform16(re, im, 1);
#pragma GCC unroll 16
    for (int k = 0; k < 16; k++) rows[2 * k] = re[PLACE(k)], rows[2 * k + 1] = im[PLACE(k)];
}

/* weights: (taps, channels in, channels out). To packed, so that `inverse` of the products with what `forward` gives is
   the convolution's output: with the weights' Re and Im, and 1 / 32 for the transforms there and back, the products are
   by Re, -(Re + Im) and Re - Im, since (a + b) Re - b (Re - Im) and (a + b) Re - a (Re + Im) are the real and imaginary
   part of (a + i b) (Re - i Im). */
AVX2 static void transform_weights(const float *weights, ptrdiff_t taps, ptrdiff_t channels, float *packed) {
    static const float nothing[LANES];
    for (ptrdiff_t in = 0; in < channels; in++) {
        for (ptrdiff_t out = 0; out < channels; out += LANES) {
            const float *row[TILE];
            Lanes spectrum[PRODUCTS];
            for (ptrdiff_t tap = 0; tap < TILE; tap++)
                row[tap] = tap < taps ? weights + (tap * channels + in) * channels + out : nothing;
            forward(row, 0, 1, (float *)spectrum, LANES);
            for (int p = 0; p < PRODUCTS; p++) {
                const int part = p < 2 ? 0 : (p - 2) % 3;
                const Lanes value = part == 0 ? spectrum[p < 2 ? p : p + 1]
                                  : part == 1 ? -spectrum[p - 1]
                                              : spectrum[p - 1] - spectrum[p];
                float *const to = packed + ((p * (channels / PANEL) + out / PANEL) * channels + in) * PANEL;
                *(Loose *)(to + out % PANEL) = value * (1.0f / TILE);
            }
        }
    }
}

/* ROWS rows of `depth` values, `in_stride` apart, times a panel of weights, (depth, 16), plus `start`: 16 values of
   each row of `out`, `out_stride` apart. */
AVX2 static INLINE void product(const float *in, ptrdiff_t in_stride, ptrdiff_t depth, const float *panel,
                                const float *start, float *out, ptrdiff_t out_stride) {
    Lanes sums[ROWS][2];
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; r++) sums[r][0] = *(const Loose *)start, sums[r][1] = *(const Loose *)(start + LANES);
    for (ptrdiff_t k = 0; k < depth; k++, panel += PANEL) {
        const Lanes left = *(const Loose *)panel, right = *(const Loose *)(panel + LANES);
#pragma GCC unroll 6
        for (int r = 0; r < ROWS; r++) {
            const float x = in[r * in_stride + k];
            sums[r][0] += left * x;
            sums[r][1] += right * x;
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; r++) {
        *(Loose *)(out + r * out_stride) = sums[r][0];
        *(Loose *)(out + r * out_stride + LANES) = sums[r][1];
    }
}

/* So many values into the second cache: a share of what is wanted next. */
static INLINE void fetch(const float *next, ptrdiff_t values) {
    for (ptrdiff_t i = 0; i < values; i += PANEL) __builtin_prefetch(next + i, 0, 2);
}

/* The input rows from `begin` to `end` of `rows`, at most AT_ONCE; room: upsampling_room values. */
AVX2 static void upsample_rows(const Upsampling *u, const float *in, float *out, ptrdiff_t rows, ptrdiff_t begin,
                               ptrdiff_t end, float slope, float *room) {
    const ptrdiff_t depth = 2 * u->inputs, out_stride = u->rate * u->outputs, share = depth * PANEL / AT_ONCE;
    for (ptrdiff_t row = begin - 1; row <= end; row++) { /* after the leaky ReLU, from the row before the first on */
        float *const to = room + (row - begin + 1) * u->inputs;
        for (ptrdiff_t channel = 0; channel < u->inputs; channel += LANES) {
            const Lanes x = row < 0 || row >= rows ? (Lanes){0} : *(const Loose *)(in + row * u->inputs + channel);
            *(Loose *)(to + channel) = _mm256_max_ps(x, x * slope);
        }
    }
    for (ptrdiff_t phase = 0; phase < u->rate; phase++) {
        const float *const from = room + (phase < u->rate / 2 ? 0 : u->inputs); /* the row before, or the row itself */
        for (ptrdiff_t channel = 0; channel < u->outputs; channel += PANEL) {
            const float *const panel = u->weight + (phase * u->outputs + channel) * depth;
            for (ptrdiff_t row = begin; row < end; row += ROWS) {
                float *const to = out + (row * u->rate + phase) * u->outputs + channel, last[ROWS * PANEL];
                const float *const x = from + (row - begin) * u->inputs;
                fetch(panel + depth * PANEL + (row - begin) * share, ROWS * share);
                if (row + ROWS <= end) {
                    product(x, u->inputs, depth, panel, u->bias + channel, to, out_stride);
                } else {
                    product(x, u->inputs, depth, panel, u->bias + channel, last, PANEL);
                    for (ptrdiff_t r = 0; r < end - row; r++)
                        memcpy(to + r * out_stride, last + r * PANEL, PANEL * sizeof *to);
                }
            }
        }
    }
}

/* Of the task's rows, the one where tile t begins. */
static inline ptrdiff_t first_row(const Convolution *c, ptrdiff_t t) {
    return t % c->dilation + t / c->dilation * (TILE + 1 - c->taps) * c->dilation;
}

/* A line of the cache of each row of a tile that is to be written, and of its residual's, beforehand. */
static INLINE void fetch_tile(const Task *task, ptrdiff_t begin, ptrdiff_t channels, ptrdiff_t channel, ptrdiff_t step,
                              ptrdiff_t count) {
    const ptrdiff_t at = begin * channels + channel;
    for (ptrdiff_t i = 0; i < count; i++) __builtin_prefetch(task->out + at + i * step, 1);
    if (task->residual)
        for (ptrdiff_t i = 0; i < count; i++) __builtin_prefetch(task->residual + at + i * step);
}

/* The tiles from `first` to `last`, at most `most_tiles`. Tile t begins 33 - taps rows of its phase, t % dilation,
   after the one before; rows of a phase are `dilation` apart, counted from where the task begins. */
AVX2 static void convolve_tiles(const Convolution *c, const Task *task, ptrdiff_t channels, ptrdiff_t first,
                                ptrdiff_t last, const float *zeros, float *room) {
    const ptrdiff_t fresh = TILE + 1 - c->taps, stride = spectra_stride(channels);
    static const float nothing[PANEL];
    float *const spectra = room, *const given = room + PRODUCTS * stride;
    for (ptrdiff_t t = 0; t < last - first; t++) {
        const float *row[TILE];
        const ptrdiff_t begin = task->begin + first_row(c, first + t);
        for (int i = 0; i < TILE; i++) {
            const ptrdiff_t at = begin + (i - c->taps / 2) * c->dilation;
            row[i] = at >= task->low && at < task->high ? task->in + at * channels : zeros;
        }
        for (ptrdiff_t channel = 0; channel < channels; channel += LANES)
            forward(row, channel, task->slope, spectra + t * channels + channel, stride);
    }
    const ptrdiff_t count = (last - first + ROWS - 1) / ROWS * ROWS; /* beyond the tiles, not their space */
    const ptrdiff_t share = channels * PANEL / most_tiles(channels);
    for (ptrdiff_t p = 0; p < PRODUCTS; p++) { /* in place, so that more of it stays in the cache */
        memcpy(given, spectra + p * stride, (size_t)(count * channels) * sizeof *given);
        for (ptrdiff_t channel = 0; channel < channels; channel += PANEL) {
            const float *const panel = c->weight + (p * channels + channel) * channels;
            float *const to = spectra + p * stride + channel;
            for (ptrdiff_t t = 0; t < count; t += ROWS) {
                fetch(panel + channels * PANEL + t * share, ROWS * share);
                product(given + t * channels, channels, channels, panel, nothing, to + t * channels, channels);
            }
        }
    }
    for (ptrdiff_t t = 0; t < last - first; t++) {
        const ptrdiff_t begin = task->begin + first_row(c, first + t), step = c->dilation * channels;
        const ptrdiff_t next = task->begin + first_row(c, first + t + 1);
        const ptrdiff_t wanted = LEAST(fresh, (task->end - begin + c->dilation - 1) / c->dilation);
        for (ptrdiff_t channel = 0; channel < channels; channel += LANES) {
            Lanes rows[TILE];
            if (channel % PANEL == 0 && t + 1 < last - first) fetch_tile(task, next, channels, channel, step, fresh);
            inverse(spectra + t * channels + channel, stride, rows);
            const Lanes bias = *(const Loose *)(c->bias + channel);
            const ptrdiff_t at = begin * channels + channel;
            for (ptrdiff_t i = 0; i < wanted; i++) {
                Lanes x = rows[i] + bias;
                if (task->residual) x += *(const Loose *)(task->residual + at + i * step);
                if (task->sum) x = (x + *(const Loose *)(task->sum + at + i * step)) * task->scale;
                *(Loose *)(task->out + at + i * step) = x;
            }
        }
    }
}

static void convolve(const Convolution *c, const Task *task, ptrdiff_t channels, const float *zeros, float *room) {
    const ptrdiff_t fresh = TILE + 1 - c->taps, phase_rows = (task->end - task->begin + c->dilation - 1) / c->dilation;
    const ptrdiff_t tiles = (phase_rows + fresh - 1) / fresh * c->dilation;
    const ptrdiff_t groups = (tiles + ROWS - 1) / ROWS, most = most_tiles(channels) / ROWS; /* the last is not full */
    const ptrdiff_t parts = (groups + most - 1) / most;
    for (ptrdiff_t part = 0; part < parts; part++)
        convolve_tiles(c, task, channels, groups * part / parts * ROWS,
                       LEAST(groups * (part + 1) / parts * ROWS, tiles), zeros, room);
}

/* Rows of `out` from `begin` to `end`, of `rows`. room: stage_room(s, end - begin) values. */
static void run_stretch(const Stage *s, const float *in, float *out, ptrdiff_t rows, ptrdiff_t begin, ptrdiff_t end,
                        float *room) {
    /* As far to either side as the blocks read, from row `low` on. Each convolution computes what the following ones
       still read; where zeros are taken for what it does not have, these are right, or are not asked for. */
    const ptrdiff_t low = MOST(begin - s->halo, 0), count = LEAST(end + s->halo, rows) - low;
    float *const within = room + (PRODUCTS + 1) * spectra_stride(s->channels), *const y = within + count * s->channels;
    float *const sum = y + count * s->channels, *const zeros = sum + count * s->channels;
    memset(zeros, 0, (size_t)s->channels * sizeof *zeros);
    for (ptrdiff_t block = 0; block < s->blocks; block++) {
        const float *value = in + low * s->channels;
        ptrdiff_t from = 0, to = count; /* the rows that there are */
        ptrdiff_t reach = 0;            /* rows to either side that what is still to come in the block reads */
        for (ptrdiff_t pair = 0; pair < s->count[block]; pair++)
            for (int i = 0; i < 2; i++)
                reach += s->pairs[block][pair][i].taps / 2 * s->pairs[block][pair][i].dilation;
        for (ptrdiff_t pair = 0; pair < s->count[block]; pair++) {
            const int ends_block = pair == s->count[block] - 1, ends_stage = ends_block && block == s->blocks - 1;
            for (int i = 0; i < 2; i++) {
                const Convolution *const c = &s->pairs[block][pair][i];
                reach -= c->taps / 2 * c->dilation;
                Task task = {.in = i ? within : value, .out = i ? y : within, .residual = i ? value : NULL,
                             .slope = s->slope, .scale = ends_stage ? 1.0f / (float)s->blocks : 1,
                             .low = from, .high = to,
                             .begin = MOST(begin - reach, 0) - low, .end = LEAST(end + reach, rows) - low};
                from = task.begin, to = task.end;
                if (i && ends_block) {
                    task.sum = block ? sum : NULL;
                    task.out = ends_stage ? out + low * s->channels : sum;
                }
                convolve(c, &task, s->channels, zeros, room);
            }
            value = y;
        }
    }
}

/* in, out: (rows, channels), in so many stretches about equally long; each thread has `room` values of `rooms`. */
static void run_stage(const Stage *s, const float *in, float *out, ptrdiff_t rows, ptrdiff_t stretches, float *rooms,
                      ptrdiff_t room, ptrdiff_t threads) {
    (void)threads; /* where there is no OpenMP */
#pragma omp parallel for num_threads((int)threads) schedule(dynamic)
    for (ptrdiff_t i = 0; i < stretches; i++) {
        const ptrdiff_t begin = rows * i / stretches, end = rows * (i + 1) / stretches;
        run_stretch(s, in, out, rows, begin, end, rooms + thread_number() * room);
    }
}

/* in: (rows, inputs); out: (rows * rate, outputs). */
static void upsample(const Upsampling *u, const float *in, float *out, ptrdiff_t rows, float slope, float *rooms,
                     ptrdiff_t room, ptrdiff_t threads) {
    const ptrdiff_t parts = (rows + threads * AT_ONCE - 1) / (threads * AT_ONCE) * threads;
    (void)threads;
#pragma omp parallel for num_threads((int)threads) schedule(dynamic)
    for (ptrdiff_t i = 0; i < parts; i++) {
        const ptrdiff_t begin = rows * i / parts, end = rows * (i + 1) / parts;
        upsample_rows(u, in, out, rows, begin, end, slope, rooms + thread_number() * room);
    }
}

#else /* another processor */

static int fourier_available(void) { return 0; }
static void transform_weights(const float *weights, ptrdiff_t taps, ptrdiff_t channels, float *packed) {
    (void)weights, (void)taps, (void)channels, (void)packed;
}
static void upsample(const Upsampling *u, const float *in, float *out, ptrdiff_t rows, float slope, float *rooms,
                     ptrdiff_t room, ptrdiff_t threads) {
    (void)u, (void)in, (void)out, (void)rows, (void)slope, (void)rooms, (void)room, (void)threads;
}
static void run_stage(const Stage *s, const float *in, float *out, ptrdiff_t rows, ptrdiff_t stretches, float *rooms,
                      ptrdiff_t room, ptrdiff_t threads) {
    (void)s, (void)in, (void)out, (void)rows, (void)stretches, (void)rooms, (void)room, (void)threads;
}

#endif
#endif
