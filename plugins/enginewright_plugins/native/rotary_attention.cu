// RotaryAttention: new keys and values go into the cache; then a block for each new token of each head goes through the
// keys that it sees, each warp through every WARPS-th, with a softmax that is corrected as it goes.
#include <cmath>
#include <type_traits>

#include "cuda_kernels.h"

namespace ew_plugins::cuda {
namespace {

constexpr int MOST_DEPTH = 256;  // the tactic knows it
constexpr int WARPS = 8;
constexpr int BLOCK = WARPS * WARP;

struct Attention {
    Integers past;
    int64_t batch, heads, groups, fresh, room, depth, half, angles;  // fresh: new tokens
    float scale;
    bool interleaved;
};

// Whether the new tokens of a sequence fit into the cache and the tables.
__device__ bool fits(const Attention &a, int64_t past) { return past >= 0 && past <= min(a.room, a.angles) - a.fresh; }

// Element d of a token of which x is the first element, turned by the angles of its position.
template <class T>
__device__ float rotated(const T *x, const T *cosine, const T *sine, const Attention &a, int64_t position, int64_t d) {
    const float own = read(x[d]);
    if (d >= 2 * a.half) return own;
    const int64_t pair = a.interleaved ? d / 2 : d % a.half;
    const bool first = a.interleaved ? d % 2 == 0 : d < a.half;
    const int64_t step = a.interleaved ? 1 : a.half;
    const float other = read(x[first ? d + step : d - step]);
    const float c = read(cosine[position * a.half + pair]), s = read(sine[position * a.half + pair]);
    return first ? own * c - other * s : own * c + other * s;
}

template <class T>
__device__ T *row_of(T *cache, const Attention &a, int64_t part, int64_t index, int64_t group, int64_t token) {
    return cache + (((part * a.batch + index) * a.groups + group) * a.room + token) * a.depth;
}

template <class T>
__global__ void remember(const T *key, const T *value, const T *cosine, const T *sine, T *cache, const Attention a) {
    const int64_t total = a.batch * a.groups * a.fresh * a.depth;
    for (int64_t item = first_item(); item < total; item += all_threads()) {
        const int64_t d = item % a.depth, row = item / a.depth, token = row % a.fresh, head = row / a.fresh;
        const int64_t group = head % a.groups, index = head / a.groups, past = a.past[index];
        if (!fits(a, past)) continue;
        const float turned = rotated(key + row * a.depth, cosine, sine, a, past + token, d);
        write(row_of(cache, a, 0, index, group, past + token) + d, turned);
        *(row_of(cache, a, 1, index, group, past + token) + d) = value[item];
    }
}

// What a warp found in its keys: the largest score, the sum of the weights, and LANES numbers of each lane.
template <int LANES>
struct Found {
    float largest = -INFINITY, sum = 0, y[LANES] = {};
};

template <class T, int LANES>
__device__ Found<LANES> look(const T *keys, const T *values, const float *query, int64_t tokens, const Attention &a) {
    const int lane = threadIdx.x % WARP;
    float q[LANES];
    for (int i = 0; i < LANES; ++i) q[i] = i * WARP + lane < a.depth ? query[i * WARP + lane] : 0;
    Found<LANES> found;
    for (int64_t k = threadIdx.x / WARP; k < tokens; k += WARPS) {
        const T *key = keys + k * a.depth, *value = values + k * a.depth;
        float score = 0;
        for (int i = 0; i < LANES; ++i)
            if (i * WARP + lane < a.depth) score += q[i] * read(key[i * WARP + lane]);
        score = warp_sum(score) * a.scale;
        const float largest = fmaxf(found.largest, score);
        const float before = expf(found.largest - largest), weight = expf(score - largest);
        found.largest = largest;
        found.sum = found.sum * before + weight;
        for (int i = 0; i < LANES; ++i)
            if (i * WARP + lane < a.depth) found.y[i] = found.y[i] * before + weight * read(value[i * WARP + lane]);
    }
    return found;
}

template <class T, int LANES>
__global__ void __launch_bounds__(BLOCK)
    attend(const T *query, const T *cosine, const T *sine, const T *cache, T *y, const Attention a) {
    __shared__ float turned[MOST_DEPTH], sums[WARPS], largest[WARPS], parts[WARPS][MOST_DEPTH];
    const int64_t row = blockIdx.x, token = row % a.fresh, head = row / a.fresh, index = head / a.heads;
    const int64_t group = head % a.heads / (a.heads / a.groups), past = a.past[index];
    y += row * a.depth;
    if (!fits(a, past)) {
        for (int64_t d = threadIdx.x; d < a.depth; d += BLOCK) write(y + d, NAN);
        return;
    }
    for (int64_t d = threadIdx.x; d < a.depth; d += BLOCK)
        turned[d] = rotated(query + row * a.depth, cosine, sine, a, past + token, d);
    __syncthreads();
    const Found<LANES> own = look<T, LANES>(row_of(cache, a, 0, index, group, 0), row_of(cache, a, 1, index, group, 0),
                                            turned, past + token + 1, a);
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    for (int i = 0; i < LANES; ++i)
        if (i * WARP + lane < a.depth) parts[warp][i * WARP + lane] = own.y[i];
    if (lane == 0) {
        sums[warp] = own.sum;
        largest[warp] = own.largest;
    }
    __syncthreads();
    float top = largest[0], total = 0;
    for (int w = 1; w < WARPS; ++w) top = fmaxf(top, largest[w]);
    for (int w = 0; w < WARPS; ++w) total += sums[w] * expf(largest[w] - top);
    for (int64_t d = threadIdx.x; d < a.depth; d += BLOCK) {
        float sum = 0;
        for (int w = 0; w < WARPS; ++w) sum += parts[w][d] * expf(largest[w] - top);
        write(y + d, sum / total);
    }
}

template <class T>
int32_t run(const ew_call *call, const Attention &a) {
    const ew_tensor *in = call->inputs;
    const T *cosine = data<const T>(in[4]), *sine = data<const T>(in[5]);
    T *cache = data<T>(call->outputs[0]);
    const cudaStream_t stream = stream_of(call);
    if (cache != in[0].data) {
        const size_t bytes = static_cast<size_t>(count(in[0])) * sizeof(T);
        const auto status = cudaMemcpyAsync(cache, in[0].data, bytes, cudaMemcpyDeviceToDevice, stream);
        if (status != cudaSuccess) return checked(call, status);
    }
    const int64_t news = a.batch * a.groups * a.fresh * a.depth, rows = a.batch * a.heads * a.fresh;
    if (news > 0)
        remember<<<blocks_for(news), THREADS, 0, stream>>>(data<const T>(in[2]), data<const T>(in[3]), cosine, sine,
                                                           cache, a);
    if (rows == 0 || a.depth == 0) return checked(call, cudaGetLastError());
    const auto attend_all = [&](auto lanes) {
        attend<T, decltype(lanes)::value><<<static_cast<unsigned>(rows), BLOCK, 0, stream>>>(
            data<const T>(in[1]), cosine, sine, cache, data<T>(call->outputs[1]), a);
    };
    if (a.depth <= 64)
        attend_all(std::integral_constant<int, 2>{});
    else if (a.depth <= 128)
        attend_all(std::integral_constant<int, 4>{});
    else
        attend_all(std::integral_constant<int, 8>{});
    return checked(call, cudaGetLastError());
}

}  // namespace
}  // namespace ew_plugins::cuda

