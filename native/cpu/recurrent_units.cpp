// LSTM and GRU with the usual activations: the gates of a vector of units are one tile, which stays in registers from
// the product with the state to the new state. Two threads share the units of a single sequence.
//
// Inputs and params as for recurrent.cpp, w and r packed as [direction][vector of units][k][gate][VL]. A step reads the
// states of the step before from the output, so nothing is copied. A single step takes both products at once.
//
// In bfloat16 a word holds the weights of two k: half of what the caches have to give. Inputs are rounded as well, and
// multiplied as such; states, sums and gates are float32, by weights that are widened on the way.
#include <algorithm>
#include <atomic>
#include <utility>

#include "cpu/gemm_half.h"
#include "cpu/narrow_dot.h"
#include "cpu/narrow_gemm.h"
#include "cpu/recurrent.h"
#include "cpu/vector_math.h"
#include "src/pause.h"

namespace ew::EW_ISA {

namespace {

constexpr int MOST_ROWS = 8;
// Sequences of a tile, so that all sums stay in registers.
#if EW_ISA_AVX512
constexpr int64_t LSTM_ROWS = 6, GRU_ROWS = 8;
#else
constexpr int64_t LSTM_ROWS = 2, GRU_ROWS = 4;
#endif

// T: float, or int32_t for words of two bfloat16.
template <class T>
constexpr int64_t PER_WORD = 1;
template <>
constexpr int64_t PER_WORD<int32_t> = 2;

template <class T>
struct Layer {
    Recurrent r;
    int64_t blocks;      // vectors of units
    int64_t width;       // sums of a row: gates of all units, padded
    const T *x;          // inputs, row after row
    const T *w, *u;      // packed weights of all directions
    float *sums;         // [direction][time, batch as x][block][gate][VL]
    float *bias;         // [direction][block][gate][VL]
    float *last;         // GRU: the recurrent bias of the third gate, [direction][block][VL]
    float *cells;        // LSTM: [direction][batch][block][VL]
    const float *zeros;  // a state
    bool at_once;        // the products with the inputs are made in the step
    int64_t tile() const { return r.gates == 4 ? LSTM_ROWS : GRU_ROWS; }
    int64_t inputs() const { return ceil_div(r.inputs, PER_WORD<T>); }  // words of a row
    const T *x_of(int64_t row) const { return x + row * inputs(); }
    const T *w_of(int64_t d, int64_t block) const { return w + (d * blocks + block) * inputs() * r.gates * VL; }
    const T *u_of(int64_t d, int64_t block) const {
        return u + (d * blocks + block) * ceil_div(r.hidden, PER_WORD<T>) * r.gates * VL;
    }
};

// Sequences [first, first + rows) of one direction.
struct Group {
    int64_t direction, first;
    int rows;
};

int64_t row_of(const Recurrent &r, int64_t time, int64_t b) {
    return r.layout ? b * r.time + time : time * r.batch + b;
}
float *output_of(const Recurrent &r, int64_t d, int64_t time, int64_t b) {
    return r.y +
           (r.layout ? (b * r.time + time) * r.directions + d : (time * r.directions + d) * r.batch + b) * r.hidden;
}
int64_t state_of(const Recurrent &r, int64_t d, int64_t b) {
    return (r.layout ? b * r.directions + d : d * r.batch + b) * r.hidden;
}
bool is_backward(const Recurrent &r, int64_t d) { return r.reverse || d == 1; }

constexpr int64_t AHEAD = 1024;  // weights that are fetched before they are used

// sums[r][g] += h[r] times the weights of a block, [k][gate][VL]. Even and odd k apart where the chains would be few.
template <int G, int R>
EW_INLINE void add_states(const float *const *h, const float *u, int64_t n, vf (&sums)[R][G]) {
    vf odd[R][G] = {};
    int64_t k = 0;
    for (; R * G <= 8 && k + 2 <= n; k += 2, u += 2 * G * VL) {
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) {
            __builtin_prefetch(u + AHEAD + g * VL);
            __builtin_prefetch(u + AHEAD + (G + g) * VL);
            const vf even = load(u + g * VL), other = load(u + (G + g) * VL);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                sums[r][g] += splat(h[r][k]) * even;
                odd[r][g] += splat(h[r][k + 1]) * other;
            }
        }
    }
    for (; k < n; ++k, u += G * VL) {
        vf weights[G];
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) {
            __builtin_prefetch(u + AHEAD + g * VL);
            weights[g] = load(u + g * VL);
        }
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const vf state = splat(h[r][k]);
#pragma GCC unroll 4
            for (int g = 0; g < G; ++g) sums[r][g] += state * weights[g];
        }
    }
    if (R * G > 8) return;
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) sums[r][g] += odd[r][g];
}

