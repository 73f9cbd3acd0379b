// RotaryAttention: new keys and values into the cache, then each head's tokens one after another: scores, softmax, sum.
#include <cmath>

#include "kernels.h"
#include "vector_math.h"

namespace ew_plugins {
namespace {

constexpr int64_t TOKENS = 8;  // of a prompt at once; the tactic knows it
constexpr int64_t KEYS = 16;

// 16 numbers that lie anywhere; where registers are shorter, the compiler takes several.
typedef float Lanes __attribute__((vector_size(KEYS * sizeof(float)), aligned(4), may_alias));

struct Attention {
    const float *query, *key, *value, *cosine, *sine;
    float *cache, *y, *memory;
    const ew_tensor *past;
    int64_t batch, heads, groups, fresh, room, depth, half, angles;  // fresh: new tokens
    float scale;
    bool interleaved;
};

int64_t past_of(const Attention &a, int64_t index) {
    return a.past->dtype == EW_INT32 ? data<const int32_t>(*a.past)[index] : data<const int64_t>(*a.past)[index];
}

inline void rotate(const Attention &a, const float *x, int64_t position, float *y) {
    const float *cosine = a.cosine + position * a.half, *sine = a.sine + position * a.half;
    std::copy_n(x, a.depth, y);
    const int64_t step = a.interleaved ? 2 : 1, other = a.interleaved ? 1 : a.half;
    for (int64_t i = 0; i < a.half; ++i) {
        const float u = x[i * step], v = x[i * step + other];
        y[i * step] = u * cosine[i] - v * sine[i];
        y[i * step + other] = v * cosine[i] + u * sine[i];
    }
}

float *row_of(const Attention &a, int64_t part, int64_t index, int64_t group, int64_t token) {
    return a.cache + (((part * a.batch + index) * a.groups + group) * a.room + token) * a.depth;
}

// The new tokens of one head of the cache.
void remember(const Attention &a, int64_t task) {
    const int64_t index = task / a.groups, group = task % a.groups, past = past_of(a, index);
    for (int64_t t = 0; t < a.fresh; ++t) {
        const int64_t offset = (task * a.fresh + t) * a.depth;
        rotate(a, a.key + offset, past + t, row_of(a, 0, index, group, past + t));
        std::copy_n(a.value + offset, a.depth, row_of(a, 1, index, group, past + t));
    }
}

// What one head's tokens work with.
struct Head {
    const float *keys, *values;
    float *q, *turned, *scores;  // [TOKENS][depth], [depth][KEYS], [TOKENS][stride]
    int64_t stride;
};

// Scores of one token: a product for each key.
[[gnu::always_inline]] inline void score_one(const Attention &a, const Head &h, int64_t tokens) {
    for (int64_t k = 0; k < tokens; ++k) {
        const float *q = h.q, *key = h.keys + k * a.depth;
        h.scores[k] = a.scale * lane_sum(a.depth, [q, key](int64_t d) { return q[d] * key[d]; });
    }
}

// Scores of N tokens with KEYS keys at once, which are turned around, so that nothing is added up across lanes.
template <int64_t N>
[[gnu::always_inline]] inline void score_several(const Attention &a, const Head &h, int64_t tokens) {
    for (int64_t first = 0; first < tokens; first += KEYS) {
        const int64_t n = std::min(KEYS, tokens - first);
        for (int64_t d = 0; d < a.depth; ++d)
            for (int64_t k = 0; k < KEYS; ++k) h.turned[d * KEYS + k] = k < n ? h.keys[(first + k) * a.depth + d] : 0;
        Lanes sums[N] = {};
        for (int64_t d = 0; d < a.depth; ++d) {
            const Lanes key = *reinterpret_cast<const Lanes *>(h.turned + d * KEYS);
            for (int64_t t = 0; t < N; ++t) sums[t] += h.q[t * a.depth + d] * key;
        }
        for (int64_t t = 0; t < N; ++t) *reinterpret_cast<Lanes *>(h.scores + t * h.stride + first) = sums[t] * a.scale;
    }
}

// Scores become weights, 0 from `tokens` to `end`; their sum.
[[gnu::always_inline]] inline float weigh(float *scores, int64_t tokens, int64_t end) {
    float highest = -INFINITY;
    for (int64_t k = 0; k < tokens; ++k) highest = scores[k] > highest ? scores[k] : highest;
    for (int64_t k = 0; k < tokens; ++k) scores[k] = fast_exp(scores[k] - highest);
    std::fill(scores + tokens, scores + end, 0.0f);
    return static_cast<float>(long_sum(tokens, [scores](int64_t k) { return scores[k]; }));
}

// The values of `tokens` tokens times the weights of N.
template <int64_t N>
[[gnu::always_inline]] inline void gather(const Attention &a, const Head &h, int64_t tokens, const float *sums,
                                          float *y) {
    int64_t d = 0;
    for (; d + KEYS <= a.depth; d += KEYS) {
        Lanes found[N] = {};
        for (int64_t k = 0; k < tokens; ++k) {
            const Lanes value = *reinterpret_cast<const Lanes *>(h.values + k * a.depth + d);
            for (int64_t t = 0; t < N; ++t) found[t] += h.scores[t * h.stride + k] * value;
        }
        for (int64_t t = 0; t < N; ++t) *reinterpret_cast<Lanes *>(y + t * a.depth + d) = found[t] / sums[t];
    }
    for (; d < a.depth; ++d)
        for (int64_t t = 0; t < N; ++t) {
            float found = 0;
            for (int64_t k = 0; k < tokens; ++k) found += h.scores[t * h.stride + k] * h.values[k * a.depth + d];
            y[t * a.depth + d] = found / sums[t];
        }
}

// N tokens from `first` on.
template <int64_t N>
[[gnu::always_inline]] inline void attend(const Attention &a, const Head &h, int64_t task, int64_t past,
                                          int64_t first) {
    const int64_t offset = (task * a.fresh + first) * a.depth, tokens = past + first + N;
    float sums[N];
    for (int64_t t = 0; t < N; ++t) rotate(a, a.query + offset + t * a.depth, past + first + t, h.q + t * a.depth);
    if (N == 1)
        score_one(a, h, tokens);
    else
        score_several<N>(a, h, tokens);
    for (int64_t t = 0; t < N; ++t) sums[t] = weigh(h.scores + t * h.stride, past + first + t + 1, tokens);
    gather<N>(a, h, tokens, sums, a.y + offset);
}

int64_t stride_of(const Attention &a) { return (a.room + KEYS - 1) / KEYS * KEYS; }

int64_t memory_of(const Attention &a) { return (TOKENS + KEYS) * a.depth + TOKENS * stride_of(a); }

// One head of the query.
EW_EACH_ISA void attend_head(const Attention &a, int64_t task) {
    const int64_t index = task / a.heads, group = task % a.heads / (a.heads / a.groups), past = past_of(a, index);
    float *q = a.memory + task * memory_of(a), *turned = q + TOKENS * a.depth;
    const Head h{
        row_of(a, 0, index, group, 0), row_of(a, 1, index, group, 0), q, turned, turned + KEYS * a.depth, stride_of(a)};
    int64_t first = 0;
    for (; first + TOKENS <= a.fresh; first += TOKENS) attend<TOKENS>(a, h, task, past, first);
    for (; first + TOKENS / 2 <= a.fresh; first += TOKENS / 2) attend<TOKENS / 2>(a, h, task, past, first);
    for (; first < a.fresh; ++first) attend<1>(a, h, task, past, first);
}

int32_t check(const ew_call *call, const Attention &a) {
    for (int64_t i = 0; i < a.batch; ++i)
        if (const int64_t past = past_of(a, i); past < 0 || past > std::min(a.room, a.angles) - a.fresh)
            return call->host->error(call, EW_INPUT,
                                     "sequence %lld has %lld tokens and %lld new ones; the cache has room for %lld, "
                                     "there are angles for %lld",
                                     static_cast<long long>(i), static_cast<long long>(past),
                                     static_cast<long long>(a.fresh), static_cast<long long>(a.room),
                                     static_cast<long long>(a.angles));
    return EW_OK;
}

}  // namespace
}  // namespace ew_plugins

