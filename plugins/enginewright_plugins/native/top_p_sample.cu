// TopPSample: a block for each row. Probabilities are whole numbers, so that sums do not depend on their order. The token
// at which enough has gathered is found without sorting: first its bin by probability, then its place in there.
#include "cuda_kernels.h"

namespace ew_plugins::cuda {
namespace {

constexpr int BLOCK = 1024;
constexpr int BINS = BLOCK;  // a thread for each
constexpr int DIGITS = 256;
constexpr int LIST = 2048;           // tokens of a bin that are compared with each other
constexpr double EACH = 16;          // bins for a factor of e
constexpr double UNIT = 1ull << 40;  // the largest probability
constexpr uint64_t LAST = ~uint64_t{0};
using Sum = unsigned long long;

struct Sampling {
    int64_t size, top_k;
    double top_p, temperature;
};

struct Shared {
    Sum weights[BINS], listed[LIST];
    uint64_t keys[LIST];
    unsigned counts[BINS];
    Sum totals[BLOCK / WARP];
    Sum before, found, greatest;
    unsigned chosen, last, count;
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

// One row, and which of its tokens count: those with keys up to `limit`.
template <class T>
struct Row {
    const T *logits;
    int64_t size;
    float highest;
    double factor;  // bins for a distance of 1
    uint64_t limit;