template <int G, int R>
EW_INLINE void add_inputs(const float *const *x, const float *w, int64_t n, vf (&sums)[R][G]) {
    add_states<G, R>(x, w, n, sums);
}

EW_INLINE vf first_of(vi words) { return (vf)(words << 16); }
EW_INLINE vf second_of(vi words) { return (vf)(words & splat(int32_t(0xffff0000))); }

// The same where the weights are words of two k.
template <int G, int R>
EW_INLINE void add_states(const float *const *h, const int32_t *u, int64_t n, vf (&sums)[R][G]) {
    vf odd[R][G] = {};
    int64_t k = 0;
    for (; k + 2 <= n; k += 2, u += G * VL)
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) {
            __builtin_prefetch(u + AHEAD + g * VL);
            const vi words = load(u + g * VL);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                sums[r][g] += splat(h[r][k]) * first_of(words);
                vf &other = R * G <= 8 ? odd[r][g] : sums[r][g];
                other += splat(h[r][k + 1]) * second_of(words);
            }
        }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) {
            if (k < n) sums[r][g] += splat(h[r][k]) * first_of(load(u + g * VL));
            if (R * G <= 8) sums[r][g] += odd[r][g];
        }
}

// Words of inputs times words of weights; `n`: numbers of an input.
template <int G, int R>
EW_INLINE void add_inputs(const int32_t *const *x, const int32_t *w, int64_t n, vf (&sums)[R][G]) {
    for (int64_t k = 0; k < bf16_steps(n); ++k, w += G * VL) {
        Bf16::Wide weights[G];
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) {
            __builtin_prefetch(w + AHEAD + g * VL);
            weights[g] = Bf16::widen(load(w + g * VL));
        }
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const vi input = splat(x[r][k]);
#pragma GCC unroll 4
            for (int g = 0; g < G; ++g) sums[r][g] = Bf16::dot(sums[r][g], input, weights[g]);
        }
    }
}

// Products of R inputs, rows [row, row + R) of a direction, with some blocks.
template <class T, int G, int R>
void give_blocks(const Layer<T> &layer, int64_t d, int64_t row, int64_t block, int64_t last) {
    const Recurrent &r = layer.r;
    const T *x[R];
    for (int i = 0; i < R; ++i) x[i] = layer.x_of(row + i);
    float *to = layer.sums + (d * r.time * r.batch + row) * layer.width + block * G * VL;
    for (; block < last; ++block, to += G * VL) {
        vf sums[R][G];
#pragma GCC unroll 8
        for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
            for (int g = 0; g < G; ++g) sums[i][g] = load(layer.bias + d * layer.width + (block * G + g) * VL);
        add_inputs<G, R>(x, layer.w_of(d, block), r.inputs, sums);
#pragma GCC unroll 8
        for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
            for (int g = 0; g < G; ++g) store(to + i * layer.width + g * VL, sums[i][g]);
    }
}