// inputs: cache, query, key, value, cosine, sine, past; outputs: the cache's own memory, y; params: interleaved, scale,
// whether that is 1 / sqrt(depth) instead. Tokens that do not fit leave the cache as it is, and give NaN.
extern "C" int32_t rotary_attention(const ew_call *call) {
    using namespace ew_plugins::cuda;
    const int64_t *cache = call->inputs[0].shape, *query = call->inputs[1].shape, *table = call->inputs[4].shape;
    Attention a{};
    a.past = integers(call->inputs[6]);
    a.batch = query[0];
    a.heads = query[1];
    a.fresh = query[2];
    a.depth = query[3];
    a.groups = cache[2];
    a.room = cache[3];
    a.half = table[1];
    a.angles = table[0];
    a.interleaved = call->params[0].i != 0;
    a.scale = static_cast<float>(call->params[1].f);
    if (call->params[2].i != 0) a.scale = 1 / std::sqrt(static_cast<float>(a.depth > 0 ? a.depth : 1));
    if (a.depth > MOST_DEPTH || 2 * a.half > a.depth || a.batch * a.heads * a.fresh > INT32_MAX)
        return call->host->error(call, EW_SHAPE, "tokens of %lld numbers are too large",
                                 static_cast<long long>(a.depth));
    return by_type(call, call->inputs[0].dtype, [&](auto element) { return run<decltype(element)>(call, a); });
}
