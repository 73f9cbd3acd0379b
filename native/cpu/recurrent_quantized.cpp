// LSTM with 8-bit weights: x as a whole and, at each step, each row of the state are quantized to uint8 by their range.
//
// Inputs: x, w, r, w_scale, w_zero_point, r_scale, r_zero_point, b, sequence_lens, initial_h, initial_c, p. w and r are
// [directions, inputs, 4 hidden], or packed: per direction the bytes of quantized_gemm.h. Params as for the f32 LSTM.
//
// By units: r is packed as [direction][vector of units][k / 4][gate][VL][4], then the sums of its columns, and the gates of a
// vector of units go in registers from the product with the state to the new state.
#include <utility>

#include "cpu/narrow_dot.h"
#include "cpu/quantized_gemm.h"
#include "cpu/quantized_row.h"
#include "cpu/recurrent.h"
#include "cpu/vector_math.h"

namespace ew::EW_ISA {

namespace {

// One weight of a direction: packed bytes, and scales and zero points, one for all columns or one for each.
struct Weight {
    const uint8_t *packed;
    int64_t k, columns;
    float scale;
    const float *scales;  // NULL: `scale` for all
    int32_t zero;
    const int32_t *zeros;  // NULL: `zero` for all
    bool needs_row_sums() const { return zero != 0 || zeros; }
};

int64_t pack_all(const ew_tensor &w, uint8_t *out) {
    const int64_t k = w.shape[1], n = w.shape[2], step = round_up(packed_bytes(k, n), 64);
    const uint8_t flip = w.dtype == EW_UINT8 ? 0x80 : 0;
    for (int64_t d = 0; d < w.shape[0]; ++d)
        pack_byte_panels({static_cast<const uint8_t *>(w.data) + d * k * n, n, 1, flip}, k, n, out + d * step);
    return step * w.shape[0];
}

int32_t pack(const ew_call *call) {
    const int64_t used = pack_all(call->inputs[0], static_cast<uint8_t *>(call->outputs[0].data));
    clear_rest(call->outputs[0], used / 4);
    return EW_OK;
}

int64_t words(int64_t k) { return ceil_div(k, 4); }

// A row of floats as uint8 with the terms that the correction by zero points needs.
RowTerms quantize(const float *x, const Weight &w, float scale, float zero, int32_t *out) {
    auto *bytes = reinterpret_cast<uint8_t *>(out);
    divide_to_bytes(x, w.k, {scale, zero, 0, 255}, bytes);
    for (int64_t i = w.k; i < 4 * words(w.k); ++i) bytes[i] = 0;
    int32_t sum = 0;
    if (w.needs_row_sums())
        for (int64_t i = 0; i < w.k; ++i) sum += bytes[i];
    const auto whole = static_cast<int32_t>(zero), term = static_cast<int32_t>(w.k) * whole - sum;
    return {whole, term * w.zero, term, scale};
}

// Rows of numbers that are quantized, and what belongs to each.
struct Rows {
    const int32_t *words;
    const RowTerms *terms;
    int64_t count;
};

// out [rows][columns] = the product with columns [col, col + columns) of the weight, plus bias; or added to it.
void multiply(const Weight &w, const Rows &rows, int64_t col, int64_t columns, float *out, int64_t ld,
              const float *bias) {
    const int64_t steps = words(w.k);
    ByteFinish finish;
    finish.rows = rows.terms;
    finish.col_sums = reinterpret_cast<const int32_t *>(w.packed + byte_panels(w.k, w.columns)) + col;
    finish.zero_b = w.zeros ? w.zeros + col : nullptr;
    finish.real = true;
    finish.scale = w.scale;
    finish.scale_col = w.scales ? w.scales + col : nullptr;
    finish.bias_col = bias;
    finish.accumulate = !bias;
    const auto *panels = reinterpret_cast<const int32_t *>(w.packed) + col * steps;
    run_byte_gemm({rows.count, columns, steps, {rows.words, steps, 1}, panels, out, ld}, finish);
}

struct Layer {
    const Recurrent *r;
    Weight w[2], rec[2];  // of each direction
    Rows x[2];            // all of x; its terms differ with the weights
};

void multiply_input(void *arg, int64_t d, float *sums, int64_t ld, int64_t row, int64_t rows, int64_t col,
                    int64_t columns, const float *bias) {
    const auto &l = *static_cast<const Layer *>(arg);
    const Rows part{l.x[d].words + row * words(l.w[d].k), l.x[d].terms + row, rows};
    multiply(l.w[d], part, col, columns, sums, ld, bias);
}

// The states of all sequences as bytes, in scratch memory.
Rows quantize_state(const Layer &l, int64_t d, const float *h) {
    const int64_t rows = l.r->batch, k = l.rec[d].k, steps = words(k);
    auto *a = reinterpret_cast<int32_t *>(scratch(SCRATCH_A, round_up(rows * steps, 16) + 4 * rows));
    auto *terms = reinterpret_cast<RowTerms *>(a + round_up(rows * steps, 16));
    for (int64_t r = 0; r < rows; ++r) {
        float scale, zero;
        find_row_range(h + r * k, k, &scale, &zero);
        terms[r] = quantize(h + r * k, l.rec[d], scale, zero, a + r * steps);
    }
    return {a, terms, rows};
}

void multiply_state(void *arg, int64_t d, const float *h, float *sums, int64_t ld) {
    const auto &l = *static_cast<const Layer *>(arg);
    multiply(l.rec[d], quantize_state(l, d, h), 0, l.rec[d].columns, sums, ld, nullptr);
}

// ---- by units ----

constexpr int GATES = 4;      // input, output, forget, cell
constexpr int MOST_ROWS = 4;  // sequences of a tile, so that all sums stay in registers

struct Places {
    const float *gates;
    float *h, *c, *y;
};

// sums[r][g] += words of R states times the weights of a block. A single row has chains of its own for every other word.
template <int R>
EW_INLINE void add_state(const int32_t *a, int64_t steps, const int32_t *u, vi (&sums)[R][GATES]) {
    vi odd[GATES] = {};
    int64_t k = 0;
    const auto step =
        [&](auto &into, int r, int64_t at, const Bytes::Wide &weights, int g)
            __attribute__((always_inline)) { into[g] = Bytes::dot(into[g], splat(a[r * steps + at]), weights); };
    for (; R == 1 && k + 2 <= steps; k += 2, u += 2 * GATES * VL)
#pragma GCC unroll 4
        for (int g = 0; g < GATES; ++g) {
            step(sums[0], 0, k, Bytes::widen(load(u + g * VL)), g);
            step(odd, 0, k + 1, Bytes::widen(load(u + (GATES + g) * VL)), g);
        }
    for (; k < steps; ++k, u += GATES * VL)
#pragma GCC unroll 4
        for (int g = 0; g < GATES; ++g) {
            const Bytes::Wide weights = Bytes::widen(load(u + g * VL));
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) step(sums[r], r, k, weights, g);
        }
    if (R == 1)
#pragma GCC unroll 4
        for (int g = 0; g < GATES; ++g) sums[0][g] += odd[g];
}

// Keeps a product from being contracted into the sum behind it, as it is where gates are made one by one.
EW_INLINE vf rounded(vf product) {
#if EW_ISA_AVX512 || EW_ISA_AVX2
    __asm__("" : "+x"(product));
#endif
    return product;
}

// One step of R sequences.
template <int R>
void run_units(const Weight &w, const Rows &rows, const Places *at) {
    const int64_t n = w.k, steps = words(n);
    const auto *u = reinterpret_cast<const int32_t *>(w.packed), *col_sums = u + n * steps * GATES;
    for (int64_t unit = 0; unit < n; unit += VL, u += steps * GATES * VL) {
        vi sums[R][GATES] = {};
        add_state<R>(rows.words, steps, u, sums);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
            const RowTerms &terms = rows.terms[r];
            vf gate[GATES];
#pragma GCC unroll 4
            for (int g = 0; g < GATES; ++g) {
                const int64_t col = g * n + unit;
                vi sum = sums[r][g] + splat(terms.add) - splat(terms.zero) * load(col_sums + col);
                if (w.zeros) sum += splat(terms.term) * load(w.zeros + col);
                gate[g] = __builtin_convertvector(sum, vf) * splat(terms.scale * w.scale);
                if (w.scales) gate[g] = rounded(gate[g] * load(w.scales + col));
                gate[g] += load(at[r].gates + col);
            }
            const vf c = vsigmoid(gate[2]) * load(at[r].c + unit) + vsigmoid(gate[0]) * vtanh(gate[3]);
            const vf h = vsigmoid(gate[1]) * vtanh(c);
            store(at[r].c + unit, c);
            store(at[r].h + unit, h);
            store(at[r].y + unit, h);
        }
    }
}