// One step of some blocks of R sequences.
template <class T, int G, int R>
void run_blocks(const Layer<T> &layer, const Group &group, int64_t step, int64_t block, int64_t last) {
    const Recurrent &r = layer.r;
    const int64_t d = group.direction, n = r.hidden, before = is_backward(r, d) ? r.time - step : step - 1;
    const int64_t time = is_backward(r, d) ? r.time - 1 - step : step;
    const float *h[R], *sums_of[R];
    const T *x[R];
    float *y[R], *cells[R];
    for (int i = 0; i < R; ++i) {
        const int64_t b = group.first + i;
        h[i] = step > 0 ? output_of(r, d, before, b) : r.initial_h ? r.initial_h + state_of(r, d, b) : layer.zeros;
        x[i] = layer.x_of(row_of(r, time, b));
        sums_of[i] = layer.at_once ? layer.bias + d * layer.width
                                   : layer.sums + (d * r.time * r.batch + row_of(r, time, b)) * layer.width;
        y[i] = output_of(r, d, time, b);
        cells[i] = G == 4 ? layer.cells + (d * r.batch + b) * layer.blocks * VL : nullptr;
    }
    for (; block < last; ++block) {
        const int64_t units = least(VL, n - block * VL);
        vf sums[R][G];
#pragma GCC unroll 8
        for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
            for (int g = 0; g < G; ++g) sums[i][g] = load(sums_of[i] + (block * G + g) * VL);
        if (layer.at_once) add_inputs<G, R>(x, layer.w_of(d, block), r.inputs, sums);
        vf third[R];
        if constexpr (G == 3)
#pragma GCC unroll 8
            for (int i = 0; i < R; ++i) {
                third[i] = sums[i][2];
                sums[i][2] = load(layer.last + (d * layer.blocks + block) * VL);
            }
        add_states<G, R>(h, layer.u_of(d, block), n, sums);
#pragma GCC unroll 8
        for (int i = 0; i < R; ++i) {
            vf state;
            if constexpr (G == 4) {  // input, output, forget, cell
                float *cell = cells[i] + block * VL;
                const vf c = vsigmoid(sums[i][2]) * load(cell) + vsigmoid(sums[i][0]) * vtanh(sums[i][3]);
                store(cell, c);
                state = vsigmoid(sums[i][1]) * vtanh(c);
            } else {  // update, reset, hidden
                const vf z = vsigmoid(sums[i][0]), made = vtanh(third[i] + vsigmoid(sums[i][1]) * sums[i][2]);
                state = (1.0F - z) * made + z * load_n(h[i] + block * VL, units);
            }
            units == VL ? store(y[i] + block * VL, state) : store_n(y[i] + block * VL, state, units);
        }
    }
}

template <class T>
using Give = void (*)(const Layer<T> &, int64_t direction, int64_t row, int64_t block, int64_t last);
template <class T>
using Run = void (*)(const Layer<T> &, const Group &, int64_t step, int64_t block, int64_t last);

template <class T, int G, typename Sequence>
struct Rows;
template <class T, int G, int... R>
struct Rows<T, G, std::integer_sequence<int, R...>> {
    static constexpr Give<T> gives[] = {give_blocks<T, G, R + 1>...};
    static constexpr Run<T> runs[] = {run_blocks<T, G, R + 1>...};
};
template <class T, int G>
using All = Rows<T, G, std::make_integer_sequence<int, MOST_ROWS>>;

template <class T>
Give<T> find_give(const Layer<T> &layer, int rows) {
    return (layer.r.gates == 4 ? All<T, 4>::gives : All<T, 3>::gives)[rows - 1];
}
template <class T>
Run<T> find_run(const Layer<T> &layer, int rows) {
    return (layer.r.gates == 4 ? All<T, 4>::runs : All<T, 3>::runs)[rows - 1];
}

// Two threads at one sequence. The second comes when it can; from the step that the first then begins, each does its half
// of the units and waits for the other one. If it never comes, the first does all the work.
struct Pair {
    alignas(64) std::atomic<bool> joined{false};
    alignas(64) std::atomic<int64_t> begun{-1};  // the first step that is shared
    struct alignas(64) Done {
        std::atomic<int64_t> steps{0};
    } done[2];
};

