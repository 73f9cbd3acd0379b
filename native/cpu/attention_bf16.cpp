// Fused attention of bfloat16: products of words of two, scores and powers in float32.
//
// A task takes some queries of the heads that share a head of k and v, and turns these into panels of words: k with pairs of
// its elements, v with pairs of keys. Then it goes on by a few queries, whose scores for all keys fit the cache: their
// products, their powers, which are rounded over their sum, and the products of these. Queries and powers are rows of words
// where they lie.
//
// Inputs and params as for attention.cpp; q, k, v and the output are bfloat16, with an even number of elements in q and k.
#include "cpu/attention.h"
#include "cpu/narrow_ending.h"
#include "cpu/narrow_gemm.h"
#include "cpu/small_transpose.h"
#include "cpu/vector_math.h"

namespace ew::EW_ISA {

namespace {

constexpr int64_t STRIP = 24;          // queries that are gone on by: 12 KiB of scores at 128 keys
constexpr int64_t MOST_QUERIES = 128;  // of a task
constexpr int64_t FEW_TASKS = 8;

const uint16_t *narrow_of(const float *x) { return reinterpret_cast<const uint16_t *>(x); }

// Queries [first, first + count) of the heads that share a head of k and v; they see keys [from, to) at most.
struct Task {
    const Attention &a;
    int64_t batch, group, first, count, from, to;