void run_all_steps(void *arg, int64_t d, const float *sums, float *h, float *c) {
    static constexpr void (*run[])(const Weight &, const Rows &, const Places *) = {run_units<1>, run_units<2>,
                                                                                    run_units<3>, run_units<4>};
    const auto &l = *static_cast<const Layer *>(arg);
    const Recurrent &r = *l.r;
    const int64_t n = r.hidden, steps = words(n);
    for (int64_t step = 0; step < r.time; ++step) {
        const int64_t t = r.reverse || d == 1 ? r.time - 1 - step : step;
        const Rows states = quantize_state(l, d, h);
        for (int64_t b = 0; b < r.batch; b += MOST_ROWS) {
            const int64_t count = least(MOST_ROWS, r.batch - b);
            Places at[MOST_ROWS];
            for (int64_t i = 0; i < count; ++i)
                at[i] = {sums + (t * r.batch + b + i) * GATES * n, h + (b + i) * n, c + (b + i) * n,
                         r.y + ((t * r.directions + d) * r.batch + b + i) * n};
            run[count - 1](l.rec[d], {states.words + b * steps, states.terms + b, count}, at);
        }
    }
}

int32_t pack_units(const ew_call *call) {
    const ew_tensor &w = call->inputs[0];
    const int64_t k = w.shape[1], n = w.shape[2], units = n / GATES, steps = words(k);
    const uint8_t flip = w.dtype == EW_UINT8 ? 0x80 : 0;
    auto *out = static_cast<int8_t *>(call->outputs[0].data);
    for (int64_t d = 0; d < w.shape[0]; ++d) {
        const auto *from = static_cast<const uint8_t *>(w.data) + d * k * n;
        int8_t *to = out + d * round_up(packed_bytes(k, n), 64);
        auto *sums = reinterpret_cast<int32_t *>(to + 4 * steps * n);
        std::memset(to, 0, static_cast<size_t>(4 * steps * n + 4 * n));
        for (int64_t i = 0; i < k; ++i)
            for (int64_t col = 0; col < n; ++col) {
                const int64_t g = col / units, unit = col % units;
                const auto weight = static_cast<int8_t>(from[i * n + col] ^ flip);
                to[(((unit / VL * steps + i / 4) * GATES + g) * VL + unit % VL) * 4 + i % 4] = weight;
                sums[col] += weight;
            }
    }
    clear_rest(call->outputs[0], w.shape[0] * round_up(packed_bytes(k, n), 64) / 4);
    return EW_OK;
}

