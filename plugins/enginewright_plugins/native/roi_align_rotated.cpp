// RoIAlignRotated: for each cell of a box the mean of bilinear samples, channel by channel.
#include <cmath>

#include "kernels.h"

namespace ew_plugins {
namespace {

constexpr float MAX_SAMPLES = 4096;  // along a side of a cell, if their number depends on the box

struct Align {
    const float *x, *rois;
    float *y;
    int64_t channels, height, width, rows, columns, samples;
    float scale;
    bool aligned, clockwise;
};

struct Box {
    float row, column, height, width, sine, cosine;
    int64_t down, across;  // samples of a cell
};

// Where a sample reads, how much of it, and the cell that it belongs to.
struct Tap {
    int32_t place[4];
    float weight[4];
    int32_t cell;
};

constexpr int64_t TAPS = 256;  // found at once, for all channels: 9 KiB

Box box_of(const Align &a, const float *roi) {
    Box box;
    const float shift = a.aligned ? 0.5f : 0.0f;
    box.column = roi[1] * a.scale - shift;
    box.row = roi[2] * a.scale - shift;
    box.width = roi[3] * a.scale;
    box.height = roi[4] * a.scale;
    if (!a.aligned) {
        box.width = std::max(box.width, 1.0f);
        box.height = std::max(box.height, 1.0f);
    }
    box.sine = a.clockwise ? -std::sin(roi[5]) : std::sin(roi[5]);
    box.cosine = std::cos(roi[5]);
    const auto ceiling = [](float v) { return std::max<int64_t>(static_cast<int64_t>(std::ceil(v)), 0); };
    box.down = a.samples > 0 ? a.samples : ceiling(box.height / static_cast<float>(a.rows));
    box.across = a.samples > 0 ? a.samples : ceiling(box.width / static_cast<float>(a.columns));
    return box;
}

// Offset from the middle of a box of sample s of cell c.
float offset(float size, int64_t cells, int64_t samples, int64_t c, int64_t s) {
    const float cell = size / static_cast<float>(cells);
    return -size / 2 + static_cast<float>(c) * cell +
           (static_cast<float>(s) + 0.5f) * (cell / static_cast<float>(samples));
}

// False where the sample is outside and counts as 0.
bool tap(const Align &a, float row, float column, Tap *t) {
    const auto h = static_cast<float>(a.height), w = static_cast<float>(a.width);
    if (!(row >= -1 && row <= h && column >= -1 && column <= w)) return false;
    row = std::min(std::max(row, 0.0f), h - 1);
    column = std::min(std::max(column, 0.0f), w - 1);
    const auto width = static_cast<int32_t>(a.width), height = static_cast<int32_t>(a.height);
    const auto top = static_cast<int32_t>(row), left = static_cast<int32_t>(column);
    const int32_t bottom = std::min(top + 1, height - 1), right = std::min(left + 1, width - 1);
    const float down = row - static_cast<float>(top), across = column - static_cast<float>(left);
    *t = {{top * width + left, top * width + right, bottom * width + left, bottom * width + right},
          {(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across},
          0};
    return true;
}

// Adds samples to the cells of each channel: a plane of x and the samples stay in the cache.
EW_EACH_ISA void add_samples(const Align &a, const float *x, float *y, const Tap *taps, int64_t n) {
    for (int64_t c = 0; c < a.channels; ++c, x += a.height * a.width, y += a.rows * a.columns)
        for (int64_t i = 0; i < n; ++i) {
            const Tap &t = taps[i];
            y[t.cell] += t.weight[0] * x[t.place[0]] + t.weight[1] * x[t.place[1]] + t.weight[2] * x[t.place[2]] +
                         t.weight[3] * x[t.place[3]];
        }
}

void align(const Align &a, int64_t index) {
    const float *roi = a.rois + index * 6;
    const int64_t cells = a.rows * a.columns;
    const float *x = a.x + static_cast<int64_t>(roi[0]) * a.channels * a.height * a.width;
    float *y = a.y + index * a.channels * cells;
    const Box box = box_of(a, roi);
    const int64_t samples = box.down * box.across;
    std::fill(y, y + a.channels * cells, 0.0f);
    Tap taps[TAPS];
    int64_t n = 0;
    for (int64_t i = 0; i < cells * samples; ++i) {
        const int64_t cell = i / samples, sample = i % samples;
        const float down = offset(box.height, a.rows, box.down, cell / a.columns, sample / box.across);
        const float across = offset(box.width, a.columns, box.across, cell % a.columns, sample % box.across);
        if (!tap(a, down * box.cosine - across * box.sine + box.row, down * box.sine + across * box.cosine + box.column,
                 &taps[n]))
            continue;
        for (float &weight : taps[n].weight) weight /= static_cast<float>(samples);
        taps[n++].cell = static_cast<int32_t>(cell);
        if (n == TAPS) {
            add_samples(a, x, y, taps, n);
            n = 0;
        }
    }
    add_samples(a, x, y, taps, n);
}

int32_t check(const ew_call *call, const Align &a, int64_t r) {
    const float *roi = a.rois + r * 6;
    const int64_t images = call->inputs[0].shape[0];
    if (!(roi[0] > -1 && roi[0] < static_cast<float>(images)))
        return call->host->error(call, EW_INPUT, "box %lld is on image %g of %lld", static_cast<long long>(r),
                                 static_cast<double>(roi[0]), static_cast<long long>(images));
    const float down = roi[4] * a.scale / static_cast<float>(a.rows);
    const float across = roi[3] * a.scale / static_cast<float>(a.columns);
    if (a.samples == 0 && !(down <= MAX_SAMPLES && across <= MAX_SAMPLES))
        return call->host->error(call, EW_INPUT, "box %lld has %g x %g pixels; give a sampling_ratio",
                                 static_cast<long long>(r), static_cast<double>(roi[4]), static_cast<double>(roi[3]));
    return EW_OK;
}

}  // namespace
}  // namespace ew_plugins

// inputs: x, rois; params: scale, samples, aligned, clockwise.
extern "C" int32_t roi_align_rotated_f32(const ew_call *call) {
    using namespace ew_plugins;
    const ew_tensor &x = call->inputs[0], &rois = call->inputs[1], &y = call->outputs[0];
    const Align a{data<const float>(x),
                  data<const float>(rois),
                  data<float>(y),
                  x.shape[1],
                  x.shape[2],
                  x.shape[3],
                  y.shape[2],
                  y.shape[3],
                  call->params[1].i,
                  static_cast<float>(call->params[0].f),
                  call->params[2].i != 0,
                  call->params[3].i != 0};
    if (a.height * a.width > INT32_MAX || a.rows * a.columns > INT32_MAX)
        return call->host->error(call, EW_SHAPE, "images of %lld x %lld are too large",
                                 static_cast<long long>(a.height), static_cast<long long>(a.width));
    for (int64_t r = 0; r < rois.shape[0]; ++r)
        if (const int32_t status = check(call, a, r); status != EW_OK) return status;
    for_ranges(call, rois.shape[0], count(y) / std::max<int64_t>(rois.shape[0], 1) * 16,
               [&a](int64_t begin, int64_t end) {
                   for (int64_t r = begin; r < end; ++r) align(a, r);
               });
    return EW_OK;
}