template <class T>
void run_half(const Layer<T> &layer, const Group &group, Pair &pair, int me, int64_t step) {
    const auto run = find_run(layer, group.rows);
    const int64_t half = layer.blocks / 2, first = me == 0 ? 0 : half, last = me == 0 ? half : layer.blocks;
    for (; step < layer.r.time; ++step) {
        run(layer, group, step, first, last);
        pair.done[me].steps.store(step + 1, std::memory_order_release);
        wait_until([&] { return pair.done[1 - me].steps.load(std::memory_order_acquire) > step; });
    }
}

template <class T>
void run_first(const Layer<T> &layer, const Group &group, Pair &pair) {
    const auto run = find_run(layer, group.rows);
    int64_t step = 0;
    for (; step < layer.r.time && !pair.joined.load(std::memory_order_acquire); ++step)
        run(layer, group, step, 0, layer.blocks);
    pair.begun.store(step, std::memory_order_release);
    run_half(layer, group, pair, 0, step);
}

template <class T>
void run_second(const Layer<T> &layer, const Group &group, Pair &pair) {
    pair.joined.store(true, std::memory_order_release);
    wait_until([&] { return pair.begun.load(std::memory_order_acquire) >= 0; });
    run_half(layer, group, pair, 1, pair.begun.load(std::memory_order_acquire));
}

template <class T>
void begin_cells(const Layer<T> &layer, int64_t d, int64_t b) {
    const Recurrent &r = layer.r;
    float *cell = layer.cells + (d * r.batch + b) * layer.blocks * VL;
    std::memset(cell, 0, sizeof(float) * static_cast<size_t>(layer.blocks * VL));
    if (r.initial_c) std::memcpy(cell, r.initial_c + state_of(r, d, b), sizeof(float) * static_cast<size_t>(r.hidden));
}

template <class T>
void save_states(const Layer<T> &layer, int64_t d, int64_t b) {
    const Recurrent &r = layer.r;
    const size_t bytes = sizeof(float) * static_cast<size_t>(r.hidden);
    const float *cell = r.gates == 4 ? layer.cells + (d * r.batch + b) * layer.blocks * VL : nullptr;
    const float *h = r.time > 0 ? output_of(r, d, is_backward(r, d) ? 0 : r.time - 1, b)
                                : (r.initial_h ? r.initial_h + state_of(r, d, b) : layer.zeros);
    if (r.last_h) std::memcpy(r.last_h + state_of(r, d, b), h, bytes);
    if (r.last_c && cell) std::memcpy(r.last_c + state_of(r, d, b), cell, bytes);
}

// Biases in the order of the packed columns; GRU's last recurrent one is kept apart.
template <class T>
void order_bias(const Layer<T> &layer) {
    const Recurrent &r = layer.r;
    const int64_t n = r.hidden, gates = r.gates;
    std::memset(layer.bias, 0, sizeof(float) * static_cast<size_t>(r.directions * (layer.width + layer.blocks * VL)));
    for (int64_t d = 0; r.bias && d < r.directions; ++d)
        for (int64_t g = 0; g < gates; ++g)
            for (int64_t i = 0; i < n; ++i) {
                const float *b = r.bias + d * 2 * gates * n + g * n + i;
                const bool apart = gates == 3 && g == 2;
                layer.bias[d * layer.width + (i / VL * gates + g) * VL + i % VL] = b[0] + (apart ? 0 : b[gates * n]);
                if (apart) layer.last[d * layer.blocks * VL + i] = b[gates * n];
            }
}

// Tasks of some 10 us, or of so many weights that two caches read them faster than one.
template <class T>
int64_t wanted_tasks(const Layer<T> &layer, int64_t rows, int64_t k) {
    constexpr double PRODUCTS = 1.5e6, WEIGHTS = 50000, MOST = 24;
    const double weights = static_cast<double>(layer.width * k);
    const double tasks = std::max(2 * weights * static_cast<double>(rows) / PRODUCTS, std::min(weights / WEIGHTS, 4.0));
    return static_cast<int64_t>(std::max(1.0, std::min(MOST, tasks)));
}

