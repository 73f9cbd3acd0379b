// MultiscaleDeformableAttention: a thread for each channel of each query and head adds up what lies at its points.
#include "cuda_kernels.h"

namespace ew_plugins::cuda {
namespace {

struct Attention {
    Integers shapes, starts;
    int64_t size, queries, heads, depth, levels, points, total;
};

// What lies at a point of one level: bilinear between pixels, 0 outside. `value`: this channel of the first pixel.
template <class T>
__device__ float look(const T *value, int64_t height, int64_t width, int64_t stride, float row, float column) {
    if (!(row > -1 && row < static_cast<float>(height) && column > -1 && column < static_cast<float>(width))) return 0;
    const float low_row = floorf(row), low_column = floorf(column);
    const float down = row - low_row, across = column - low_column;
    const auto r = static_cast<int64_t>(low_row), c = static_cast<int64_t>(low_column);
    const T *pixel = value + (r * width + c) * stride;
    const bool top = r >= 0, bottom = r + 1 < height, left = c >= 0, right = c + 1 < width;
    float found = 0;
    if (top && left) found += (1 - down) * (1 - across) * read(pixel[0]);
    if (top && right) found += (1 - down) * across * read(pixel[stride]);
    if (bottom && left) found += down * (1 - across) * read(pixel[width * stride]);
    if (bottom && right) found += down * across * read(pixel[(width + 1) * stride]);
    return found;
}

template <class T>
__device__ float attend(const T *value, const T *points, const T *weights, int64_t item, const Attention &a) {
    const int64_t channel = item % a.depth, row = item / a.depth;  // row: query of an image, and head
    const int64_t image = row / a.heads / a.queries, stride = a.heads * a.depth;
    const int64_t inside = row % a.heads * a.depth + channel;
    points += row * a.levels * a.points * 2;
    weights += row * a.levels * a.points;
    float sum = 0;
    for (int64_t level = 0; level < a.levels; ++level) {
        const int64_t height = a.shapes[2 * level], width = a.shapes[2 * level + 1], start = a.starts[level];
        if (start < 0 || height < 0 || width < 0 || start > a.size || height > a.size || width > a.size ||
            start + height * width > a.size)
            return NAN;
        const T *own = value + (image * a.size + start) * stride + inside;
        for (int64_t p = 0; p < a.points; ++p, points += 2, ++weights) {
            const float column = read(points[0]) * static_cast<float>(width) - 0.5f;
            const float down = read(points[1]) * static_cast<float>(height) - 0.5f;
            sum += read(*weights) * look(own, height, width, stride, down, column);
        }
    }
    return sum;
}

template <class T>
__global__ void attend_all(const T *value, const T *points, const T *weights, T *y, const Attention a) {
    for (int64_t item = first_item(); item < a.total; item += all_threads())
        write(y + item, attend(value, points, weights, item, a));
}

}  // namespace
}  // namespace ew_plugins::cuda

// inputs: value, shapes, starts, points, weights.
extern "C" int32_t multiscale_deformable_attention(const ew_call *call) {
    using namespace ew_plugins::cuda;
    const ew_tensor *in = call->inputs;
    const int64_t *value = in[0].shape, *points = in[3].shape;
    const Attention a{integers(in[1]), integers(in[2]),        value[1], points[1], value[2], value[3], points[3],
                      points[4],       count(call->outputs[0])};
    if (a.total == 0) return EW_OK;
    return by_type(call, in[0].dtype, [&](auto element) {
        using T = decltype(element);
        attend_all<<<blocks_for(a.total), THREADS, 0, stream_of(call)>>>(
            data<const T>(in[0]), data<const T>(in[3]), data<const T>(in[4]), data<T>(call->outputs[0]), a);
        return checked(call, cudaGetLastError());
    });
}
