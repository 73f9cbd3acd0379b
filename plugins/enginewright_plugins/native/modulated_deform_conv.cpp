// ModulatedDeformConv: for each row of the output what its windows look up, then a product with the weights.
#include <cmath>

#include "kernels.h"

namespace ew_plugins {
namespace {

struct Conv {
    const float *x, *offset, *mask, *weight, *bias;
    float *y;
    int64_t images, channels, height, width, made, rows, columns, down, across;  // made: channels; down: of the window
    int64_t stride[2], padding[2], dilation[2], groups, deform_groups, tasks;
    float *memory;
};

// Where the four pixels around a place lie, and how much each counts; pixels outside count nothing.
struct Tap {
    int64_t place[4];
    float share[4];
};

Tap tap_of(const Conv &c, float row, float column, float factor) {
    Tap t{};
    if (!(row > -1 && row < static_cast<float>(c.height) && column > -1 && column < static_cast<float>(c.width)))
        return t;
    const float top = std::floor(row), left = std::floor(column);
    const float lower = row - top, right = column - left;
    const auto r = static_cast<int64_t>(top), k = static_cast<int64_t>(left);
    const float shares[4] = {(1 - lower) * (1 - right), (1 - lower) * right, lower * (1 - right), lower * right};
    for (int i = 0; i < 4; ++i) {
        const int64_t y = r + i / 2, x = k + i % 2;
        if (y < 0 || y >= c.height || x < 0 || x >= c.width) continue;
        t.place[i] = y * c.width + x;
        t.share[i] = shares[i] * factor;
    }
    return t;
}

// What the windows of one row look up: [channels][window][columns].
void look_up(const Conv &c, int64_t image, int64_t row, float *seen) {
    const int64_t window = c.down * c.across, plane = c.rows * c.columns, each = c.channels / c.deform_groups;
    for (int64_t group = 0; group < c.deform_groups; ++group)
        for (int64_t element = 0; element < window; ++element) {
            const int64_t at = (image * c.deform_groups + group) * window + element;
            const float *shift = c.offset + at * 2 * plane + row * c.columns;
            const float *factor = c.mask + at * plane + row * c.columns;
            const auto down = static_cast<float>(row * c.stride[0] - c.padding[0] + element / c.across * c.dilation[0]);
            for (int64_t column = 0; column < c.columns; ++column) {
                const auto across =
                    static_cast<float>(column * c.stride[1] - c.padding[1] + element % c.across * c.dilation[1]);
                const Tap t = tap_of(c, down + shift[column], across + shift[plane + column], factor[column]);
                const float *x = c.x + (image * c.channels + group * each) * c.height * c.width;
                float *to = seen + (group * each * window + element) * c.columns + column;
                for (int64_t k = 0; k < each; ++k, x += c.height * c.width, to += window * c.columns) {
                    *to = 0;
                    for (int i = 0; i < 4; ++i)
                        if (t.share[i] != 0) *to += t.share[i] * x[t.place[i]];  // 0 times infinity is no number
                }
            }
        }
}

// One row of one channel: `n` weights times the rows of `seen`.
EW_EACH_ISA void multiply(const float *weight, const float *seen, int64_t n, float start, int64_t columns, float *y) {
    std::fill(y, y + columns, start);
    for (int64_t k = 0; k < n; ++k)
        for (int64_t i = 0; i < columns; ++i) y[i] += weight[k] * seen[k * columns + i];
}

void convolve(const Conv &c, int64_t image, int64_t row, float *seen) {
    look_up(c, image, row, seen);
    const int64_t inputs = c.channels / c.groups * c.down * c.across, each = c.made / c.groups;
    for (int64_t m = 0; m < c.made; ++m)
        multiply(c.weight + m * inputs, seen + m / each * inputs * c.columns, inputs, c.bias ? c.bias[m] : 0, c.columns,
                 c.y + ((image * c.made + m) * c.rows + row) * c.columns);
}

}  // namespace
}  // namespace ew_plugins

// inputs: x, offset, mask, weight, bias (optional); params: stride, padding and dilation (two each), groups, deform
// groups, tasks; workspace: what a row looks up, for each task.
extern "C" int32_t modulated_deform_conv_f32(const ew_call *call) {
    using namespace ew_plugins;
    const ew_tensor *in = call->inputs;
    const int64_t *x = in[0].shape, *y = call->outputs[0].shape, *weight = in[3].shape;
    const ew_param *p = call->params;
    const Conv c{data<const float>(in[0]),
                 data<const float>(in[1]),
                 data<const float>(in[2]),
                 data<const float>(in[3]),
                 has_input(call, 4) ? data<const float>(in[4]) : nullptr,
                 data<float>(call->outputs[0]),
                 x[0],
                 x[1],
                 x[2],
                 x[3],
                 y[1],
                 y[2],
                 y[3],
                 weight[2],
                 weight[3],
                 {p[0].i, p[1].i},
                 {p[2].i, p[3].i},
                 {p[4].i, p[5].i},
                 p[6].i,
                 p[7].i,
                 p[8].i,
                 static_cast<float *>(call->workspace)};
    const int64_t each = c.channels * c.down * c.across * c.columns;
    if (call->workspace_size < static_cast<uint64_t>(c.tasks * each) * sizeof(float))
        return call->host->error(call, EW_INVALID_PLAN, "the workspace is too small");
    if (count(call->outputs[0]) == 0) return EW_OK;
    const auto run = [](void *argument, int64_t task) {
        const Conv &conv = *static_cast<const Conv *>(argument);
        float *seen = conv.memory + task * conv.channels * conv.down * conv.across * conv.columns;
        for (int64_t row = task; row < conv.images * conv.rows; row += conv.tasks)
            convolve(conv, row / conv.rows, row % conv.rows, seen);
    };
    call->host->parallel(call, std::min(c.tasks, c.images * c.rows), run, const_cast<Conv *>(&c));
    return EW_OK;
}