// inputs: cache, query, key, value, cosine, sine, past; outputs: the cache's own memory, y; params: interleaved, scale,
// whether that is 1 / sqrt(depth) instead; workspace: a rotated token and scores for each head.
extern "C" int32_t rotary_attention_f32(const ew_call *call) {
    using namespace ew_plugins;
    const ew_tensor *in = call->inputs;
    const int64_t *cache = in[0].shape, *query = in[1].shape;
    Attention a{};
    a.cache = data<float>(call->outputs[0]);
    a.query = data<const float>(in[1]);
    a.key = data<const float>(in[2]);
    a.value = data<const float>(in[3]);
    a.cosine = data<const float>(in[4]);
    a.sine = data<const float>(in[5]);
    a.past = &in[6];
    a.y = data<float>(call->outputs[1]);
    a.memory = static_cast<float *>(call->workspace);
    a.batch = query[0];
    a.heads = query[1];
    a.fresh = query[2];
    a.depth = query[3];
    a.groups = cache[2];
    a.room = cache[3];
    a.half = in[4].shape[1];
    a.angles = in[4].shape[0];
    a.interleaved = call->params[0].i != 0;
    a.scale = static_cast<float>(call->params[1].f);
    if (call->params[2].i != 0) a.scale = 1 / std::sqrt(static_cast<float>(std::max<int64_t>(a.depth, 1)));
    const auto needed = static_cast<uint64_t>(a.batch * a.heads * memory_of(a)) * sizeof(float);
    if (call->workspace_size < needed || 2 * a.half > a.depth)
        return call->host->error(call, EW_INVALID_PLAN, "sizes do not fit each other or the workspace");
    if (const int32_t status = check(call, a); status != EW_OK) return status;
    if (a.cache != in[0].data) std::copy_n(data<const float>(in[0]), count(in[0]), a.cache);
    for_ranges(call, a.batch * a.groups, a.fresh * a.depth * 4, [&a](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) remember(a, task);
    });
    if (count(call->outputs[1]) == 0) return EW_OK;
    for_ranges(call, a.batch * a.heads, a.fresh * a.room * a.depth * 2, [&a](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) attend_head(a, task);
    });
    return EW_OK;
}