template <class T>
void multiply_inputs(const ew_call *call, const Layer<T> &layer) {
    const Recurrent &r = layer.r;
    const int64_t rows = r.time * r.batch, tile = layer.tile(), wanted = wanted_tasks(layer, rows, r.inputs);
    const int64_t blocks = ceil_div(layer.blocks, least(layer.blocks, wanted)), parts = ceil_div(layer.blocks, blocks);
    const int64_t some = most(tile, round_up(ceil_div(rows, ceil_div(wanted, parts)), tile)),
                  by_rows = ceil_div(rows, some);
    parallel(call, r.directions * parts * by_rows, [&](int64_t task) {
        const int64_t d = task / by_rows / parts, block = task / by_rows % parts * blocks;
        const int64_t row = task % by_rows * some, end = least(rows, row + some);
        for (int64_t b = block; b < least(layer.blocks, block + blocks); ++b)
            for (int64_t i = row; i < end; i += tile)
                find_give(layer, static_cast<int>(least(tile, end - i)))(layer, d, i, b, b + 1);
    });
}

template <class T>
void run_layer(const ew_call *call, const Layer<T> &layer) {
    const Recurrent &r = layer.r;
    constexpr double WORTH = 65536;  // products of a step from which on two threads share it
    const int64_t groups = ceil_div(r.batch, layer.tile()), size = ceil_div(r.batch, most(1, groups));
    const bool shared = groups * r.directions == 1 && layer.blocks > 1 && r.time > 1 &&
                        static_cast<double>(layer.width * r.hidden) >= WORTH;
    const int64_t wanted = r.time == 1 ? wanted_tasks(layer, size, r.hidden + r.inputs) : 1;
    const int64_t blocks = ceil_div(layer.blocks, least(layer.blocks, wanted)), parts = ceil_div(layer.blocks, blocks);
    for (int64_t d = 0; d < r.directions && r.gates == 4; ++d)
        for (int64_t b = 0; b < r.batch; ++b) begin_cells(layer, d, b);
    if (shared) {
        Pair pair;
        const Group group{0, 0, static_cast<int>(r.batch)};
        parallel(call, 2, [&](int64_t task) { (task == 0 ? run_first<T> : run_second<T>)(layer, group, pair); });
    } else {
        parallel(call, groups * r.directions * parts, [&](int64_t task) {
            const int64_t first = task / parts % groups * size, block = task % parts * blocks;
            const Group group{task / parts / groups, first, static_cast<int>(least(size, r.batch - first))};
            if (group.rows <= 0) return;
            const auto run = find_run(layer, group.rows);
            for (int64_t step = 0; step < r.time; ++step)
                run(layer, group, step, block, least(layer.blocks, block + blocks));
        });
    }
    for (int64_t d = 0; d < r.directions; ++d)
        for (int64_t b = 0; b < r.batch; ++b) save_states(layer, d, b);
}

// The inputs as the weights are; `to` is room for them as words.
void give_inputs(const ew_call *, Layer<float> &layer, float *) { layer.x = layer.r.x; }

void give_inputs(const ew_call *call, Layer<int32_t> &layer, float *to) {
    const Recurrent &r = layer.r;
    const int64_t rows = r.time * r.batch, step = layer.inputs(), some = 1 + 16384 / most(1, r.inputs);
    auto *words = reinterpret_cast<int32_t *>(to);
    layer.x = words;
    parallel(call, ceil_div(rows, some), [&](int64_t task) {
        const int64_t row = task * some;
        pack_bf16_rows({r.x + row * r.inputs, r.inputs, 1}, least(some, rows - row), r.inputs, words + row * step,
                       step);
    });
}

