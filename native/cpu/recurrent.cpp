// f32 LSTM, GRU and plain RNN on the matrix core, both directions, and the LSTM with quantized weights.
//
// The products with the input are one matrix product for all times; each step then adds the product with the state.
// Inputs: x, w, r, b, sequence_lens, initial_h (LSTM: initial_c, p). w and r may be packed: per direction the panels of
// the transposed matrix. Params: direction (0 forward, 1 reverse, 2 both), layout, clip, option, packed, then for each
// direction and activation: its number in Kind, alpha, beta.
#include "cpu/recurrent.h"

#include "cpu/vector_math.h"

namespace ew::EW_ISA {

// ---- activations ----

namespace {

enum Kind : int64_t {
    RELU,
    TANH,
    SIGMOID,
    SOFTSIGN,
    SOFTPLUS,
    LEAKY_RELU,
    THRESHOLDED_RELU,
    ELU,
    AFFINE,
    SCALED_TANH,
    HARD_SIGMOID
};

EW_INLINE vf activate_vector(const Activation &a, vf x) {
    const vf zero{}, alpha = splat(a.alpha), beta = splat(a.beta);
    switch (a.kind) {
        case RELU: return vmax(zero, x);
        case TANH: return vtanh(x);
        case SIGMOID: return vsigmoid(x);
        case SOFTSIGN: return x / (1.0F + vabs(x));
        case SOFTPLUS: return vsoftplus(x);
        case LEAKY_RELU: return select(x < zero, alpha * x, x);
        case THRESHOLDED_RELU: return select(x > alpha, x, zero);
        case ELU: return select(x < zero, alpha * (vexp(x) - 1.0F), x);
        case AFFINE: return alpha * x + beta;
        case SCALED_TANH: return alpha * vtanh(beta * x);
        default: return clamp(alpha * x + beta, zero, splat(1.0F));
    }
}

}  // namespace

void activate(const Activation &a, float clip, float *x, int64_t n) {
    for (int64_t i = 0; i < n; i += VL) {
        const int64_t left = least(VL, n - i);
        vf v = load_n(x + i, left);
        if (clip > 0) v = clamp(v, splat(-clip), splat(clip));
        store_n(x + i, activate_vector(a, v), left);
    }
}

// ---- sizes and places ----

bool read_recurrent(const ew_call *call, const RecurrentInputs &inputs, int64_t gates, int functions, Recurrent &r) {
    constexpr int FIXED = 5;
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    if (x.rank != 3 || y.rank != 4 || call->n_params < FIXED) return false;
    const int64_t direction = call->params[0].i;
    r.directions = direction == 2 ? 2 : 1;
    r.reverse = direction == 1;
    r.layout = call->params[1].i;
    r.clip = static_cast<float>(call->params[2].f);
    r.option = call->params[3].i != 0;
    r.packed = call->params[4].i != 0;
    r.time = x.shape[r.layout ? 1 : 0];
    r.batch = x.shape[r.layout ? 0 : 1];
    r.inputs = x.shape[2];
    r.hidden = y.shape[3];
    r.gates = gates;
    r.functions = functions;
    if (call->n_params < FIXED + 3 * functions * r.directions) return false;
    for (int i = 0; i < functions * static_cast<int>(r.directions); ++i) {
        const ew_param *p = call->params + FIXED + 3 * i;
        r.activations[i] = {p[0].i, static_cast<float>(p[1].f), static_cast<float>(p[2].f)};
    }
    const auto floats = [&](int index) {
        return index >= 0 && present(call, index) ? f32(call->inputs[index]) : nullptr;
    };
    r.x = f32(x);
    r.bias = floats(inputs.bias);
    r.peepholes = floats(inputs.peepholes);
    r.initial_h = floats(inputs.initial_h);
    r.initial_c = floats(inputs.initial_c);
    r.lengths =
        present(call, inputs.lengths) ? static_cast<const int32_t *>(call->inputs[inputs.lengths].data) : nullptr;
    const auto out = [&](int i) { return i < call->n_outputs ? static_cast<float *>(call->outputs[i].data) : nullptr; };
    r.y = out(0);
    r.last_h = out(1);
    r.last_c = inputs.initial_c >= 0 ? out(2) : nullptr;
    return true;
}

// ---- one direction ----

namespace {

// The cell of one sequence: `gates` holds its sums, `h` and `c` its state; `back` is what GRU keeps apart.
struct Cell {
    const Recurrent &r;
    int64_t direction;
    float *gates, *h, *c, *back;
    const Activation &function(int i) const { return r.activations[direction * r.functions + i]; }
};

void add_product(float *out, const float *a, const float *b, int64_t n) {
    for (int64_t i = 0; i < n; ++i) out[i] += a[i] * b[i];
}

// The usual activations, no clipping and no peepholes.
bool is_usual_lstm(const Cell &cell) {
    const Recurrent &r = cell.r;
    return cell.function(0).kind == SIGMOID && cell.function(1).kind == TANH && cell.function(2).kind == TANH &&
           r.clip == 0 && !r.option && !r.peepholes;
}

// All gates of a vector of units together: their chains of instructions overlap, and nothing is stored between them.
void step_usual_lstm(const Cell &cell) {
    const int64_t n = cell.r.hidden;
    const float *i = cell.gates, *o = i + n, *f = o + n, *g = f + n;
    const auto step = [&](int64_t k, auto read, auto write) __attribute__((always_inline)) {
        const vf c = vsigmoid(read(f + k)) * read(cell.c + k) + vsigmoid(read(i + k)) * vtanh(read(g + k));
        write(cell.c + k, c);
        write(cell.h + k, vsigmoid(read(o + k)) * vtanh(c));
    };
    int64_t k = 0;
    for (; k + VL <= n; k += VL) step(k, [](const float *x) { return load(x); }, [](float *x, vf v) { store(x, v); });
    const int64_t left = n - k;
    if (left > 0)
        step(k, [&](const float *x) { return load_n(x, left); }, [&](float *x, vf v) { store_n(x, v, left); });
}

void step_lstm(const Cell &cell) {
    if (is_usual_lstm(cell)) return step_usual_lstm(cell);
    const Recurrent &r = cell.r;
    const int64_t n = r.hidden;
    float *i = cell.gates, *o = i + n, *f = o + n, *g = f + n, *c = cell.c;
    const float *p = r.peepholes ? r.peepholes + cell.direction * 3 * n : nullptr;
    if (p) add_product(i, p, c, n);
    if (p && !r.option) add_product(f, p + 2 * n, c, n);
    activate(cell.function(0), r.clip, i, n);
    if (r.option)  // coupled input and forget gates
        for (int64_t k = 0; k < n; ++k) f[k] = 1 - i[k];
    else
        activate(cell.function(0), r.clip, f, n);
    activate(cell.function(1), r.clip, g, n);
    for (int64_t k = 0; k < n; ++k) c[k] = f[k] * c[k] + i[k] * g[k];
    if (p) add_product(o, p + n, c, n);
    activate(cell.function(0), r.clip, o, n);
    for (int64_t k = 0; k < n; ++k) g[k] = c[k];
    activate(cell.function(2), 0, g, n);
    for (int64_t k = 0; k < n; ++k) cell.h[k] = o[k] * g[k];
}

// gates: update, reset, hidden; the state's product with the hidden gate lies in `back`.
void finish_gru(const Cell &cell) {
    const int64_t n = cell.r.hidden;
    float *z = cell.gates, *g = z + 2 * n;
    for (int64_t k = 0; k < n; ++k) g[k] += cell.back[k];
    activate(cell.function(1), cell.r.clip, g, n);
    for (int64_t k = 0; k < n; ++k) cell.h[k] = (1 - z[k]) * g[k] + z[k] * cell.h[k];
}

void step_rnn(const Cell &cell) {
    activate(cell.function(0), cell.r.clip, cell.gates, cell.r.hidden);
    std::memcpy(cell.h, cell.gates, sizeof(float) * static_cast<size_t>(cell.r.hidden));
}

// Sequences that share the reading of the recurrent weight; groups of these are tasks of their own.
constexpr int64_t GROUP = 8;

// Memory of one direction: sums of all gates at all times, states, and two rows a sequence for GRU.
struct Memory {
    float *gates, *h, *c, *reset, *back;
};

// Sequences [first, end) of a batch: they run side by side, and apart from all others.
struct Sequences {
    int64_t first, end;
};

// c[sequences, columns] += h R, or = where `add` is false; ld: distance of the rows of c.
void multiply(const Recurrent &r, Sequences some, const float *h, const float *panels, int64_t columns, float *c,
              int64_t ld, bool add) {
    Finish finish;
    finish.accumulate = add;
    const float *rows = h + some.first * r.hidden;
    run_gemm({some.end - some.first, columns, r.hidden, {rows, r.hidden, 1}, panels, c + some.first * ld, ld}, finish);
}

// GRU: sums of update and reset, then the product with the state, reset before or after it.
void gate_gru(const Recurrent &r, int64_t direction, Sequences some, const float *panels, const Memory &m, float *gates,
              int64_t ld) {
    const int64_t n = r.hidden;
    const float *last = panels + packed_floats(n, 2 * n), *bias = r.bias ? r.bias + (direction * 6 + 5) * n : nullptr;
    multiply(r, some, m.h, panels, 2 * n, gates, ld, true);
    for (int64_t b = some.first; b < some.end; ++b)
        activate(r.activations[direction * r.functions], r.clip, gates + b * ld, 2 * n);
    if (r.option) {
        multiply(r, some, m.h, last, n, m.back, n, false);
    } else {
        for (int64_t b = some.first; b < some.end; ++b)
            for (int64_t k = 0; k < n; ++k) m.reset[b * n + k] = gates[b * ld + n + k] * m.h[b * n + k];
        multiply(r, some, m.reset, last, n, m.back, n, false);
    }
    for (int64_t b = some.first; b < some.end; ++b)
        for (int64_t k = 0; k < n; ++k) {
            float &v = m.back[b * n + k];
            if (bias) v += bias[k];
            if (r.option) v *= gates[b * ld + n + k];
        }
}

void run_steps(const Recurrent &r, int64_t d, Sequences some, const float *panels, const Memory &m,
               StateProduct product) {
    const int64_t n = r.hidden, width = r.gates * n, ld = r.layout ? r.time * width : width;
    const bool backward = r.reverse || d == 1;
    for (int64_t step = 0; step < r.time; ++step) {
        const int64_t t = backward ? r.time - 1 - step : step;
        float *gates = m.gates + (r.layout ? t : t * r.batch) * width;
        if (product.run)
            product.run(product.arg, d, m.h, gates, ld);
        else if (r.gates == 3)
            gate_gru(r, d, some, panels, m, gates, ld);
        else
            multiply(r, some, m.h, panels, width, gates, ld, true);
        for (int64_t b = some.first; b < some.end; ++b) {
            float *y =
                r.y + (r.layout ? (b * r.time + t) * r.directions + d : (t * r.directions + d) * r.batch + b) * n;
            if (r.lengths && t >= r.lengths[b]) {
                std::memset(y, 0, sizeof(float) * static_cast<size_t>(n));
                continue;
            }
            const Cell cell{r, d, gates + b * ld, m.h + b * n, m.c + b * n, m.back + b * n};
            r.gates == 4 ? step_lstm(cell) : r.gates == 3 ? finish_gru(cell) : step_rnn(cell);
            std::memcpy(y, cell.h, sizeof(float) * static_cast<size_t>(n));
        }
    }
}

// Copies states between [directions, batch, hidden] (or batch first) and the rows of one direction.
int64_t state_offset(const Recurrent &r, int64_t d, int64_t b) {
    return (r.layout ? b * r.directions + d : d * r.batch + b) * r.hidden;
}

void load_state(const Recurrent &r, int64_t d, Sequences some, const float *from, float *to) {
    const size_t bytes = sizeof(float) * static_cast<size_t>(r.hidden);
    for (int64_t b = some.first; b < some.end; ++b) {
        if (from)
            std::memcpy(to + b * r.hidden, from + state_offset(r, d, b), bytes);
        else
            std::memset(to + b * r.hidden, 0, bytes);
    }
}

void save_state(const Recurrent &r, int64_t d, Sequences some, const float *from, float *to) {
    for (int64_t b = some.first; b < some.end && to; ++b)
        std::memcpy(to + state_offset(r, d, b), from + b * r.hidden, sizeof(float) * static_cast<size_t>(r.hidden));
}

// Biases that are added once to the sums of all times; GRU's last recurrent one is added to the state's product.
void sum_bias(const Recurrent &r, int64_t d, float *out) {
    const int64_t width = r.gates * r.hidden, kept = r.gates == 3 ? 2 * r.hidden : width;
    const float *b = r.bias ? r.bias + d * 2 * width : nullptr;
    for (int64_t i = 0; i < width; ++i) out[i] = b ? b[i] + (i < kept ? b[width + i] : 0) : 0;
}

}  // namespace

void run_directions(const ew_call *call, const Recurrent &r, const float *w, const float *rec, InputProduct given,
                    StateProduct product) {
    const int64_t n = r.hidden, width = r.gates * n, rows = r.time * r.batch, state = r.batch * n;
    const int64_t step_w = packed_floats(r.inputs, width);
    const int64_t step_r = r.gates == 3 ? packed_floats(n, 2 * n) + packed_floats(n, n) : packed_floats(n, width);
    const int64_t each = rows * width + 4 * state;
    float *memory = scratch(SCRATCH_D, r.directions * (each + width));
    for (int64_t d = 0; d < r.directions; ++d) sum_bias(r, d, memory + r.directions * each + d * width);
    const Split s = split_gemm(rows, width, r.inputs);
    parallel(call, r.directions * s.tasks(), [&](int64_t task) {
        const int64_t d = task / s.tasks();
        const auto [row, m, first, col, columns] = s.block(task % s.tasks());
        float *bias = memory + r.directions * each + d * width, *sums = memory + d * each + row * width + col;
        if (given.run) return given.run(given.arg, d, sums, width, row, m, col, columns, bias + col);
        Finish finish;
        finish.bias_col = bias + col;
        run_gemm({m,
                  columns,
                  r.inputs,
                  {r.x + row * r.inputs, r.inputs, 1},
                  panel(w + d * step_w, r.inputs, first),
                  sums,
                  width},
                 finish);
    });
    const bool together = product.run || product.steps;
    const int64_t groups = together ? 1 : (r.batch + GROUP - 1) / GROUP, size = together ? r.batch : GROUP;
    parallel(call, r.directions * groups, [&](int64_t task) {
        const int64_t d = task / groups, first = task % groups * size;
        const Sequences some{first, least(r.batch, first + size)};
        float *states = memory + d * each + rows * width;
        const Memory m{memory + d * each, states, states + state, states + 2 * state, states + 3 * state};
        load_state(r, d, some, r.initial_h, m.h);
        load_state(r, d, some, r.initial_c, m.c);
        if (product.steps)
            product.steps(product.arg, d, m.gates, m.h, m.c);
        else
            run_steps(r, d, some, rec + d * step_r, m, product);
        save_state(r, d, some, m.h, r.last_h);
        save_state(r, d, some, m.c, r.last_c);
    });
}

namespace {

// [rows, k] of one direction, transposed, as panels; GRU's recurrent weight in two parts.
void pack_direction(const float *w, int64_t rows, int64_t k, int64_t first, float *out) {
    pack_panels({w, 1, k}, k, first, out);
    if (first < rows) pack_panels({w + first * k, 1, k}, k, rows - first, out + packed_floats(k, first));
}

int64_t pack_all(const ew_tensor &w, bool parted, float *out) {
    const int64_t rows = w.shape[1], k = w.shape[2], first = parted ? rows / 3 * 2 : rows;
    const int64_t step = packed_floats(k, first) + packed_floats(k, rows - first);
    for (int64_t d = 0; d < w.shape[0]; ++d) pack_direction(f32(w) + d * rows * k, rows, k, first, out + d * step);
    return step * w.shape[0];
}

// Params: parted (GRU's recurrent weight).
int32_t pack(const ew_call *call) {
    const int64_t used = pack_all(call->inputs[0], call->params[0].i != 0, static_cast<float *>(call->outputs[0].data));
    clear_rest(call->outputs[0], used);
    return EW_OK;
}

int32_t run(const ew_call *call, const RecurrentInputs &inputs, int64_t gates, int functions) {
    Recurrent r;
    if (!read_recurrent(call, inputs, gates, functions, r))
        return call->host->error(call, EW_INVALID_PLAN, "recurrent layer: ranks or params");
    const float *w = f32(call->inputs[1]), *rec = f32(call->inputs[2]);
    if (!r.packed) {
        const int64_t columns = round_up(gates * r.hidden, NR) + NR;  // room for either way of parting
        float *own = scratch(SCRATCH_B, r.directions * columns * (r.inputs + r.hidden));
        rec = own + pack_all(call->inputs[1], false, own);
        pack_all(call->inputs[2], gates == 3, own + (rec - own));
        w = own;
    }
    run_directions(call, r, w, rec, {}, {});
    return EW_OK;
}

int32_t lstm(const ew_call *call) { return run(call, {3, 4, 5, 6, 7}, 4, 3); }
int32_t gru(const ew_call *call) { return run(call, {3, 4, 5, -1, -1}, 3, 2); }
int32_t rnn(const ew_call *call) { return run(call, {3, 4, 5, -1, -1}, 1, 1); }

}  // namespace

EW_KERNEL(lstm_f32, lstm)
EW_KERNEL(gru_f32, gru)
EW_KERNEL(rnn_f32, rnn)
EW_KERNEL(pack_recurrent_f32, pack)

}  // namespace ew::EW_ISA
