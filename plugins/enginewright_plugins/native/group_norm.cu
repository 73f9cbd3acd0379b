// GroupNorm: each group in up to SPLITS parts, of which mean and spread are found first; then all is normalized.
#include "cuda_kernels.h"

namespace ew_plugins::cuda {
namespace {

constexpr int SPLITS = 16;       // the tactic knows it
constexpr int64_t LEAST = 2048;  // elements of a part

struct Part {
    float mean, square;  // sum of squares around the mean
};

struct Norm {
    int64_t channels, each, space, group, part;  // group: elements of one; part: of a part
    int groups;
    float epsilon;
    bool last, silu;  // last: channels come last
};

// Where element i of a group lies in its image.
__device__ int64_t place(const Norm &n, int64_t group, int64_t i) {
    if (!n.last) return group * n.group + i;
    return i / n.each * n.channels + group * n.each + i % n.each;
}

template <class T>
__global__ void measure(const T *x, Part *parts, const Norm n) {
    __shared__ float shared[THREADS / WARP];
    const int64_t image = blockIdx.y / n.groups, group = blockIdx.y % n.groups;
    const int64_t begin = blockIdx.x * n.part, end = min(begin + n.part, n.group);
    x += image * n.channels * n.space;
    float sum = 0, square = 0;
    for (int64_t i = begin + threadIdx.x; i < end; i += THREADS) sum += read(x[place(n, group, i)]);
    const float mean = block_sum(sum, shared) / static_cast<float>(max(end - begin, int64_t{1}));
    for (int64_t i = begin + threadIdx.x; i < end; i += THREADS) {
        const float v = read(x[place(n, group, i)]) - mean;
        square += v * v;
    }
    square = block_sum(square, shared);
    if (threadIdx.x == 0) parts[blockIdx.y * static_cast<int64_t>(gridDim.x) + blockIdx.x] = {mean, square};
}

// Mean and variance of a group from those of its parts (Chan et al., 1983).
__device__ Part merged(const Part *parts, int count, const Norm &n) {
    float mean = 0, square = 0, total = 0;
    for (int p = 0; p < count; ++p) {
        const auto own = static_cast<float>(min(n.part, n.group - p * n.part));
        const float distance = parts[p].mean - mean, sum = total + own;
        mean += distance * own / sum;
        square += parts[p].square + distance * distance * total * own / sum;
        total = sum;
    }
    return {mean, square / total};
}

// The output may be x: each thread reads an element before it writes it.
template <class T, class G>
__global__ void normalize(const T *x, const G *gamma, const G *beta, T *y, const Part *parts, const Norm n) {
    const int64_t image = blockIdx.y / n.groups, group = blockIdx.y % n.groups;
    const int64_t begin = blockIdx.x * n.part, end = min(begin + n.part, n.group);
    const Part found = merged(parts + blockIdx.y * static_cast<int64_t>(gridDim.x), gridDim.x, n);
    const float scale = rsqrtf(found.square + n.epsilon);
    x += image * n.channels * n.space;
    y += image * n.channels * n.space;
    for (int64_t i = begin + threadIdx.x; i < end; i += THREADS) {
        const int64_t at = place(n, group, i), channel = group * n.each + (n.last ? i % n.each : i / n.space);
        float v = (read(x[at]) - found.mean) * (scale * read(gamma[channel])) + read(beta[channel]);
        if (n.silu) v = v / (1 + expf(-v));
        write(y + at, v);
    }
}

template <class T, class G>
int32_t run(const ew_call *call, const Norm &n, int64_t images, int64_t splits) {
    auto *parts = static_cast<Part *>(call->workspace);
    const dim3 grid(static_cast<unsigned>(splits), static_cast<unsigned>(images * n.groups));
    measure<<<grid, THREADS, 0, stream_of(call)>>>(data<const T>(call->inputs[0]), parts, n);
    normalize<<<grid, THREADS, 0, stream_of(call)>>>(data<const T>(call->inputs[0]), data<const G>(call->inputs[1]),
                                                     data<const G>(call->inputs[2]), data<T>(call->outputs[0]), parts,
                                                     n);
    return checked(call, cudaGetLastError());
}

}  // namespace
}  // namespace ew_plugins::cuda

// inputs: x, gamma, beta (both of one type); params: groups, activation, channels last, epsilon; workspace: parts.
extern "C" int32_t group_norm(const ew_call *call) {
    using namespace ew_plugins::cuda;
    const ew_tensor &x = call->inputs[0];
    const int64_t images = x.shape[0], channels = call->inputs[1].shape[0];
    if (count(x) == 0) return EW_OK;
    Norm n{};
    n.channels = channels;
    n.groups = static_cast<int>(call->params[0].i);
    n.each = channels / n.groups;
    n.space = count(x) / (images * channels);
    n.group = n.each * n.space;
    n.silu = call->params[1].i == 1;
    n.last = call->params[2].i != 0;
    n.epsilon = static_cast<float>(call->params[3].f);
    const int64_t splits = n.group >= SPLITS * LEAST ? SPLITS : (n.group + LEAST - 1) / LEAST;
    n.part = (n.group + splits - 1) / splits;
    const auto needed = static_cast<uint64_t>(images * n.groups * splits) * sizeof(Part);
    if (call->workspace_size < needed || images * n.groups > 65535)
        return call->host->error(call, EW_SHAPE, "%lld groups are too many", static_cast<long long>(images * n.groups));
    return by_type(call, x.dtype, [&](auto element) {
        using T = decltype(element);
        if (call->inputs[1].dtype == EW_FLOAT32) return run<T, float>(call, n, images, splits);
        return run<T, T>(call, n, images, splits);
    });
}