template <class T>
int32_t run(const ew_call *call, const RecurrentInputs &inputs, int64_t gates, int functions) {
    Layer<T> layer;
    Recurrent &r = layer.r;
    if (!read_recurrent(call, inputs, gates, functions, r) || !r.packed || r.lengths)
        return call->host->error(call, EW_INVALID_PLAN, "recurrent layer: ranks, params or lengths");
    layer.blocks = ceil_div(r.hidden, VL);
    layer.width = layer.blocks * gates * VL;
    layer.at_once = r.time == 1;
    const int64_t padded = layer.blocks * VL, rows = layer.at_once ? 0 : r.time * r.batch;
    const int64_t sums = r.directions * rows * layer.width;
    const int64_t cells = r.directions * r.batch * padded;
    const int64_t words = PER_WORD<T> > 1 ? round_up(r.time * r.batch * layer.inputs(), VL) : 0;
    layer.w = static_cast<const T *>(call->inputs[1].data);
    layer.u = static_cast<const T *>(call->inputs[2].data);
    layer.sums = scratch(SCRATCH_D, sums + cells + r.directions * (layer.width + padded) + padded + words);
    layer.cells = layer.sums + sums;
    layer.bias = layer.cells + cells;
    layer.last = layer.bias + r.directions * layer.width;
    float *zeros = layer.last + r.directions * padded;
    std::memset(zeros, 0, sizeof(float) * static_cast<size_t>(padded));
    layer.zeros = zeros;
    order_bias(layer);
    give_inputs(call, layer, zeros + padded);
    if (!layer.at_once) multiply_inputs(call, layer);
    run_layer(call, layer);
    return EW_OK;
}

template <class T>
int32_t lstm(const ew_call *call) {
    return run<T>(call, {3, 4, 5, 6, 7}, 4, 3);
}
template <class T>
int32_t gru(const ew_call *call) {
    return run<T>(call, {3, 4, 5, -1, -1}, 3, 2);
}

void put(float *at, float weight, int64_t) { *at = weight; }
void put(int32_t *at, float weight, int64_t half) {
    *at = static_cast<int32_t>(static_cast<uint32_t>(*at) | static_cast<uint32_t>(narrow(weight, true)) << 16 * half);
}

// [directions, gates * hidden, k] to [direction][block][k][gate][VL], or words of two k; units that are not there get
// zeros. Params: gates.
template <class T>
int32_t pack(const ew_call *call) {
    constexpr int64_t PER = PER_WORD<T>;
    const ew_tensor &w = call->inputs[0];
    const int64_t gates = call->params[0].i, n = w.shape[1] / gates, k = w.shape[2], steps = ceil_div(k, PER);
    const int64_t size = ceil_div(n, VL) * gates * VL * steps;
    auto *out = static_cast<T *>(call->outputs[0].data);
    std::memset(out, 0, sizeof(T) * static_cast<size_t>(w.shape[0] * size));
    for (int64_t d = 0; d < w.shape[0]; ++d)
        for (int64_t g = 0; g < gates; ++g)
            for (int64_t i = 0; i < n; ++i)
                for (int64_t j = 0; j < k; ++j)
                    put(out + d * size + ((i / VL * steps + j / PER) * gates + g) * VL + i % VL,
                        f32(w)[(d * w.shape[1] + g * n + i) * k + j], j % PER);
    clear_rest(call->outputs[0], w.shape[0] * size);
    return EW_OK;
}

}  // namespace

EW_KERNEL(lstm_units_f32, lstm<float>)
EW_KERNEL(gru_units_f32, gru<float>)
EW_KERNEL(pack_recurrent_units_f32, pack<float>)
EW_KERNEL(lstm_units_bf16, lstm<int32_t>)
EW_KERNEL(gru_units_bf16, gru<int32_t>)
EW_KERNEL(pack_recurrent_units_bf16, pack<int32_t>)

}  // namespace ew::EW_ISA