    __device__ uint64_t key(int64_t i) const { return key_of(read(logits[i]), i); }
    // Bin 0 holds the largest; the last one all that are far below it.
    __device__ unsigned bin(int64_t i) const {
        const double distance = static_cast<double>(highest) - static_cast<double>(read(logits[i]));
        return distance > 0 ? static_cast<unsigned>(fmin(distance * factor, BINS - 1.0)) : 0;
    }
};

// The sum of all threads before this one.
__device__ Sum sum_before(Sum own, Sum *totals) {
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    Sum sum = own;
    for (int offset = 1; offset < WARP; offset *= 2) {
        const Sum other = __shfl_up_sync(ALL, sum, offset);
        if (lane >= offset) sum += other;
    }
    if (lane == WARP - 1) totals[warp] = sum;
    __syncthreads();
    for (int w = 0; w < warp; ++w) sum += totals[w];
    return sum - own;
}

// The bin in which more than `target` has gathered, else the last one that holds a token. shared.before: what all bins
// before it hold; shared.count: its tokens.
template <class T, class W>
__device__ unsigned find_bin(const Row<T> &row, uint64_t target, const W &weigh, Shared &shared) {
    shared.weights[threadIdx.x] = shared.counts[threadIdx.x] = 0;
    if (threadIdx.x == 0) {
        shared.chosen = BINS;
        shared.last = 0;
    }
    __syncthreads();
    for (int64_t i = threadIdx.x; i < row.size; i += BLOCK) {
        if (row.key(i) > row.limit) continue;
        const unsigned bin = row.bin(i);
        atomicAdd(shared.weights + bin, static_cast<Sum>(weigh(i)));
        atomicAdd(shared.counts + bin, 1u);
    }
    __syncthreads();
    const Sum own = shared.weights[threadIdx.x], before = sum_before(own, shared.totals);
    if (shared.counts[threadIdx.x] > 0) {
        atomicMax(&shared.last, threadIdx.x);
        if (before + own > target) atomicMin(&shared.chosen, threadIdx.x);
    }
    __syncthreads();
    const unsigned bin = shared.chosen < BINS ? shared.chosen : shared.last;
    if (threadIdx.x == bin) {
        shared.before = before;
        shared.count = shared.counts[bin];
    }
    __syncthreads();
    return bin;
}

// The token of a bin with few of them: each is compared with all others.
template <class T, class W>
__device__ uint64_t find_in_list(const Row<T> &row, unsigned bin, uint64_t target, const W &weigh, Shared &shared) {
    const Sum before = shared.before;
    const unsigned count = shared.count;
    __syncthreads();
    if (threadIdx.x == 0) {
        shared.count = 0;
        shared.found = LAST;
        shared.greatest = 0;
    }
    __syncthreads();
    for (int64_t i = threadIdx.x; i < row.size; i += BLOCK) {
        if (row.bin(i) != bin || row.key(i) > row.limit) continue;
        const unsigned at = atomicAdd(&shared.count, 1u);
        shared.keys[at] = row.key(i);
        shared.listed[at] = weigh(i);
    }
    __syncthreads();
    Sum sums[LIST / BLOCK] = {};
    for (unsigned at = threadIdx.x, turn = 0; at < count; at += BLOCK, ++turn) {
        for (unsigned k = 0; k < count; ++k)
            if (shared.keys[k] < shared.keys[at]) sums[turn] += shared.listed[k];
        if (before + sums[turn] + shared.listed[at] > target)
            atomicMin(&shared.found, static_cast<Sum>(shared.keys[at]));
        atomicMax(&shared.greatest, static_cast<Sum>(shared.keys[at]));
    }
    __syncthreads();
    const uint64_t key = shared.found != LAST ? shared.found : shared.greatest;
    for (unsigned at = threadIdx.x, turn = 0; at < count; at += BLOCK, ++turn)
        if (shared.keys[at] == key) shared.before = before + sums[turn];
    __syncthreads();
    return key;
}

// The token of a bin with many, as where all logits are alike: digit by digit of the key.
template <class T, class W>
__device__ uint64_t find_by_digits(const Row<T> &row, unsigned bin, uint64_t target, const W &weigh, Shared &shared) {
    uint64_t prefix = 0, before = shared.before;
    for (int shift = 56; shift >= 0; shift -= 8) {
        __syncthreads();  // all have read what changes now
        if (threadIdx.x < DIGITS) shared.weights[threadIdx.x] = shared.counts[threadIdx.x] = 0;
        __syncthreads();
        for (int64_t i = threadIdx.x; i < row.size; i += BLOCK) {
            const uint64_t key = row.key(i);
            if (key > row.limit || row.bin(i) != bin || (shift < 56 && key >> (shift + 8) != prefix)) continue;
            atomicAdd(shared.weights + (key >> shift & 0xff), static_cast<Sum>(weigh(i)));
            atomicAdd(shared.counts + (key >> shift & 0xff), 1u);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            Sum sum = before, until = before;
            unsigned last = 0;
            for (unsigned digit = 0; digit < DIGITS && sum <= target; ++digit) {
                if (shared.counts[digit] == 0) continue;
                last = digit;
                until = sum;
                sum += shared.weights[digit];
            }
            shared.chosen = last;
            shared.before = until;
        }
        __syncthreads();
        prefix = prefix << 8 | shared.chosen;
        before = shared.before;
    }
    return prefix;
}

// The key of the first token in order at which more than `target` has gathered of what `weigh` gives each, else of the
// last one; `gathered`: what all before it gave.
template <class T, class W>
__device__ uint64_t first_beyond(const Row<T> &row, uint64_t target, const W &weigh, Shared &shared, Sum *gathered) {
    const unsigned bin = find_bin(row, target, weigh, shared);
    const uint64_t key = shared.count <= LIST ? find_in_list(row, bin, target, weigh, shared)
                                              : find_by_digits(row, bin, target, weigh, shared);
    *gathered = shared.before;
    __syncthreads();  // all have read it before the next search
    return key;
}

template <class T>
__global__ void __launch_bounds__(BLOCK) draw(const T *logits, const int64_t *seeds, int64_t *tokens, T *probabilities,
                                              uint64_t *weights, const Sampling s) {
    __shared__ Shared shared;
    const int64_t row = blockIdx.x;
    logits += row * s.size;
    weights += row * s.size;
    const float highest = largest(logits, s.size, shared.largest);
    if (!(highest > -INFINITY && highest < INFINITY)) {  // NaN, too
        if (threadIdx.x == 0) {
            tokens[row] = -1;
            write(probabilities + row, NAN);
        }
        return;
    }
    const auto one = [](int64_t) { return uint64_t{1}; };
    const auto weight = [weights](int64_t i) { return weights[i]; };
    const auto index = [](uint64_t key) { return static_cast<int64_t>(key & 0xffffffffu); };
    Row<T> all{logits, s.size, highest, EACH / (s.temperature > 0 ? s.temperature : 1), LAST};
    Sum before = 0;
    if (s.temperature == 0) {
        const int64_t best = index(first_beyond(all, 0, one, shared, &before));
        if (threadIdx.x == 0) {
            tokens[row] = best;
            write(probabilities + row, 1.0f);
        }
        return;
    }
    for (int64_t i = threadIdx.x; i < s.size; i += BLOCK)
        weights[i] = static_cast<uint64_t>(share(s, read(logits[i]), highest) * UNIT);
    __syncthreads();
    if (s.top_k > 0 && s.top_k < s.size)
        all.limit = first_beyond(all, static_cast<uint64_t>(s.top_k - 1), one, shared, &before);
    const uint64_t end = first_beyond(all, LAST, weight, shared, &before);
    const auto enough = static_cast<uint64_t>(ceil(s.top_p * static_cast<double>(before + weights[index(end)])));
    all.limit = first_beyond(all, enough > 0 ? enough - 1 : 0, weight, shared, &before);
    const Sum kept = before + weights[index(all.limit)];
    const auto target = static_cast<uint64_t>(uniform(seeds[row]) * static_cast<double>(kept));
    const int64_t token = index(first_beyond(all, target, weight, shared, &before));
    if (threadIdx.x == 0) {
        tokens[row] = token;
        const double own = share(s, read(logits[token]), highest) * UNIT;
        write(probabilities + row, static_cast<float>(own / static_cast<double>(kept)));
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