// Direction d of the weight at `index` whose scale and zero point are inputs `scale` and the next; zeros are put there.
Weight read_weight(const ew_call *call, int64_t d, int index, int scale, const uint8_t *packed, int32_t *zeros) {
    const ew_tensor &t = call->inputs[index], &s = call->inputs[scale], &z = call->inputs[scale + 1];
    const int64_t k = t.shape[1], n = t.shape[2], scales = count(s) / s.shape[0], points = count(z) / z.shape[0];
    const auto zero_of = [&](int64_t i) {
        return t.dtype == EW_INT8 ? static_cast<const int8_t *>(z.data)[i]
                                  : static_cast<const uint8_t *>(z.data)[i] - 128;
    };
    Weight w{packed + d * round_up(packed_bytes(k, n), 64), k, n, 1, nullptr, 0, nullptr};
    if (scales == 1)
        w.scale = f32(s)[d];
    else
        w.scales = f32(s) + d * scales;
    if (points == 1) {
        w.zero = zero_of(d);
        return w;
    }
    for (int64_t j = 0; j < n; ++j) zeros[j] = zero_of(d * n + j);
    w.zeros = zeros;
    return w;
}

int32_t run_layer(const ew_call *call, bool by_units) {
    Recurrent r;
    if (!read_recurrent(call, {7, 8, 9, 10, 11}, 4, 3, r))
        return call->host->error(call, EW_INVALID_PLAN, "recurrent layer: ranks or params");
    if (by_units && (!r.packed || r.hidden % 16 != 0 || r.lengths || r.peepholes))
        return call->host->error(call, EW_INVALID_PLAN, "recurrent layer by units: params, lengths or peepholes");
    const int64_t rows = r.time * r.batch, steps = words(r.inputs), width = 4 * r.hidden;
    const auto packed_size = [&](int i) {
        const ew_tensor &t = call->inputs[i];
        return round_up(packed_bytes(t.shape[1], t.shape[2]), 64) * t.shape[0];
    };
    const int64_t size_w = r.packed ? 0 : packed_size(1), size_r = r.packed ? 0 : packed_size(2);
    float scale, zero;
    find_range(call, r.x, rows * r.inputs, &scale, &zero);
    // What lives as long as the call, as no step uses slot C: packed weights, their zero points, quantized x, its terms.
    auto *own = reinterpret_cast<uint8_t *>(
        scratch(SCRATCH_C, (size_w + size_r) / 4 + 4 * width + round_up(rows * steps, 16) + 8 * rows));
    auto *zeros = reinterpret_cast<int32_t *>(own + size_w + size_r), *x = zeros + 4 * width;
    auto *terms = reinterpret_cast<RowTerms *>(x + round_up(rows * steps, 16));
    if (!r.packed) {
        pack_all(call->inputs[1], own);
        pack_all(call->inputs[2], own + size_w);
    }
    const auto data = [&](int i) { return static_cast<const uint8_t *>(call->inputs[i].data); };
    const uint8_t *w = r.packed ? data(1) : own, *rec = r.packed ? data(2) : own + size_w;
    Layer l{&r, {}, {}, {}};
    for (int64_t d = 0; d < r.directions; ++d) {
        l.w[d] = read_weight(call, d, 1, 3, w, zeros + 2 * d * width);
        l.rec[d] = read_weight(call, d, 2, 5, rec, zeros + (2 * d + 1) * width);
        l.x[d] = {x, terms + d * rows, rows};
    }
    constexpr int64_t ROWS = 16;  // of a task
    parallel(call, ceil_div(rows, ROWS), [&](int64_t task) {
        for (int64_t i = task * ROWS; i < least(rows, (task + 1) * ROWS); ++i)
            for (int64_t d = 0; d < r.directions; ++d)
                terms[d * rows + i] = quantize(r.x + i * r.inputs, l.w[d], scale, zero, x + i * steps);
    });
    StateProduct product{multiply_state, &l};
    if (by_units) product = {nullptr, &l, run_all_steps};
    run_directions(call, r, nullptr, nullptr, {multiply_input, &l}, product);
    return EW_OK;
}

int32_t run(const ew_call *call) { return run_layer(call, false); }
int32_t run_by_units(const ew_call *call) { return run_layer(call, true); }

}  // namespace

EW_KERNEL(lstm_quantized, run)
EW_KERNEL(pack_recurrent_i8, pack)
EW_KERNEL(lstm_quantized_units, run_by_units)
EW_KERNEL(pack_recurrent_units_i8, pack_units)

}  // namespace ew::EW_ISA
