// MultiscaleDeformableAttention: for each query and head the channels of the four pixels around each point, weighted.
#include <cmath>

#include "kernels.h"

namespace ew_plugins {
namespace {

struct Attention {
    const float *value, *points, *weights;
    float *y;
    const ew_tensor *shapes, *starts;
    int64_t size, queries, heads, depth, levels, count;  // count: points of a level
};

int64_t integer(const ew_tensor &tensor, int64_t i) {
    return tensor.dtype == EW_INT32 ? data<const int32_t>(tensor)[i] : data<const int64_t>(tensor)[i];
}

inline void add(const float *x, float weight, float *y, int64_t n) {
    for (int64_t d = 0; d < n; ++d) y[d] += weight * x[d];
}

// One point of one head; value: the head's first pixel of the level.
inline void look(const float *value, int64_t height, int64_t width, int64_t stride, const float *point, float weight,
                 float *y, int64_t depth) {
    const float column = point[0] * static_cast<float>(width) - 0.5f;
    const float row = point[1] * static_cast<float>(height) - 0.5f;
    if (!(row > -1 && row < static_cast<float>(height) && column > -1 && column < static_cast<float>(width))) return;
    const float low_row = std::floor(row), low_column = std::floor(column);
    const float down = row - low_row, across = column - low_column;
    const auto r = static_cast<int64_t>(low_row), c = static_cast<int64_t>(low_column);
    const float *pixel = value + (r * width + c) * stride;
    const bool top = r >= 0, bottom = r + 1 < height, left = c >= 0, right = c + 1 < width;
    if (top && left) add(pixel, weight * (1 - down) * (1 - across), y, depth);
    if (top && right) add(pixel + stride, weight * (1 - down) * across, y, depth);
    if (bottom && left) add(pixel + width * stride, weight * down * (1 - across), y, depth);
    if (bottom && right) add(pixel + (width + 1) * stride, weight * down * across, y, depth);
}

// Queries [begin, end) of all images.
EW_EACH_ISA void attend(const Attention &a, int64_t begin, int64_t end) {
    const int64_t stride = a.heads * a.depth, each = a.levels * a.count;
    for (int64_t query = begin; query < end; ++query)
        for (int64_t head = 0; head < a.heads; ++head) {
            float *y = a.y + (query * a.heads + head) * a.depth;
            const float *points = a.points + (query * a.heads + head) * each * 2;
            const float *weights = a.weights + (query * a.heads + head) * each;
            std::fill(y, y + a.depth, 0.0f);
            for (int64_t level = 0; level < a.levels; ++level) {
                const int64_t first = query / a.queries * a.size + integer(*a.starts, level);
                const float *value = a.value + first * stride + head * a.depth;
                const int64_t height = integer(*a.shapes, 2 * level), width = integer(*a.shapes, 2 * level + 1);
                for (int64_t p = level * a.count; p < (level + 1) * a.count; ++p)
                    look(value, height, width, stride, points + 2 * p, weights[p], y, a.depth);
            }
        }
}

}  // namespace
}  // namespace ew_plugins

// inputs: value, shapes, starts, points, weights.
extern "C" int32_t multiscale_deformable_attention_f32(const ew_call *call) {
    using namespace ew_plugins;
    const ew_tensor *in = call->inputs;
    const int64_t *value = in[0].shape, *points = in[3].shape;
    const Attention a{data<const float>(in[0]),
                      data<const float>(in[3]),
                      data<const float>(in[4]),
                      data<float>(call->outputs[0]),
                      &in[1],
                      &in[2],
                      value[1],
                      points[1],
                      value[2],
                      value[3],
                      points[3],
                      points[4]};
    for (int64_t level = 0; level < a.levels; ++level) {
        const int64_t start = integer(in[2], level), height = integer(in[1], 2 * level);
        const int64_t width = integer(in[1], 2 * level + 1);
        if (start < 0 || height < 0 || width < 0 || start > a.size || height > a.size || width > a.size ||
            start + height * width > a.size)
            return call->host->error(call, EW_INPUT, "level %lld has %lld x %lld values from %lld on, there are %lld",
                                     static_cast<long long>(level), static_cast<long long>(height),
                                     static_cast<long long>(width), static_cast<long long>(start),
                                     static_cast<long long>(a.size));
    }
    for_ranges(call, value[0] * a.queries, a.heads * a.levels * a.count * (a.depth + 8),
               [&a](int64_t begin, int64_t end) { attend(a, begin, end); });
    return EW_OK;
}
