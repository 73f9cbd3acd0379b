// GroupNorm: mean and variance of each group, then normalization, scale, shift and activation in one pass.
#include "kernels.h"
#include "vector_math.h"

namespace ew_plugins {
namespace {

constexpr int64_t PIXELS = 256;  // of a task, where channels come last; the tactic knows it, too

struct Norm {
    const float *x, *gamma, *beta;
    float *y;
    int64_t images, groups, channels, space, pieces;
    float epsilon;
    bool silu;
    float *factors, *means, *sums;  // channels last: [images][channels] twice, [images][pieces][channels]
};

inline float activate(float v, bool silu) { return silu ? v / (1 + fast_exp(-v)) : v; }

// Channels first: a group is one block.
EW_EACH_ISA void normalize_block(const Norm &n, int64_t task) {
    const int64_t each = n.channels / n.groups, first = task % n.groups * each;
    const float *x = n.x + task * each * n.space;
    float *y = n.y + task * each * n.space;
    const auto total = static_cast<double>(each * n.space);
    const auto mean = static_cast<float>(long_sum(each * n.space, [x](int64_t i) { return x[i]; }) / total);
    const double square = long_sum(each * n.space, [x, mean](int64_t i) { return (x[i] - mean) * (x[i] - mean); });
    const auto scale = static_cast<float>(1 / std::sqrt(square / total + static_cast<double>(n.epsilon)));
    for (int64_t c = 0; c < each; ++c, x += n.space, y += n.space) {
        const float factor = scale * n.gamma[first + c], shift = n.beta[first + c];
        for (int64_t i = 0; i < n.space; ++i) y[i] = activate((x[i] - mean) * factor + shift, n.silu);
    }
}

struct Piece {
    const float *x;
    int64_t image, pixels, offset;
};

Piece piece_of(const Norm &n, int64_t task) {
    const int64_t image = task / n.pieces, first = task % n.pieces * PIXELS;
    const int64_t offset = (image * n.space + first) * n.channels;
    return {n.x + offset, image, std::min(PIXELS, n.space - first), offset};
}

// Channels last, three times over the pieces: the sums of each channel, those of the squares around the mean (which
// `means` holds by then), and the result.
EW_EACH_ISA void sum_piece(const Norm &n, int64_t task, bool square) {
    const Piece p = piece_of(n, task);
    float *sums = n.sums + task * n.channels;
    const float *x = p.x, *means = n.means + p.image * n.channels;
    std::fill(sums, sums + n.channels, 0.0f);
    for (int64_t pixel = 0; pixel < p.pixels; ++pixel, x += n.channels)
        if (square)
            for (int64_t c = 0; c < n.channels; ++c) sums[c] += (x[c] - means[c]) * (x[c] - means[c]);
        else
            for (int64_t c = 0; c < n.channels; ++c) sums[c] += x[c];
}

// A pixel: the output may be the input, so the compiler is told that no element depends on another.
template <bool SILU>
inline void normalize_pixel(const float *x, const float *means, const float *factors, const float *beta, float *y,
                            int64_t n) {
#pragma GCC ivdep
    for (int64_t c = 0; c < n; ++c) {
        const float v = (x[c] - means[c]) * factors[c] + beta[c];
        y[c] = SILU ? v / (1 + fast_exp(-v)) : v;
    }
}

EW_EACH_ISA void normalize_piece(const Norm &n, int64_t task) {
    const Piece p = piece_of(n, task);
    const int64_t channels = n.channels;
    const float *x = p.x, *factors = n.factors + p.image * channels, *means = n.means + p.image * channels;
    float *y = n.y + p.offset;
    for (int64_t pixel = 0; pixel < p.pixels; ++pixel, x += channels, y += channels)
        if (n.silu)
            normalize_pixel<true>(x, means, factors, n.beta, y, channels);
        else
            normalize_pixel<false>(x, means, factors, n.beta, y, channels);
}

// The mean over a group of what the pieces of its channels summed up.
double group_mean(const Norm &n, int64_t image, int64_t first, int64_t each) {
    double total = 0;
    for (int64_t piece = 0; piece < n.pieces; ++piece) {
        const float *sums = n.sums + (image * n.pieces + piece) * n.channels + first;
        for (int64_t c = 0; c < each; ++c) total += static_cast<double>(sums[c]);
    }
    return total / static_cast<double>(each * n.space);
}

void normalize_last(const ew_call *call, const Norm &n) {
    const int64_t each = n.channels / n.groups;
    const auto all = [call, &n](auto run) {
        for_ranges(call, n.images * n.pieces, PIXELS * n.channels, [&run](int64_t begin, int64_t end) {
            for (int64_t task = begin; task < end; ++task) run(task);
        });
    };
    all([&n](int64_t task) { sum_piece(n, task, false); });
    for (int64_t i = 0; i < n.images * n.groups; ++i) {
        const auto mean = static_cast<float>(group_mean(n, i / n.groups, i % n.groups * each, each));
        std::fill(n.means + i * each, n.means + (i + 1) * each, mean);
    }
    all([&n](int64_t task) { sum_piece(n, task, true); });
    for (int64_t i = 0; i < n.images * n.groups; ++i) {
        const int64_t first = i % n.groups * each;
        const double variance = group_mean(n, i / n.groups, first, each);
        const auto scale = static_cast<float>(1 / std::sqrt(variance + static_cast<double>(n.epsilon)));
        for (int64_t c = 0; c < each; ++c) n.factors[i * each + c] = scale * n.gamma[first + c];
    }
    all([&n](int64_t task) { normalize_piece(n, task); });
}

}  // namespace
}  // namespace ew_plugins

// inputs: x, gamma, beta; params: groups, activation, channels last, epsilon; workspace: sums. The output may be x.
extern "C" int32_t group_norm_f32(const ew_call *call) {
    using namespace ew_plugins;
    const ew_tensor &x = call->inputs[0];
    if (count(x) == 0) return EW_OK;
    Norm n{};
    n.x = data<const float>(x);
    n.gamma = data<const float>(call->inputs[1]);
    n.beta = data<const float>(call->inputs[2]);
    n.y = data<float>(call->outputs[0]);
    n.images = x.shape[0];
    n.groups = call->params[0].i;
    n.channels = call->inputs[1].shape[0];
    n.space = count(x) / (n.images * n.channels);
    n.pieces = (n.space + PIXELS - 1) / PIXELS;
    n.epsilon = static_cast<float>(call->params[3].f);
    n.silu = call->params[1].i == 1;
    if (call->params[2].i == 0) {
        for_ranges(call, n.images * n.groups, n.channels / n.groups * n.space * 4, [&n](int64_t begin, int64_t end) {
            for (int64_t task = begin; task < end; ++task) normalize_block(n, task);
        });
        return EW_OK;
    }
    n.factors = static_cast<float *>(call->workspace);
    n.means = n.factors + n.images * n.channels;
    n.sums = n.means + n.images * n.channels;
    if (call->workspace_size < static_cast<uint64_t>(n.images * (n.pieces + 2) * n.channels) * sizeof(float))
        return call->host->error(call, EW_INVALID_PLAN, "the workspace is too small");
    normalize_last(call, n);
    return EW_OK;
}
