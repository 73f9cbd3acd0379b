// Fused f32 attention: softmax(q k' * scale + mask) v without a matrix of all scores.
//
// Queries lie along the vectors: a block of scores is [keys][queries], so that rows of k and columns of v are read in
// place by the matrix core, and maxima and sums are plain vector operations. Running maxima and sums over blocks of keys:
// T. Dao et al., "FlashAttention" (2022, https://arxiv.org/abs/2205.14135). Queries of the heads that share a head of k
// and v stand side by side, so that decoding fills the vectors better.
//
// Inputs: q [B, H, S, D], k [B, G, T, D], v [B, G, T, E], mask (f32 or bool, broadcast to [B, H, S, T]), lengths [B].
// Params: scale, is_causal, bottom_right, softcap, left window, right window (-1: none).
#include "cpu/attention.h"
#include "cpu/gemm_finish.h"
#include "cpu/small_transpose.h"
#include "cpu/vector_math.h"

namespace ew::EW_ISA {

namespace {

constexpr int64_t KEYS = 128;  // keys of a block: 24 KiB of scores at 48 queries

// A panel of up to NR queries of one batch and group. Positions decide what a query sees by itself.
struct Panel {
    int64_t batch, group, first, count;
    int vectors;
    alignas(64) int32_t low[NR], high[NR];  // keys [low, high) are visible to each query
    int64_t from, to;                       // keys that any query sees
    bool all;                               // every query sees all of [from, to)
};

Panel make_panel(const Attention &a, int64_t batch, int64_t group, int64_t first) {
    Panel p{batch, group, first, least(NR, a.shared() * a.queries - first), 0, {}, {}, a.keys, 0, true};
    p.vectors = static_cast<int>(ceil_div(p.count, VL));
    int64_t query = first % a.queries;
    for (int64_t i = 0; i < NR; ++i) {
        if (i > 0 && i < p.count && ++query == a.queries) query = 0;  // the next head's
        const Visible seen = see(a, batch, query);
        p.low[i] = static_cast<int32_t>(seen.low);
        p.high[i] = static_cast<int32_t>(seen.high);
        p.from = least(p.from, p.low[i]);
        p.to = most(p.to, p.high[i]);
    }
    for (int64_t i = 0; i < NR; ++i) p.all = p.all && p.low[i] == p.from && p.high[i] == p.to;
    return p;
}

// Adds the mask of keys [key, key + n) to a block of scores.
void add_mask(const Attention &a, const Panel &p, int64_t key, int64_t n, float *scores) {
    int64_t at[NR];
    bool same = true;
    for (int64_t i = 0; i < p.count; ++i) {
        const int64_t row = p.first + i, head = p.group * a.shared() + row / a.queries;
        at[i] = p.batch * a.mask_step[0] + head * a.mask_step[1] + row % a.queries * a.mask_step[2];
        same = same && at[i] == at[0];
    }
    for (int64_t j = 0; j < n; ++j) {
        float *row = scores + j * NR;
        const int64_t step = (key + j) * a.mask_step[3];
        if (same) {
            const vf bias = splat(mask_value(*a.mask, at[0] + step));
            for (int v = 0; v < p.vectors; ++v) store(row + v * VL, load(row + v * VL) + bias);
        } else {
            for (int64_t i = 0; i < p.count; ++i) row[i] += mask_value(*a.mask, at[i] + step);
        }
    }
}

// State of the queries of a panel: largest score so far, sum of powers, and the unscaled output, transposed.
struct State {
    float *top, *sum, *out;  // [NR], [NR], [width][NR]
};

void hide(const Panel &p, int v, int64_t key, vf &score) {
    const vi low = load(p.low + v * VL), high = load(p.high + v * VL), here = splat(static_cast<int32_t>(key));
    score = select((here >= low) & (here < high), score, splat(-INF));
}

// The largest scores of a vector of queries, among those of keys [key, key + n) that they see; the others are hidden.
vf find_top(const Panel &p, int v, int64_t key, int64_t n, float *scores, vf top) {
    for (int64_t j = 0; j < n; ++j) {
        float *at = scores + j * NR + v * VL;
        vf s = load(at);
        if (!p.all) {
            hide(p, v, key + j, s);
            store(at, s);
        }
        top = vmax(top, s);
    }
    return top;
}

// Turns a block of scores into powers and moves the state on to the new maxima; `first`: there is no output yet.
void soften(const Attention &a, const Panel &p, int64_t key, int64_t n, float *scores, const State &state, bool first) {
    for (int v = 0; v < p.vectors; ++v) {
        const vf old = load(state.top + v * VL), top = find_top(p, v, key, n, scores, old);
        const vf base = select(top == splat(-INF), vf{}, top);
        vf sum{};
        for (int64_t j = 0; j < n; ++j) {
            float *at = scores + j * NR + v * VL;
            const vf power = vexp(load(at) - base);
            store(at, power);
            sum += power;
        }
        const vf shrink = vexp(old - base);
        store(state.top + v * VL, top);
        store(state.sum + v * VL, load(state.sum + v * VL) * shrink + sum);
        for (int64_t e = 0; e < (first ? 0 : a.width); ++e) {
            float *at = state.out + e * NR + v * VL;
            store(at, load(at) * shrink);
        }
    }
}

// out[rows][queries] (+)= finish(a b) for a panel of queries.
void multiply(const Panel &p, int64_t rows, int64_t k, Matrix a, const float *b, int64_t row_b, float *c, Finish f) {
    Heights(rows).each([&](int64_t r, int64_t height, int64_t tiles) {
        const Part part{a.data + r * a.row, b};
        const int m = static_cast<int>(height);
        run_tile({&part, 1, k, a.row, a.col, row_b, c + r * NR, NR, m, p.vectors * VL, tiles}, f);
    });
}

void run_block(const Attention &a, const Panel &p, int64_t key, int64_t n, const float *q, float *scores,
               const State &state) {
    const int64_t head = p.batch * a.groups + p.group;
    Finish scaled;
    scaled.alpha = a.scale;
    const float *k = a.k + (head * a.keys + key) * a.depth, *v = a.v + (head * a.keys + key) * a.width;
    multiply(p, n, a.depth, {k, a.depth, 1}, q, p.vectors * VL, scores, scaled);
    if (a.softcap > 0)
        for (int64_t j = 0; j < n; ++j)
            for (float *at = scores + j * NR; at < scores + j * NR + p.vectors * VL; at += VL)
                store(at, splat(a.softcap) * vtanh(load(at) / splat(a.softcap)));
    if (a.mask) add_mask(a, p, key, n, scores);
    soften(a, p, key, n, scores, state, key == p.from);
    Finish added;
    added.accumulate = key > p.from;
    multiply(p, a.width, n, {v, 1, a.width}, scores, NR, state.out, added);
}

void write_panel(const Attention &a, const Panel &p, const State &state) {
    for (int v = 0; v < p.vectors; ++v) {
        const vf total = load(state.sum + v * VL), factor = 1.0f / select(total == vf{}, splat(1.0f), total);
        for (int64_t e = 0; e < a.width; ++e) {
            float *at = state.out + e * NR + v * VL;
            store(at, load(at) * factor);
        }
    }
    const int64_t row = (p.batch * a.heads + p.group * a.shared()) * a.queries + p.first;
    write_transposed(state.out, NR, a.width, p.count, a.out + row * a.width, a.width);
}

// The queries of a panel as columns, with zeros behind them.
void pack_queries(const Attention &a, const Panel &p, float *q) {
    const int64_t row = (p.batch * a.heads + p.group * a.shared()) * a.queries + p.first, width = p.vectors * VL;
    write_transposed(a.q + row * a.depth, a.depth, p.count, a.depth, q, width);
    for (int64_t d = 0; d < a.depth && p.count < width; ++d)
        for (int64_t i = p.count; i < width; ++i) q[d * width + i] = 0;
}

void run_panel(const Attention &a, const Panel &p) {
    // Columns of v are read as rows of a tile, so a last tile may be lower: depth or width 1 reads rows instead.
    float *scores = scratch(SCRATCH_A, KEYS * NR + (a.width + 2) * NR);
    float *rest = scores + KEYS * NR;
    const State state{rest, rest + NR, rest + 2 * NR};
    for (int64_t i = 0; i < NR; ++i) state.top[i] = -INF;
    std::memset(state.sum, 0, sizeof(float) * static_cast<size_t>((a.width + 1) * NR));
    float *q = scratch(SCRATCH_B, packed_floats(a.depth, p.count));
    pack_queries(a, p, q);
    for (int64_t key = p.from; key < p.to; key += KEYS) run_block(a, p, key, least(KEYS, p.to - key), q, scores, state);
    write_panel(a, p, state);
}

int32_t run(const ew_call *call) {
    Attention a;
    if (!read(call, a)) return call->host->error(call, EW_SHAPE, "attention: sizes of q, k and v disagree");
    if (count(call->outputs[0]) == 0) return EW_OK;
    const int64_t rows = a.shared() * a.queries, panels = ceil_div(rows, NR), units = a.batch * a.groups * panels;
    const double work = static_cast<double>(least(NR, rows)) * static_cast<double>(a.keys * (a.depth + a.width + 16));
    const int64_t group = most(1, least(ceil_div(units, 4), static_cast<int64_t>(5e5 / (work + 1))));
    parallel(call, ceil_div(units, group), [&](int64_t task) {
        for (int64_t u = task * group; u < least(units, (task + 1) * group); ++u) {
            const int64_t head = u / panels;
            run_panel(a, make_panel(a, head / a.groups, head % a.groups, u % panels * NR));
        }
    });
    return EW_OK;
}

}  // namespace

EW_KERNEL(attention_f32, run)

}  // namespace ew::EW_ISA
