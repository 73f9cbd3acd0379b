// RoiAlign for float32: boxes sampled at a grid of points in each bin, with linear interpolation.
#include <cmath>

#include "cpu/gemm.h"
#include "cpu/rows.h"

namespace ew::EW_ISA {

namespace {

constexpr double MOST_POINTS = 1 << 16;  // on one axis of one bin

// Both pixels beside a point on one axis, with their weights.
struct Pair {
    int64_t low, high;
    double low_weight, high_weight;
};

struct Align {
    const float *x, *rois;
    const int64_t *images;
    float *y;
    int64_t channels, height, width, bins_y, bins_x, sampling;
    bool half, largest;
    float scale;
};

Pair pair_at(double place, int64_t size) {
    if (!(place >= -1 && place <= static_cast<double>(size))) return {0, 0, 0, 0};
    const double at = place > 0 ? place : 0;
    const int64_t low = std::min(static_cast<int64_t>(at), size - 1), high = std::min(low + 1, size - 1);
    const double part = low >= size - 1 ? 0 : at - static_cast<double>(low);
    return {low, high, 1 - part, part};
}

// How many points each bin has on an axis; negative for a box beyond all measure.
int64_t points_of(const Align &a, double start, double end, int64_t bins) {
    if (a.sampling > 0) return a.sampling;
    const double count = std::ceil((a.half ? end - start : std::max(end - start, 1.0)) / static_cast<double>(bins));
    if (!(count <= MOST_POINTS)) return -1;
    return count > 0 ? static_cast<int64_t>(count) : 0;
}

Pair *place_points(const Align &a, double start, double end, int64_t bins, int64_t count, int64_t size, Scratch slot) {
    auto *pairs = reinterpret_cast<Pair *>(scratch(slot, bins * count * int64_t{sizeof(Pair) / sizeof(float)})),
         *next = pairs;
    const double bin = (a.half ? end - start : std::max(end - start, 1.0)) / static_cast<double>(bins);
    for (int64_t b = 0; b < bins; ++b)
        for (int64_t i = 0; i < count; ++i) {
            const double step = (static_cast<double>(i) + 0.5) / static_cast<double>(count);
            *next++ = pair_at(start + (static_cast<double>(b) + step) * bin, size);
        }
    return pairs;
}

float sample_bin(const Align &a, const float *x, const Pair *rows, int64_t n_rows, const Pair *columns,
                 int64_t n_columns) {
    double total = 0;
    bool any = false;
    for (int64_t i = 0; i < n_rows; ++i)
        for (int64_t j = 0; j < n_columns; ++j) {
            const Pair &r = rows[i], &c = columns[j];
            const float *low = x + r.low * a.width, *high = x + r.high * a.width;
            const double v[4] = {
                low[c.low] * (r.low_weight * c.low_weight), low[c.high] * (r.low_weight * c.high_weight),
                high[c.low] * (r.high_weight * c.low_weight), high[c.high] * (r.high_weight * c.high_weight)};
            if (a.largest) {
                const double best = std::max(std::max(v[0], v[1]), std::max(v[2], v[3]));
                total = any ? std::max(total, best) : best;
            } else {
                total += v[0] + v[1] + v[2] + v[3];
            }
            any = true;
        }
    if (a.largest || !any) return static_cast<float>(total);
    return static_cast<float>(total / static_cast<double>(n_rows * n_columns));
}

int32_t align_box(const Align &a, int64_t box) {
    const float offset = a.half ? 0.5F : 0;
    double edge[4];
    for (int i = 0; i < 4; ++i) edge[i] = a.rois[4 * box + i] * a.scale - offset;
    const int64_t n_rows = points_of(a, edge[1], edge[3], a.bins_y);
    const int64_t n_columns = points_of(a, edge[0], edge[2], a.bins_x);
    if (n_rows < 0 || n_columns < 0) return EW_INPUT;
    const Pair *rows = place_points(a, edge[1], edge[3], a.bins_y, n_rows, a.height, SCRATCH_A);
    const Pair *columns = place_points(a, edge[0], edge[2], a.bins_x, n_columns, a.width, SCRATCH_B);
    const float *x = a.x + a.images[box] * a.channels * a.height * a.width;
    float *y = a.y + box * a.channels * a.bins_y * a.bins_x;
    for (int64_t c = 0; c < a.channels; ++c, x += a.height * a.width)
        for (int64_t i = 0; i < a.bins_y; ++i)
            for (int64_t j = 0; j < a.bins_x; ++j)
                *y++ = sample_bin(a, x, rows + i * n_rows, n_rows, columns + j * n_columns, n_columns);
    return EW_OK;
}

// inputs: x [N, C, H, W], rois [R, 4], batch_indices [R]; params: half_pixel, max, sampling_ratio, spatial_scale.
int32_t run(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &rois = call->inputs[1], &y = call->outputs[0];
    if (call->n_params != 4) return call->host->error(call, EW_INVALID_PLAN, "four params are needed");
    const Align a{static_cast<const float *>(x.data),
                  static_cast<const float *>(rois.data),
                  static_cast<const int64_t *>(call->inputs[2].data),
                  static_cast<float *>(y.data),
                  x.shape[1],
                  x.shape[2],
                  x.shape[3],
                  y.shape[2],
                  y.shape[3],
                  call->params[2].i,
                  call->params[0].i != 0,
                  call->params[1].i != 0,
                  static_cast<float>(call->params[3].f)};
    const int64_t n = rois.shape[0];
    for (int64_t i = 0; i < n; ++i)
        if (a.images[i] < 0 || a.images[i] >= x.shape[0])
            return call->host->error(call, EW_INPUT, "batch index %lld is outside %lld images",
                                     static_cast<long long>(a.images[i]), static_cast<long long>(x.shape[0]));
    if (a.height == 0 || a.width == 0) return call->host->error(call, EW_INPUT, "the images are empty");
    int32_t failed = EW_OK;
    for_ranges(call, n, a.channels * a.bins_y * a.bins_x * 16, [&a, &failed](int64_t begin, int64_t end) {
        for (int64_t box = begin; box < end; ++box)
            if (const int32_t status = align_box(a, box)) __atomic_store_n(&failed, status, __ATOMIC_RELAXED);
    });
    if (failed) return call->host->error(call, failed, "a box is no box, or larger than can be sampled");
    return EW_OK;
}

}  // namespace

EW_KERNEL(roi_align_f32, run)

}  // namespace ew::EW_ISA
