// TopPSample: a block for each row. Probabilities are whole numbers, so that sums do not depend on their order; the token
// at which enough has gathered is found digit by digit of its place in the order, without sorting.
#include "cuda_kernels.h"

namespace ew_plugins::cuda {
namespace {

constexpr int BLOCK = 1024;
constexpr int BINS = 256;
constexpr double UNIT = 1ull << 40;  // the largest probability
constexpr uint64_t LAST = ~uint64_t{0};

struct Sampling {
    int64_t size, top_k;
    double top_p, temperature;
};

struct Shared {
    unsigned long long weights[BINS];
    unsigned counts[BINS];
    unsigned long long before, key;
    unsigned chosen, count;
    float largest[BLOCK / WARP];
};

__device__ double uniform(int64_t seed) {
    uint64_t z = static_cast<uint64_t>(seed) + 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

// Ascending keys are descending logits, of equal ones ascending indices.
__device__ uint64_t key_of(float logit, int64_t index) {
    const uint32_t bits = __float_as_uint(logit + 0.0f);  // -0 is 0
    const uint32_t ascending = bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
    return static_cast<uint64_t>(~ascending) << 32 | static_cast<uint64_t>(index);
}

__device__ double share(const Sampling &s, float logit, float highest) {
    return exp((static_cast<double>(logit) - static_cast<double>(highest)) / s.temperature);
}

// The largest logit; NaN where one is NaN.
template <class T>
__device__ float largest(const T *logits, int64_t n, float *shared) {
    const auto more = [](float a, float b) { return isnan(a) || a > b ? a : b; };
    float found = -INFINITY;
    for (int64_t i = threadIdx.x; i < n; i += BLOCK) found = more(read(logits[i]), found);
    for (int offset = WARP / 2; offset > 0; offset /= 2) found = more(__shfl_xor_sync(ALL, found, offset), found);
    if (threadIdx.x % WARP == 0) shared[threadIdx.x / WARP] = found;
    __syncthreads();
    for (int w = 0; w < BLOCK / WARP; ++w) found = more(shared[w], found);
    return found;
}

// The first token, among those with keys up to `limit` in their order, at which more than `target` has gathered of what
// `weigh` gives each; its key, and what all before it gathered. If there is none, the last one.
template <class T, class W>
__device__ uint64_t first_beyond(const T *logits, const Sampling &s, uint64_t limit, uint64_t target, const W &weigh,
                                 Shared &shared, uint64_t *gathered) {
    uint64_t prefix = 0, before = 0;
    for (int shift = 56; shift >= 0; shift -= 8) {
        for (int b = threadIdx.x; b < BINS; b += BLOCK) shared.weights[b] = shared.counts[b] = 0;
        __syncthreads();
        for (int64_t i = threadIdx.x; i < s.size; i += BLOCK) {
            const uint64_t key = key_of(read(logits[i]), i);
            if (key > limit || (shift < 56 && key >> (shift + 8) != prefix)) continue;
            atomicAdd(shared.weights + (key >> shift & 0xff), static_cast<unsigned long long>(weigh(i)));
            atomicAdd(shared.counts + (key >> shift & 0xff), 1u);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            uint64_t sum = before;
            unsigned last = 0;
            uint64_t until = before;
            for (unsigned bin = 0; bin < BINS; ++bin) {
                if (shared.counts[bin] == 0) continue;
                last = bin;
                until = sum;
                sum += shared.weights[bin];
                if (sum > target) break;
            }
            shared.chosen = last;
            shared.before = until;
            shared.count = shared.counts[last];
        }
        __syncthreads();
        prefix = prefix << 8 | shared.chosen;
        before = shared.before;
        const bool found = shared.count == 1;
        __syncthreads();  // all have read it before it changes
        if (!found || shift == 0) continue;
        for (int64_t i = threadIdx.x; i < s.size; i += BLOCK)
            if (const uint64_t key = key_of(read(logits[i]), i); key <= limit && key >> shift == prefix)
                shared.key = key;
        __syncthreads();
        prefix = shared.key;
        break;
    }
    *gathered = before;
    return prefix;
}

template <class T>
__global__ void __launch_bounds__(BLOCK) draw(const T *logits, const int64_t *seeds, int64_t *tokens, T *probabilities,
                                              uint64_t *weights, const Sampling s) {
    __shared__ Shared shared;
    const int64_t row = blockIdx.x;
    logits += row * s.size;
    weights += row * s.size;
    const float highest = largest(logits, s.size, shared.largest);
    const auto one = [](int64_t) { return uint64_t{1}; };
    const auto weight = [weights](int64_t i) { return weights[i]; };
    uint64_t before = 0, total = 0, limit = LAST;
    if (!(highest > -INFINITY && highest < INFINITY)) {  // NaN, too
        if (threadIdx.x == 0) {
            tokens[row] = -1;
            write(probabilities + row, NAN);
        }
        return;
    }
    if (s.temperature == 0) {
        const uint64_t best = first_beyond(logits, s, LAST, 0, one, shared, &before);
        if (threadIdx.x == 0) {
            tokens[row] = static_cast<int64_t>(best & 0xffffffffu);
            write(probabilities + row, 1.0f);
        }
        return;
    }
    for (int64_t i = threadIdx.x; i < s.size; i += BLOCK)
        weights[i] = static_cast<uint64_t>(share(s, read(logits[i]), highest) * UNIT);
    __syncthreads();
    if (s.top_k > 0 && s.top_k < s.size)
        limit = first_beyond(logits, s, LAST, static_cast<uint64_t>(s.top_k - 1), one, shared, &before);
    const uint64_t end = first_beyond(logits, s, limit, LAST, weight, shared, &before);
    total = before + weights[end & 0xffffffffu];
    const uint64_t enough = static_cast<uint64_t>(ceil(s.top_p * static_cast<double>(total)));
    limit = first_beyond(logits, s, limit, enough > 0 ? enough - 1 : 0, weight, shared, &before);
    const uint64_t kept = before + weights[limit & 0xffffffffu];
    const auto target = static_cast<uint64_t>(uniform(seeds[row]) * static_cast<double>(kept));
    const auto token =
        static_cast<int64_t>(first_beyond(logits, s, limit, target, weight, shared, &before) & 0xffffffffu);
    if (threadIdx.x == 0) {
        tokens[row] = token;
        write(probabilities + row,
              static_cast<float>(share(s, read(logits[token]), highest) * UNIT / static_cast<double>(kept)));
    }
}

}  // namespace
}  // namespace ew_plugins::cuda

// inputs: logits, seeds; outputs: tokens, probabilities; params: top_p, top_k, temperature; workspace: probabilities as
// whole numbers. A row without a largest finite number gives token -1 and probability NaN.
extern "C" int32_t top_p_sample(const ew_call *call) {
    using namespace ew_plugins::cuda;
    const ew_tensor &logits = call->inputs[0];
    const Sampling s{logits.shape[1], call->params[1].i, call->params[0].f, call->params[2].f};
    if (logits.shape[0] == 0) return EW_OK;
    if (s.size > UINT32_MAX || call->workspace_size < static_cast<uint64_t>(count(logits)) * 8)
        return call->host->error(call, EW_SHAPE, "%lld tokens are too many", static_cast<long long>(s.size));
    return by_type(call, logits.dtype, [&](auto element) {
        using T = decltype(element);
        draw<<<static_cast<unsigned>(logits.shape[0]), BLOCK, 0, stream_of(call)>>>(
            data<const T>(logits), data<const int64_t>(call->inputs[1]), data<int64_t>(call->outputs[0]),
            data<T>(call->outputs[1]), static_cast<uint64_t *>(call->workspace), s);
        return checked(call, cudaGetLastError());
    });
}
