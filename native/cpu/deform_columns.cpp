// DeformColumns of float32: what each element of a deformed window sees, linear between pixels and 0 outside.
//
// Inputs: x [N, C, H, W], offset [N, groups * kh * kw * 2, oh, ow], mask [N, groups * kh * kw, oh, ow] or none.
// Output: [N, C * kh * kw, oh * ow]. Parameters: groups, kh, kw, strides (2), dilations (2), padding before (2), oh, ow.
#include <algorithm>
#include <cmath>

#include "cpu/gemm.h"
#include "cpu/rows.h"

namespace ew::EW_ISA {

namespace {

struct Deform {
    const float *x, *offset, *mask;
    float *y;
    int64_t channels, height, width, groups, kh, kw, strides[2], dilations[2], begins[2], oh, ow;
};

// The four pixels around a place, and their weights. One outside has the weight 0, and stands for one inside: 0 times
// some pixel far away would be no number if that one is none. A negative first one: all are outside.
struct Corners {
    int32_t at[4];
    float weight[4];
};

Corners corners_at(const Deform &d, float y, float x, float factor) {
    Corners found{{-1}, {}};
    const auto height = static_cast<float>(d.height), width = static_cast<float>(d.width);
    if (!(y > -1 && y < height && x > -1 && x < width)) return found;
    const float low_y = std::floor(y), low_x = std::floor(x), part_y = y - low_y, part_x = x - low_x;
    for (int i = 0; i < 4; ++i) {
        const auto row = static_cast<int64_t>(low_y) + i / 2, column = static_cast<int64_t>(low_x) + i % 2;
        const int64_t near_row = std::clamp<int64_t>(row, 0, d.height - 1);
        const int64_t near_column = std::clamp<int64_t>(column, 0, d.width - 1);
        found.at[i] = static_cast<int32_t>(near_row * d.width + near_column);
        if (row != near_row || column != near_column) continue;
        found.weight[i] = (i / 2 ? part_y : 1 - part_y) * (i % 2 ? part_x : 1 - part_x) * factor;
    }
    return found;
}

// One element (i, j) of the window, for all channels of one group of offsets in one image.
void sample(const Deform &d, int64_t image, int64_t group, int64_t i, int64_t j) {
    const int64_t places = d.oh * d.ow, element = (group * d.kh + i) * d.kw + j, elements = d.groups * d.kh * d.kw;
    const float *shift_y = d.offset + (image * elements + element) * 2 * places, *shift_x = shift_y + places;
    const float *factor = d.mask ? d.mask + (image * elements + element) * places : nullptr;
    auto *corners =
        reinterpret_cast<Corners *>(scratch(SCRATCH_A, places * static_cast<int64_t>(sizeof(Corners) / sizeof(float))));
    for (int64_t p = 0; p < places; ++p) {
        const auto y = static_cast<float>(p / d.ow * d.strides[0] + i * d.dilations[0] - d.begins[0]);
        const auto x = static_cast<float>(p % d.ow * d.strides[1] + j * d.dilations[1] - d.begins[1]);
        corners[p] = corners_at(d, y + shift_y[p], x + shift_x[p], factor ? factor[p] : 1.0F);
    }
    const int64_t each = d.channels / d.groups, plane = d.height * d.width;
    for (int64_t c = group * each; c < (group + 1) * each; ++c) {
        const float *x = d.x + (image * d.channels + c) * plane;
        float *y = d.y + ((image * d.channels + c) * d.kh * d.kw + i * d.kw + j) * places;
        for (int64_t p = 0; p < places; ++p) {
            const Corners &k = corners[p];
            y[p] = k.at[0] < 0 ? 0
                               : x[k.at[0]] * k.weight[0] + x[k.at[1]] * k.weight[1] + x[k.at[2]] * k.weight[2] +
                                     x[k.at[3]] * k.weight[3];
        }
    }
}

int32_t run(const ew_call *call) {
    if (call->n_params != 11) return call->host->error(call, EW_INVALID_PLAN, "DeformColumns takes 11 parameters");
    const ew_tensor &x = call->inputs[0];
    const ew_param *p = call->params;
    const bool masked = call->n_inputs > 2 && call->inputs[2].dtype != 0;
    const Deform d{static_cast<const float *>(x.data),
                   static_cast<const float *>(call->inputs[1].data),
                   masked ? static_cast<const float *>(call->inputs[2].data) : nullptr,
                   static_cast<float *>(call->outputs[0].data),
                   x.shape[1],
                   x.shape[2],
                   x.shape[3],
                   p[0].i,
                   p[1].i,
                   p[2].i,
                   {p[3].i, p[4].i},
                   {p[5].i, p[6].i},
                   {p[7].i, p[8].i},
                   p[9].i,
                   p[10].i};
    if (count_of(call->outputs[0]) == 0) return EW_OK;
    if (d.height * d.width > INT32_MAX) return call->host->error(call, EW_INPUT, "the image is too large");
    const int64_t elements = d.kh * d.kw, tasks = x.shape[0] * d.groups * elements;
    for_ranges(call, tasks, d.oh * d.ow * (d.channels / d.groups + 4) * 8, [&d, elements](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) {
            const int64_t element = task % elements, group = task / elements % d.groups;
            sample(d, task / elements / d.groups, group, element / d.kw, element % d.kw);
        }
    });
    return EW_OK;
}

}  // namespace

EW_KERNEL(deform_columns_f32, run)

}  // namespace ew::EW_ISA