    int64_t keys() const { return to - from; }
    int64_t query(int64_t i) const { return (first + i) % a.queries; }
    // Of query i, in rows of q and of the output.
    int64_t row(int64_t i) const { return (batch * a.heads + group * a.shared()) * a.queries + first + i; }
    // Of the first key, in rows of k and v.
    int64_t key_row() const { return (batch * a.groups + group) * a.keys + from; }
};

// k, turned: a word for two elements of each key.
void pack_keys(const Task &t, const Panels &panels, float *out) {
    const int64_t words = t.a.depth / 2;
    const auto *k = reinterpret_cast<const float *>(narrow_of(t.a.k) + t.key_row() * t.a.depth);
    for (int64_t p = 0; p < panels.count; ++p) {
        const int64_t width = panels.vectors(p) * VL, columns = panels.columns(p);
        float *to = out + panels.column(p) * words;
        write_transposed(k + panels.column(p) * words, words, columns, words, to, width);
        for (int64_t d = 0; d < words && columns < width; ++d)
            std::memset(to + d * width + columns, 0, sizeof(float) * static_cast<size_t>(width - columns));
    }
}

// v as words of two keys.
void pack_values(const Task &t, const Panels &panels, int32_t *out) {
    typedef uint32_t vu __attribute__((vector_size(VL * 4)));
    const int64_t words = bf16_steps(t.keys()), width = t.a.width;
    const uint16_t *v = narrow_of(t.a.v) + t.key_row() * width;
    for (int64_t p = 0; p < panels.count; ++p) {
        const int64_t columns = panels.columns(p);
        for (int64_t s = 0; s < words; ++s)
            for (int64_t j = 0; j < panels.vectors(p) * VL; j += VL, out += VL) {
                const int64_t n = most(0, least(VL, columns - j));
                const uint16_t *even = v + 2 * s * width + panels.column(p) + j;
                const vi first = (vi)((vu)load_bf16_n(even, n) >> 16);
                const vi second = 2 * s + 1 < t.keys() ? (vi)load_bf16_n(even + width, n) : vi{};
                store(out, first | second);
            }
    }
}

// Rows of words times panels, for `m` rows.
void multiply(const uint16_t *rows, int64_t ld, int64_t m, const Panels &panels, const float *b, int64_t words,
              float *c, int64_t ldc, const NarrowFinish &finish) {
    for (int64_t p = 0; p < panels.count; ++p) {
        const int64_t vectors = panels.vectors(p), tile = rows_of_tile(vectors), column = panels.column(p);
        const int64_t height = ceil_div(m, ceil_div(m, tile));
        for (int64_t row = 0; row < m; row += height) {
            RowsPart part;
            part.b = b + column * words;
            part.k = words;
            const int64_t n = least(height, m - row);
            for (int64_t r = 0; r < n; ++r) part.rows[r] = reinterpret_cast<const float *>(rows + (row + r) * ld);
            NarrowFinish f = finish;
            if (f.narrow) f.narrow += row * f.ld_narrow + column;
            run_rows_tile({&part, 1, c ? c + row * ldc + column : nullptr, ldc, static_cast<int>(n),
                           static_cast<int>(vectors), static_cast<int>(panels.columns(p)), true},
                          f);
        }
    }
}

// What is added to the scores of a query: nothing, a vector for each key, or a number for all.
struct Added {
    const ew_tensor *mask;
    int64_t at, step;
    vf take(int64_t key, int64_t n) const {
        if (mask->dtype != EW_BOOL && step == 1) return load_n(f32(*mask) + at + key, n);
        float some[VL] = {};
        for (int64_t i = 0; i < n; ++i) some[i] = mask_value(*mask, at + (key + i) * step);
        return load(some);
    }
};

float largest(vf v) {
    float some[VL];
    store(some, v);
    for (int half = VL / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) some[i] = some[i + half] > some[i] ? some[i + half] : some[i];
    return some[0];
}

// Scores of query i of a task become powers over their sum, rounded.
void soften(const Task &t, int64_t i, float *scores, uint16_t *powers, int64_t padded) {
    const Attention &a = t.a;
    const Visible seen = see(a, t.batch, t.query(i));
    const int64_t low = seen.low - t.from, high = seen.high - t.from;
    const int64_t begin = low / VL * VL, end = high > low ? round_up(high, VL) : begin, *step = a.mask_step;
    const int64_t head = t.group * a.shared() + (t.first + i) / a.queries;
    const Added added{a.mask, a.mask ? t.batch * step[0] + head * step[1] + t.query(i) * step[2] + t.from * step[3] : 0,
                      a.mask ? step[3] : 0};
    int32_t counted[VL];
    for (int k = 0; k < VL; ++k) counted[k] = k;
    const vi lanes = load(counted), lows = splat(static_cast<int32_t>(low)), highs = splat(static_cast<int32_t>(high));
    vf tops = splat(-INF), sums{};
    for (int64_t j = begin; j < end; j += VL) {
        vf s = load(scores + j) * splat(a.scale);
        if (a.softcap > 0) s = splat(a.softcap) * vtanh(s / splat(a.softcap));
        if (a.mask) s += added.take(j, least(VL, t.keys() - j));
        const vi here = lanes + splat(static_cast<int32_t>(j));
        s = select((here >= lows) & (here < highs), s, splat(-INF));
        store(scores + j, s);
        tops = vmax(tops, s);
    }
    const float top = largest(tops), base = top == -INF ? 0 : top;
    for (int64_t j = begin; j < end; j += VL) {
        const vf power = vexp(load(scores + j) - splat(base));
        store(scores + j, power);
        sums += power;
    }
    const float sum = reduce_add(sums), factor = sum == 0 ? 1 : 1 / sum;
    std::memset(powers, 0, sizeof(uint16_t) * static_cast<size_t>(begin));
    for (int64_t j = begin; j < end; j += VL) store_bf16(powers + j, load(scores + j) * splat(factor));
    std::memset(powers + end, 0, sizeof(uint16_t) * static_cast<size_t>(padded - end));
}

void run_task(const Attention &a, int64_t batch, int64_t group, int64_t first, int64_t count) {
    Task t{a, batch, group, first, count, a.keys, 0};
    for (int64_t i = 0; i < count; ++i) {
        const Visible seen = see(a, batch, t.query(i));
        t.from = least(t.from, seen.low);
        t.to = most(t.to, seen.high);
    }
    auto *out = reinterpret_cast<uint16_t *>(a.out) + t.row(0) * a.width;
    if (t.keys() <= 0) {
        std::memset(out, 0, sizeof(uint16_t) * static_cast<size_t>(count * a.width));
        return;
    }
    const Panels keys(t.keys()), values(a.width);
    const int64_t padded = round_up(t.keys(), 2 * VL), words = bf16_steps(t.keys());
    const int64_t for_keys = round_up(t.keys(), VL) * (a.depth / 2), for_values = round_up(a.width, VL) * words;
    float *packed = scratch(SCRATCH_A, for_keys + for_values), *scores = scratch(SCRATCH_B, STRIP * padded);
    auto *powers = reinterpret_cast<uint16_t *>(scratch(SCRATCH_C, STRIP * padded / 2));
    pack_keys(t, keys, packed);
    pack_values(t, values, reinterpret_cast<int32_t *>(packed + for_keys));
    NarrowFinish narrowed;
    narrowed.ld_narrow = a.width;
    for (int64_t strip = 0; strip < count; strip += STRIP) {
        const int64_t m = least(STRIP, count - strip);
        const uint16_t *q = narrow_of(a.q) + t.row(strip) * a.depth;
        multiply(q, a.depth, m, keys, packed, a.depth / 2, scores, padded, NarrowFinish());
        for (int64_t i = 0; i < m; ++i) soften(t, strip + i, scores + i * padded, powers + i * padded, padded);
        narrowed.narrow = out + strip * a.width;
        multiply(powers, padded, m, values, packed + for_keys, words, nullptr, 0, narrowed);
    }
}

int32_t run(const ew_call *call) {
    Attention a;
    if (!read(call, a) || a.depth % 2 != 0)
        return call->host->error(call, EW_SHAPE, "attention: sizes of q, k and v disagree, or q has an odd one");
    if (count(call->outputs[0]) == 0) return EW_OK;
    const int64_t rows = a.shared() * a.queries, heads = a.batch * a.groups;
    const int64_t wanted = ceil_div(FEW_TASKS, heads);  // parts of a head's queries
    const int64_t some = most(1, least(MOST_QUERIES, round_up(ceil_div(rows, wanted), STRIP)));
    const int64_t parts = ceil_div(rows, some), each = ceil_div(rows, parts);
    parallel(call, heads * parts, [&](int64_t task) {
        const int64_t head = task / parts, first = task % parts * each;
        if (first < rows) run_task(a, head / a.groups, head % a.groups, first, least(each, rows - first));
    });
    return EW_OK;
}

}  // namespace

EW_KERNEL(attention_bf16, run)

}  // namespace ew::EW_ISA
