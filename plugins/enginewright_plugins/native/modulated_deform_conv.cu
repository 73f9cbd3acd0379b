// ModulatedDeformConv: what all windows look up, [images][channels and window][places]; then a product in tiles.
#include "cuda_kernels.h"

namespace ew_plugins::cuda {
namespace {

constexpr int TILE = 64, DEPTH = 16, EACH = 4;  // of the product: outputs of a block, of a step, of a thread

struct Conv {
    int64_t images, channels, height, width, made, rows, columns, down, across, total;
    int64_t stride[2], padding[2], dilation[2], groups, deform_groups;
};

// Channel by channel, for one element of the window at one place.
template <class T>
__device__ void look_up(const T *x, float row, float column, float factor, T *seen, const Conv &c) {
    const int64_t each = c.channels / c.deform_groups, plane = c.height * c.width;
    const int64_t step = c.down * c.across * c.rows * c.columns;
    int64_t place[4] = {};
    float share[4] = {};
    if (row > -1 && row < static_cast<float>(c.height) && column > -1 && column < static_cast<float>(c.width)) {
        const float top = floorf(row), left = floorf(column);
        const float lower = row - top, right = column - left;
        const auto r = static_cast<int64_t>(top), k = static_cast<int64_t>(left);
        const float shares[4] = {(1 - lower) * (1 - right), (1 - lower) * right, lower * (1 - right), lower * right};
        for (int i = 0; i < 4; ++i) {
            const int64_t v = r + i / 2, u = k + i % 2;
            if (v < 0 || v >= c.height || u < 0 || u >= c.width) continue;
            place[i] = v * c.width + u;
            share[i] = shares[i] * factor;
        }
    }
    for (int64_t k = 0; k < each; ++k, x += plane, seen += step) {
        float sum = 0;
        for (int i = 0; i < 4; ++i)
            if (share[i] != 0) sum += share[i] * read(x[place[i]]);
        write(seen, sum);
    }
}

template <class T>
__global__ void look_up_all(const T *x, const T *offset, const T *mask, T *seen, const Conv c) {
    const int64_t window = c.down * c.across, plane = c.rows * c.columns, each = c.channels / c.deform_groups;
    for (int64_t item = first_item(); item < c.total; item += all_threads()) {
        const int64_t place = item % plane, at = item / plane, element = at % window, block = at / window;
        const int64_t image = block / c.deform_groups, group = block % c.deform_groups;
        const int64_t row = place / c.columns, column = place % c.columns;
        const int64_t down = row * c.stride[0] - c.padding[0] + element / c.across * c.dilation[0];
        const int64_t across = column * c.stride[1] - c.padding[1] + element % c.across * c.dilation[1];
        const int64_t first = image * c.channels + group * each;
        look_up(x + first * c.height * c.width, static_cast<float>(down) + read(offset[at * 2 * plane + place]),
                static_cast<float>(across) + read(offset[(at * 2 + 1) * plane + place]), read(mask[at * plane + place]),
                seen + (first * window + element) * plane + place, c);
    }
}

// y = weight * seen + bias for a group of an image (blockIdx.z): TILE channels times TILE places.
template <class T>
__global__ void __launch_bounds__(THREADS) multiply(const T *weight, const T *seen, const T *bias, T *y, const Conv c) {
    __shared__ float a[DEPTH][TILE + 1], b[DEPTH][TILE];
    const int64_t inputs = c.channels / c.groups * c.down * c.across, made = c.made / c.groups;
    const int64_t places = c.rows * c.columns, image = blockIdx.z / c.groups, group = blockIdx.z % c.groups;
    const int64_t first = blockIdx.y * static_cast<int64_t>(TILE), start = blockIdx.x * static_cast<int64_t>(TILE);
    weight += group * made * inputs;
    seen += (image * c.groups + group) * inputs * places;
    const int across = threadIdx.x % (TILE / EACH) * EACH, down = threadIdx.x / (TILE / EACH) * EACH;
    float sums[EACH][EACH] = {};
    for (int64_t k = 0; k < inputs; k += DEPTH) {
        for (int i = threadIdx.x; i < TILE * DEPTH; i += THREADS) {
            const int64_t m = first + i / DEPTH, depth = k + i % DEPTH;
            a[i % DEPTH][i / DEPTH] = m < made && depth < inputs ? read(weight[m * inputs + depth]) : 0;
            const int64_t place = start + i % TILE, level = k + i / TILE;
            b[i / TILE][i % TILE] = place < places && level < inputs ? read(seen[level * places + place]) : 0;
        }
        __syncthreads();
        for (int d = 0; d < DEPTH; ++d)
            for (int i = 0; i < EACH; ++i)
                for (int j = 0; j < EACH; ++j) sums[i][j] += a[d][down + i] * b[d][across + j];
        __syncthreads();
    }
    for (int i = 0; i < EACH; ++i)
        for (int j = 0; j < EACH; ++j) {
            const int64_t m = first + down + i, place = start + across + j, channel = group * made + m;
            if (m >= made || place >= places) continue;
            write(y + (image * c.made + channel) * places + place, sums[i][j] + (bias ? read(bias[channel]) : 0));
        }
}

template <class T>
int32_t run(const ew_call *call, const Conv &c) {
    const ew_tensor *in = call->inputs;
    T *seen = static_cast<T *>(call->workspace);
    const T *bias = has_input(call, 4) ? data<const T>(in[4]) : nullptr;
    const int64_t made = c.made / c.groups, places = c.rows * c.columns;
    if (c.total > 0)
        look_up_all<<<blocks_for(c.total), THREADS, 0, stream_of(call)>>>(data<const T>(in[0]), data<const T>(in[1]),
                                                                          data<const T>(in[2]), seen, c);
    const dim3 grid(static_cast<unsigned>((places + TILE - 1) / TILE), static_cast<unsigned>((made + TILE - 1) / TILE),
                    static_cast<unsigned>(c.images * c.groups));
    multiply<<<grid, THREADS, 0, stream_of(call)>>>(data<const T>(in[3]), seen, bias, data<T>(call->outputs[0]), c);
    return checked(call, cudaGetLastError());
}

}  // namespace
}  // namespace ew_plugins::cuda

// inputs: x, offset, mask, weight, bias (optional); params: stride, padding and dilation (two each), groups, deform
// groups; workspace: what is looked up.
extern "C" int32_t modulated_deform_conv(const ew_call *call) {
    using namespace ew_plugins::cuda;
    const ew_tensor &y = call->outputs[0];
    const int64_t *x = call->inputs[0].shape, *weight = call->inputs[3].shape;
    const ew_param *p = call->params;
    Conv c{x[0],
           x[1],
           x[2],
           x[3],
           y.shape[1],
           y.shape[2],
           y.shape[3],
           weight[2],
           weight[3],
           0,
           {p[0].i, p[1].i},
           {p[2].i, p[3].i},
           {p[4].i, p[5].i},
           p[6].i,
           p[7].i};
    c.total = c.images * c.deform_groups * c.down * c.across * c.rows * c.columns;
    if (count(y) == 0) return EW_OK;
    if (c.images * c.groups > 65535 || c.made / c.groups > 65535 * int64_t{TILE})
        return call->host->error(call, EW_SHAPE, "%lld images are too many", static_cast<long long>(c.images));
    return by_type(call, call->inputs[0].dtype, [&](auto element) { return run<decltype(element)>(call, c); });
}
