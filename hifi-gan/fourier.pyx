# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""HiFi-GAN's stages, their residual blocks in the frequency domain.

Checks nothing: `hifigan.fourier_generator` calls it rightly.
"""

from libc.string cimport memset


cdef extern from "fourier_kernel.h" nogil:
    enum: TILE
    enum: PRODUCTS
    enum: PANEL
    enum: PAIRS
    enum: BLOCKS
    ctypedef struct CConvolution "Convolution":
        const float *weight
        const float *bias
        ptrdiff_t taps, dilation
    ctypedef struct CUpsampling "Upsampling":
        const float *weight
        const float *bias
        ptrdiff_t inputs, outputs, rate
    ctypedef struct CStage "Stage":
        CConvolution pairs[8][8][2]
        ptrdiff_t count[8]
        ptrdiff_t blocks, channels, halo
        float slope
    bint fourier_available() noexcept
    void transform_weights(const float *, ptrdiff_t, ptrdiff_t, float *) noexcept
    ptrdiff_t upsampling_room(const CUpsampling *) noexcept
    ptrdiff_t stage_room(const CStage *, ptrdiff_t) noexcept
    void upsample(const CUpsampling *, const float *, float *, ptrdiff_t, float, float *, ptrdiff_t, ptrdiff_t) noexcept
    void run_stage(const CStage *, const float *, float *, ptrdiff_t, ptrdiff_t, float *, ptrdiff_t, ptrdiff_t) noexcept


AVAILABLE = bool(fourier_available())
CHANNELS = PANEL  # a multiple of which there must be
MOST_TAPS = TILE
MOST_PAIRS = PAIRS
MOST_BLOCKS = BLOCKS
TRANSFORMED = PRODUCTS  # values that become of the taps between two channels


cdef class Convolution:
    """Output row r reads the input rows r + (tap - taps / 2) * dilation; as many channels come out as go in."""

    cdef CConvolution c
    cdef object kept  # what the pointers point into

    def __init__(self, const float[:, :, ::1] weight, const float[::1] bias, ptrdiff_t dilation, float[::1] room):
        """weight: (taps, channels in, channels out). room: TRANSFORMED * channels^2 values, kept."""
        self.kept = bias, room
        self.c.weight, self.c.bias = &room[0], &bias[0]
        self.c.taps, self.c.dilation = weight.shape[0], dilation
        with nogil:
            transform_weights(&weight[0, 0, 0], weight.shape[0], weight.shape[1], &room[0])


cdef class Stage:
    """A transposed convolution; then residual blocks of pairs of convolutions, side by side: their mean."""

    cdef CUpsampling u
    cdef CStage s
    cdef object kept

    def __init__(self, const float[:, :, :, ::1] up, const float[::1] bias, list blocks, *, ptrdiff_t halo, float slope):
        """up: (rate, outputs / 16, 2 * inputs, 16), packed as fourier_kernel.h says, and bias: of the transposed
        convolution. halo: rows to either side that the blocks read. slope: of the leaky ReLU before each convolution.
        """
        cdef Convolution inner, outer
        memset(&self.s, 0, sizeof(self.s))
        self.kept = up, bias, blocks
        self.u.weight, self.u.bias, self.u.rate = &up[0, 0, 0, 0], &bias[0], up.shape[0]
        self.u.inputs, self.u.outputs = up.shape[2] // 2, up.shape[1] * PANEL
        for number, pairs in enumerate(blocks):
            self.s.count[number] = len(pairs)
            for place, (inner, outer) in enumerate(pairs):
                self.s.pairs[number][place][0], self.s.pairs[number][place][1] = inner.c, outer.c
        self.s.blocks, self.s.channels, self.s.halo, self.s.slope = len(blocks), self.u.outputs, halo, slope

    @property
    def rate(self):
        return self.u.rate

    @property
    def channels(self):
        """Of the output."""
        return self.u.outputs

    def room(self, ptrdiff_t rows):
        """Values of working space that a thread needs for so many output rows at once."""
        return max(upsampling_room(&self.u), stage_room(&self.s, rows))

    def run(self, const float[:, ::1] rows, float[:, ::1] between, float[:, ::1] out, ptrdiff_t stretches,
            float[:, ::1] rooms):
        """(rows, inputs) -> out, (rows * rate, channels), as is `between`, what the transposed convolution makes; the
        blocks in so many stretches of time; on as many threads as there are rows of `rooms`.
        """
        with nogil:
            upsample(&self.u, &rows[0, 0], &between[0, 0], rows.shape[0], self.s.slope, &rooms[0, 0], rooms.shape[1],
                     rooms.shape[0])
            run_stage(&self.s, &between[0, 0], &out[0, 0], out.shape[0], stretches, &rooms[0, 0], rooms.shape[1],
                      rooms.shape[0])
