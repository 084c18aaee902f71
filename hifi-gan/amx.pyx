# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""HiFi-GAN's layers by the matrix unit of x86 processors. Checks nothing: `hifigan.amx_generator` calls it rightly."""

from libc.stdint cimport uint16_t
from libc.string cimport memset


cdef extern from "amx_kernel.h" nogil:
    enum: PAIRS
    enum: BLOCKS
    ctypedef struct CConvolution "Convolution":
        const uint16_t *weight
        const float *bias
        ptrdiff_t inputs, outputs, taps, first, dilation
    enum Kind:
        ACTIVE
        FIRST_CHANNEL
    ctypedef struct Output:
        Kind kind
        uint16_t *to
        float *first_channel
        ptrdiff_t stride
        float slope
    ctypedef struct CStage "Stage":
        CConvolution lower, upper
        CConvolution pairs[3][8][2]
        ptrdiff_t count[3]
        ptrdiff_t rate, channels, halo, margin
        float slope, last_slope
    bint amx_permitted() noexcept
    void tiles_begin() noexcept
    void tiles_end() noexcept
    ptrdiff_t stage_room(const CStage *, ptrdiff_t) noexcept
    void convolve(const CConvolution *, const uint16_t *, ptrdiff_t, ptrdiff_t, const Output *) noexcept
    void run_stage(const CStage *, const uint16_t *, uint16_t *, ptrdiff_t, ptrdiff_t, ptrdiff_t, uint16_t *) noexcept


AVAILABLE = bool(amx_permitted())
MOST_PAIRS = PAIRS
STAGE_BLOCKS = BLOCKS


cdef class Convolution:
    """Output row r reads the input rows r + first + tap * dilation."""

    cdef CConvolution c
    cdef object kept  # what the pointers point into

    def __init__(self, const uint16_t[:, :, :, ::1] weight, const float[::1] bias, ptrdiff_t first, ptrdiff_t dilation):
        """weight: bfloat16 bits, (outputs / 32, taps, inputs / 32, 1024), packed as amx_kernel.h says."""
        self.kept = weight, bias
        self.c.weight, self.c.bias = &weight[0, 0, 0, 0], &bias[0]
        self.c.outputs, self.c.taps, self.c.inputs = weight.shape[0] * 32, weight.shape[1], weight.shape[2] * 32
        self.c.first, self.c.dilation = first, dilation

    def active(self, const uint16_t[:, ::1] rows, ptrdiff_t begin, ptrdiff_t end, uint16_t[:, ::1] out, float slope):
        """Rows of `out` from `begin` to `end`, after a leaky ReLU; row r reads around row r of `rows`."""
        cdef Output output
        memset(&output, 0, sizeof(output))
        output.kind, output.to, output.stride, output.slope = ACTIVE, &out[0, 0], out.shape[1], slope
        with nogil:
            tiles_begin()
            convolve(&self.c, &rows[0, 0], begin, end, &output)
            tiles_end()

    def first_channel(self, const uint16_t[:, ::1] rows, ptrdiff_t begin, ptrdiff_t end, float[::1] out):
        """Values of `out` from `begin` to `end`: the first channel's; value r reads around row r of `rows`."""
        cdef Output output
        memset(&output, 0, sizeof(output))
        output.kind, output.first_channel = FIRST_CHANNEL, &out[0]
        with nogil:
            tiles_begin()
            convolve(&self.c, &rows[0, 0], begin, end, &output)
            tiles_end()


cdef class Stage:
    """A transposed convolution and the residual blocks after it."""

    cdef CStage s
    cdef object kept

    def __init__(self, Convolution lower, Convolution upper, list blocks, *, ptrdiff_t rate, ptrdiff_t channels,
                 ptrdiff_t halo, ptrdiff_t margin, float slope, float last_slope):
        """lower, upper: the transposed convolution for the first and the second half of an input row's phases.
        blocks: of each, its pairs of convolutions. halo: how far the blocks read to either side, a multiple of the
        rate; margin: how far one convolution does.
        """
        cdef Convolution inner, outer
        memset(&self.s, 0, sizeof(self.s))
        self.kept = lower, upper, blocks
        self.s.lower, self.s.upper = lower.c, upper.c
        for number, pairs in enumerate(blocks):
            self.s.count[number] = len(pairs)
            for place, (inner, outer) in enumerate(pairs):
                self.s.pairs[number][place][0], self.s.pairs[number][place][1] = inner.c, outer.c
        self.s.rate, self.s.channels, self.s.halo, self.s.margin = rate, channels, halo, margin
        self.s.slope, self.s.last_slope = slope, last_slope

    def room(self, ptrdiff_t rows):
        """Values of working space for so many output rows."""
        return stage_room(&self.s, rows)

    def run(self, const uint16_t[:, ::1] rows, ptrdiff_t first_in, uint16_t[:, ::1] out, ptrdiff_t first_out,
            ptrdiff_t total, ptrdiff_t begin, ptrdiff_t end, uint16_t[::1] room):
        """Output rows from `begin` to `end` of `total`; row 0 is row `first_in` of `rows`, and `first_out` of `out`."""
        with nogil:
            tiles_begin()
            run_stage(&self.s, &rows[first_in, 0], &out[first_out, 0], total, begin, end, &room[0])
            tiles_end()
