// TopPSample: tokens are counted into buckets by logit; those of the buckets that gather enough probability are sorted, and
// one of them is drawn.
#include <cmath>
#include <limits>

#include "kernels.h"

namespace ew_plugins {
namespace {

struct Token {
    float logit;
    uint32_t index;
};
static_assert(sizeof(Token) == 8, "the tactic knows it");

// Bucket i holds the tokens whose probability is between e^-(i / 16) and e^-((i + 1) / 16) of the largest, the last all
// smaller ones.
constexpr int64_t BUCKETS = 1024;
constexpr double EACH = 16;

struct Sampling {
    const float *logits;
    const int64_t *seeds;
    int64_t *tokens;
    float *probabilities;
    Token *order;
    int64_t size, top_k;
    double top_p, temperature;
};

double uniform(int64_t seed) {
    uint64_t z = static_cast<uint64_t>(seed) + 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

bool better(const Token &a, const Token &b) { return a.logit != b.logit ? a.logit > b.logit : a.index < b.index; }

double share(const Sampling &s, float logit, float highest) {
    return std::exp((static_cast<double>(logit) - static_cast<double>(highest)) / s.temperature);
}

int64_t bucket_of(const Sampling &s, float logit, float highest) {
    const double distance = (static_cast<double>(highest) - static_cast<double>(logit)) / s.temperature * EACH;
    return static_cast<int64_t>(std::min(distance, static_cast<double>(BUCKETS - 1)));
}

struct Kept {
    int64_t count;  // tokens at the front of the order
    double total;   // of all tokens that may be drawn, before top_p
};

// The top_k best tokens in order.
Kept best_tokens(const Sampling &s, const float *logits, float highest, Token *order) {
    const int64_t n = std::min(s.top_k, s.size);
    for (int64_t i = 0; i < s.size; ++i) order[i] = {logits[i], static_cast<uint32_t>(i)};
    if (n < s.size) std::nth_element(order, order + n, order + s.size, better);
    std::sort(order, order + n, better);
    double total = 0;
    for (int64_t i = 0; i < n; ++i) total += share(s, order[i].logit, highest);
    return {n, total};
}

// The best tokens in order, as many buckets as gather top_p, and one more, for sums are rounded.
Kept likely_tokens(const Sampling &s, const float *logits, float highest, Token *order) {
    double gathered[BUCKETS] = {}, total = 0, sum = 0;
    for (int64_t i = 0; i < s.size; ++i) {
        const double own = share(s, logits[i], highest);
        gathered[bucket_of(s, logits[i], highest)] += own;
        total += own;
    }
    int64_t last = 0, n = 0;
    for (; last < BUCKETS && sum < s.top_p * total; ++last) sum += gathered[last];
    for (int64_t i = 0; i < s.size; ++i)
        if (bucket_of(s, logits[i], highest) <= last) order[n++] = {logits[i], static_cast<uint32_t>(i)};
    std::sort(order, order + n, better);
    return {n, total};
}

void draw(const Sampling &s, int64_t row) {
    const float *logits = s.logits + row * s.size;
    Token *order = s.order + row * s.size;
    const float *highest = std::max_element(logits, logits + s.size);
    s.tokens[row] = highest - logits;
    s.probabilities[row] = 1;
    if (s.temperature == 0) return;
    const Kept found =
        s.top_k > 0 ? best_tokens(s, logits, *highest, order) : likely_tokens(s, logits, *highest, order);
    double gathered = 0, sum = 0;
    int64_t kept = 0;
    while (kept < found.count && gathered < s.top_p * found.total) gathered += share(s, order[kept++].logit, *highest);
    const double target = uniform(s.seeds[row]) * gathered;
    for (int64_t i = 0; i < kept; ++i) {
        const double own = share(s, order[i].logit, *highest);
        sum += own;
        s.tokens[row] = order[i].index;
        s.probabilities[row] = static_cast<float>(own / gathered);
        if (sum > target) return;
    }
}

bool has_maximum(const float *logits, int64_t n) {
    bool some = false;
    for (int64_t i = 0; i < n; ++i) {
        if (!(logits[i] < std::numeric_limits<float>::infinity())) return false;
        some |= logits[i] > -std::numeric_limits<float>::infinity();
    }
    return some;
}

}  // namespace
}  // namespace ew_plugins

// inputs: logits, seeds; outputs: tokens, probabilities; params: top_p, top_k, temperature; workspace: tokens in order.
extern "C" int32_t top_p_sample_f32(const ew_call *call) {
    using namespace ew_plugins;
    const ew_tensor &logits = call->inputs[0];
    const Sampling s{data<const float>(logits),
                     data<const int64_t>(call->inputs[1]),
                     data<int64_t>(call->outputs[0]),
                     data<float>(call->outputs[1]),
                     static_cast<Token *>(call->workspace),
                     logits.shape[1],
                     call->params[1].i,
                     call->params[0].f,
                     call->params[2].f};
    if (s.size > UINT32_MAX || call->workspace_size < static_cast<uint64_t>(count(logits)) * sizeof(Token))
        return call->host->error(call, EW_SHAPE, "%lld tokens are too many", static_cast<long long>(s.size));
    for (int64_t row = 0; row < logits.shape[0]; ++row)
        if (!has_maximum(s.logits + row * s.size, s.size))
            return call->host->error(call, EW_INPUT, "row %lld of logits has no largest finite number",
                                     static_cast<long long>(row));
    for_ranges(call, logits.shape[0], s.size * 16, [&s](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) draw(s, row);
    });
    return EW_OK;
}
